#include "hsm/keyd/connection.h"

#include <algorithm>
#include <chrono>

#include "hsm/pkcs11_error.h"
#include "hsm/raw_signing.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

using wire::Call;

constexpr std::size_t kMaxServiceBody = 96 * 1024;    // more than the longest data to sign
constexpr std::size_t kMaxManagementBody = 8u << 20;  // a view of all keys with their chains

}  // namespace

struct AgentConnection::Row {
  Call call;
  std::string_view request, response;  // signatures
  Handler handler;
  enum class For : std::uint8_t { kAll, kManagement } audience = For::kAll;
};

const AgentConnection::Row* AgentConnection::FindRow(std::uint32_t call) {
  using C = AgentConnection;
  using For = Row::For;
  static const Row kRows[] = {
      {Call::kInitialize, "ayyay", "", &C::Initialize},
      {Call::kFinalize, "", "", &C::Finalize},
      {Call::kGetInfo, "", "vsusv", &C::GetInfo},
      {Call::kGetSlotList, "yfu", "au", &C::GetSlotList},
      {Call::kGetSlotInfo, "u", "ssuvv", &C::GetSlotInfo},
      {Call::kGetTokenInfo, "u", "ssssuuuuuuuuuuuvvs", &C::GetTokenInfo},
      {Call::kGetMechanismList, "ufu", "au", &C::GetMechanismList},
      {Call::kGetMechanismInfo, "uu", "uuu", &C::GetMechanismInfo},
      {Call::kOpenSession, "uu", "u", &C::OpenSession},
      {Call::kCloseSession, "u", "", &C::CloseSession},
      {Call::kCloseAllSessions, "u", "", &C::CloseAllSessions},
      {Call::kGetSessionInfo, "u", "uuuu", &C::GetSessionInfo},
      {Call::kLogin, "uuay", "", &C::Login},
      {Call::kLogout, "u", "", &C::Logout},
      {Call::kGetAttributeValue, "uufA", "aAu", &C::GetAttributeValue},
      {Call::kFindObjectsInit, "uaA", "", &C::FindObjectsInit},
      {Call::kFindObjects, "ufu", "au", &C::FindObjects},
      {Call::kFindObjectsFinal, "u", "", &C::FindObjectsFinal},
      {Call::kSignInit, "uMu", "", &C::SignInit},
      {Call::kSign, "uayfy", "ay", &C::Sign},
      {Call::kSignUpdate, "uay", "", &C::SignUpdate},
      {Call::kSignFinal, "ufy", "ay", &C::SignFinal},
      {Call::kDestroyObject, "uu", "", &C::DestroyObject, For::kManagement},
      {Call::kSetAttributeValue, "uuaA", "", &C::SetAttributeValue, For::kManagement},
      {Call::kGenerateKeyPair, "uMaAaA", "uu", &C::GenerateKeyPair, For::kManagement},
      {Call::kWrapKey, "uMuufy", "ay", &C::WrapKey, For::kManagement},
      {Call::kUnwrapKey, "uMuayaA", "u", &C::UnwrapKey, For::kManagement},
      {Call::kControl, "zay", "ay", &C::Control, For::kManagement},
  };
  for (const Row& row : kRows) {
    if (static_cast<std::uint32_t>(row.call) == call) return &row;
  }
  return nullptr;
}

CK_RV CodeForClient(const Error& error) {
  if (const CK_RV code = CkCode(error); code != CKR_OK) return code;
  Log(LogLevel::kError, error.ToString() + ". " + error.remedy);
  return error.word == "STORAGE_FULL" ? CKR_DEVICE_MEMORY : CKR_FUNCTION_FAILED;
}

AgentConnection::AgentConnection(AgentBackend& backend, AgentPeer peer, AgentGrant grant,
                                 bool management, std::uint64_t nonce)
    : backend_(backend),
      peer_(std::move(peer)),
      grant_(std::move(grant)),
      management_(management),
      nonce_(nonce) {}

void AgentConnection::AssumeGreeted() {
  greeted_ = true;
  initialized_ = assume_sessions_ = !management_;
  // Numbers that no process before gave to a session of this client: each since the machine
  // started opened fewer than one in a nanosecond.
  next_session_ =
      static_cast<CK_ULONG>(std::chrono::steady_clock::now().time_since_epoch().count());
}

AgentConnection::Step AgentConnection::Next(WipedString& input) {
  Step step;
  if (!greeted_) {
    if (input.empty()) return step;
    // The version: a client speaks 0, later ones begin higher and take what they are answered.
    input.erase(0, 1);
    greeted_ = true;
    step.kind = Step::Kind::kReply;
    step.output.assign(1, '\0');
    return step;
  }
  if (input.size() < wire::kHeaderSize) return step;
  const wire::Header header = wire::ReadHeader({input.data(), input.size()});
  const std::size_t limit = management_ ? kMaxManagementBody : kMaxServiceBody;
  if (header.code == 0 || header.options > wire::kMaxOptions || header.body > limit ||
      header.body < 8) {
    step.kind = Step::Kind::kBroken;
    return step;
  }
  const std::size_t begin = wire::kHeaderSize + header.options;
  if (input.size() < begin + header.body) return step;
  code_ = header.code;
  wire::Reader reader({input.data() + begin, header.body});
  const std::uint32_t call = reader.Word();
  const auto signature = reader.Octets();
  row_ = FindRow(call);
  const bool allowed = row_ != nullptr && !refused_ &&
                       (management_ || row_->audience == Row::For::kAll) &&
                       (initialized_ || row_->call == Call::kInitialize);
  Outcome outcome;
  if (!allowed) {
    outcome.reply.code = row_ != nullptr && !initialized_ ? CKR_CRYPTOKI_NOT_INITIALIZED
                                                          : CKR_FUNCTION_NOT_SUPPORTED;
  } else if (signature != row_->request) {
    outcome.reply.code = CKR_ARGUMENTS_BAD;
  } else {
    outcome = (this->*row_->handler)(reader);
    // A handler does nothing before it has read all of its arguments.
    if (!reader.AtEnd()) outcome = Failure(CKR_ARGUMENTS_BAD);
  }
  // What was read may hold a PIN.
  if (management_) Wipe(input.data(), begin + header.body);
  input.erase(0, begin + header.body);
  if (outcome.job && outcome.asks_token) {
    const CK_RV ready = backend_.Ready();
    if (ready != CKR_OK) outcome = Failure(ready == CKR_DEVICE_ERROR ? TokenFailed() : ready);
  }
  if (outcome.job) {
    step.kind = Step::Kind::kJob;
    step.job = std::move(outcome.job);
    step.is_long = outcome.is_long;
    step.is_signature = outcome.is_signature;
    then_ = std::move(outcome.then);
    settle_ = std::move(outcome.settle);
    return step;
  }
  step.kind = Step::Kind::kReply;
  step.output = Finish(std::move(outcome.reply), false);
  return step;
}

std::string AgentConnection::Finish(AgentReply reply, bool abandoned) {
  const auto then = std::exchange(then_, nullptr);
  const auto settle = std::exchange(settle_, nullptr);
  if (abandoned) reply.code = TokenFailed();
  if (!abandoned && then) then(reply);
  if (settle) settle(!abandoned && reply.code == CKR_OK);
  if (reply.code == CKR_OK) {
    return wire::Frame(code_, static_cast<std::uint32_t>(row_->call), row_->response,
                       reply.arguments);
  }
  std::string arguments;
  wire::Writer(arguments).Number(reply.code);
  return wire::Frame(code_, static_cast<std::uint32_t>(Call::kError), "u", arguments);
}

// p11-kit's client says CKR_DEVICE_ERROR when its connection is gone, and signetd makes a new one
// then: it is told otherwise of a token that fails.
CK_RV AgentConnection::TokenFailed() const {
  return management_ ? CKR_FUNCTION_FAILED : CKR_DEVICE_ERROR;
}

AgentConnection::Outcome AgentConnection::Failure(CK_RV code) {
  Outcome outcome;
  outcome.reply.code = code;
  return outcome;
}

AgentConnection::SessionState* AgentConnection::FindSession(CK_ULONG session) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end()) return &found->second;
  if (!assume_sessions_ || session == 0 || session >= next_session_ ||
      sessions_.size() >= kMaxSessions) {
    return nullptr;
  }
  return &sessions_[session];
}

AgentConnection::Outcome AgentConnection::Initialize(wire::Reader& reader) {
  const std::string_view handshake = reader.Array();
  reader.Byte();
  std::string_view reserved = reader.Array();
  if (!reader.AtEnd()) return {};
  if (handshake != wire::kHandshake) return Failure(CKR_GENERAL_ERROR);
  if (reserved.ends_with('\0')) reserved.remove_suffix(1);
  if (management_ && !backend_.IsManager(reserved)) {
    refused_ = true;
    return Failure(CKR_USER_NOT_LOGGED_IN);
  }
  initialized_ = true;
  sessions_.clear();
  return {};
}

AgentConnection::Outcome AgentConnection::Finalize(wire::Reader& reader) {
  if (reader.AtEnd()) sessions_.clear();
  return {};
}

AgentConnection::Outcome AgentConnection::OpenSession(wire::Reader& reader) {
  Outcome outcome;
  const CK_ULONG slot = reader.Number();
  const CK_FLAGS flags = reader.Number();
  if (!reader.AtEnd()) return outcome;
  if (slot != kSlot) {
    outcome.reply.code = CKR_SLOT_ID_INVALID;
  } else if ((flags & CKF_SERIAL_SESSION) == 0) {
    outcome.reply.code = CKR_SESSION_PARALLEL_NOT_SUPPORTED;
  } else if ((flags & CKF_RW_SESSION) != 0 && !management_) {
    outcome.reply.code = CKR_TOKEN_WRITE_PROTECTED;
  } else if (sessions_.size() >= kMaxSessions) {
    outcome.reply.code = CKR_SESSION_COUNT;
  } else {
    wire::Writer(outcome.reply.arguments).Number(next_session_);
    sessions_[next_session_++];
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::CloseSession(wire::Reader& reader) {
  Outcome outcome;
  const CK_ULONG session = reader.Number();
  if (!reader.AtEnd()) return outcome;
  if (FindSession(session) == nullptr) outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  sessions_.erase(session);
  return outcome;
}

AgentConnection::Outcome AgentConnection::CloseAllSessions(wire::Reader& reader) {
  Outcome outcome;
  const CK_ULONG slot = reader.Number();
  if (!reader.AtEnd()) return outcome;
  if (slot != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  sessions_.clear();
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetSessionInfo(wire::Reader& reader) {
  Outcome outcome;
  if (FindSession(reader.Number()) == nullptr) outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  wire::Writer writer(outcome.reply.arguments);
  writer.Number(kSlot);
  writer.Number(management_ ? CKS_RW_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION);
  writer.Number(management_ ? CKF_SERIAL_SESSION | CKF_RW_SESSION : CKF_SERIAL_SESSION);
  writer.Number(0);
  return outcome;
}

// Who the client is was decided when it connected; a PIN is looked at by nobody.
AgentConnection::Outcome AgentConnection::Login(wire::Reader& reader) {
  Outcome outcome;
  if (FindSession(reader.Number()) == nullptr) outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  reader.Number();
  reader.Array();
  return outcome;
}

AgentConnection::Outcome AgentConnection::Logout(wire::Reader& reader) {
  Outcome outcome;
  if (FindSession(reader.Number()) == nullptr) outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  return outcome;
}

std::size_t AgentConnection::Held() const {
  std::size_t held = 0;
  for (const auto& [number, session] : sessions_) {
    held += sizeof session + 64;  // its place in the map
    if (session.search) held += session.search->found.capacity() * sizeof(CK_ULONG);
    if (session.sign)
      held += session.sign->data.capacity() + session.sign->mechanism.octets.capacity();
  }
  return held;
}

void AgentConnection::Save(wire::Writer& writer) const {
  writer.Byte(greeted_ ? 1 : 0);
  writer.Byte(initialized_ ? 1 : 0);
  writer.Byte(assume_sessions_ ? 1 : 0);
  writer.Number(next_session_);
  writer.Word(static_cast<std::uint32_t>(sessions_.size()));
  for (const auto& [number, session] : sessions_) {
    writer.Number(number);
    writer.Byte(session.search ? 1 : 0);
    if (session.search) {
      writer.Numbers(session.search->found);
      writer.Number(session.search->next);
    }
    writer.Byte(session.sign ? 1 : 0);
    if (session.sign) {
      writer.Octets(session.sign->key);
      writer.Octets(session.sign->purpose);
      writer.Byte(session.sign->spec.algorithm == KeyAlgorithm::kEc ? 1 : 0);
      writer.Word(static_cast<std::uint32_t>(session.sign->spec.bits));
      writer.WriteMechanism(session.sign->mechanism);
      writer.Octets(session.sign->data);
    }
  }
}

bool AgentConnection::Load(wire::Reader& reader) {
  greeted_ = reader.Byte() != 0;
  initialized_ = reader.Byte() != 0;
  assume_sessions_ = reader.Byte() != 0;
  next_session_ = reader.Number();
  const std::uint32_t count = reader.Word();
  if (count > kMaxSessions) return false;
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    SessionState& session = sessions_[reader.Number()];
    if (reader.Byte() != 0) {
      session.search = Search();
      Search& search = *session.search;
      reader.Byte();
      const std::uint32_t found = reader.Word();
      for (std::uint32_t j = 0; j < found && reader.ok(); ++j)
        search.found.push_back(reader.Number());
      search.next = reader.Number();
      if (search.next > search.found.size()) return false;
    }
    if (reader.Byte() == 0) continue;
    SignOperation& sign = session.sign.emplace();
    sign.key = reader.Octets().value_or("");
    sign.purpose = reader.Octets().value_or("");
    sign.spec.algorithm = reader.Byte() != 0 ? KeyAlgorithm::kEc : KeyAlgorithm::kRsa;
    sign.spec.bits = static_cast<int>(reader.Word());
    sign.mechanism = reader.ReadMechanism();
    sign.data = reader.Octets().value_or("");
  }
  return reader.ok();
}

}  // namespace signet::hsm
