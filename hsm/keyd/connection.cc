#include "hsm/keyd/connection.h"

#include <algorithm>

#include "hsm/pkcs11_error.h"
#include "hsm/raw_signing.h"

namespace signet::hsm {
namespace {

using wire::Call;

constexpr CK_SLOT_ID kSlot = 1;
constexpr std::size_t kMaxSessions = 256;
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

AgentConnection::AgentConnection(AgentBackend& backend, AgentPeer peer, AgentGrant grant,
                                 bool management, std::uint64_t nonce)
    : backend_(backend),
      peer_(std::move(peer)),
      grant_(std::move(grant)),
      management_(management),
      nonce_(nonce) {}

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
    if (ready != CKR_OK) outcome = Failure(ready);
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

AgentConnection::Outcome AgentConnection::Failure(CK_RV code) {
  Outcome outcome;
  outcome.reply.code = code;
  return outcome;
}

AgentConnection::SessionState* AgentConnection::FindSession(CK_ULONG session) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end()) return &found->second;
  if (!assume_sessions_ || session == 0 || session > 1'000'000 ||
      sessions_.size() >= kMaxSessions) {
    return nullptr;
  }
  next_session_ = std::max(next_session_, session + 1);
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

AgentConnection::Outcome AgentConnection::GetInfo(wire::Reader&) {
  Outcome outcome;
  wire::Writer writer(outcome.reply.arguments);
  writer.Version(2, 40);
  writer.Padded("Signet", 32);
  writer.Number(0);
  writer.Padded("signet-keyd", 32);
  writer.Version(1, 0);
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetSlotList(wire::Reader& reader) {
  reader.Byte();  // with a token: the slot has one
  const std::uint32_t room = reader.BufferSize();
  Outcome outcome;
  wire::Writer writer(outcome.reply.arguments);
  if (room == 0) {
    writer.NumbersSize(1);
  } else {
    writer.Numbers({kSlot});
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetSlotInfo(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  wire::Writer writer(outcome.reply.arguments);
  writer.Padded("signet-keyd", 64);
  writer.Padded("Signet", 32);
  writer.Number(CKF_TOKEN_PRESENT);
  writer.Version(1, 0);
  writer.Version(1, 0);
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetTokenInfo(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  const TokenInfo info = backend_.Description();
  CK_FLAGS flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED;
  if (!management_) flags |= CKF_WRITE_PROTECTED;
  wire::Writer writer(outcome.reply.arguments);
  writer.Padded(info.label, 32);
  writer.Padded(info.manufacturer, 32);
  writer.Padded(info.model, 16);
  writer.Padded(info.serial, 16);
  writer.Number(flags);
  writer.Number(kMaxSessions);
  writer.Number(sessions_.size());
  writer.Number(management_ ? kMaxSessions : 0);
  writer.Number(0);
  writer.Number(255);  // lengths of a PIN that nobody asks for
  writer.Number(0);
  for (int i = 0; i < 4; ++i) writer.Number(CK_UNAVAILABLE_INFORMATION);
  writer.Version(1, 0);
  writer.Version(1, 0);
  writer.Padded("", 16);
  return outcome;
}

std::vector<CK_MECHANISM_TYPE> AgentConnection::ShownMechanisms() {
  const std::vector<CK_MECHANISM_TYPE> there = backend_.Mechanisms();
  if (management_) return there;
  std::vector<CK_MECHANISM_TYPE> shown;
  for (const RawMechanism& row : RawMechanisms()) {
    if (std::find(there.begin(), there.end(), row.type) != there.end()) shown.push_back(row.type);
  }
  // SunPKCS11 offers PSS only where it finds the hashes too; nobody hashes here.
  for (const CK_MECHANISM_TYPE hash : {CKM_SHA256, CKM_SHA384, CKM_SHA512}) shown.push_back(hash);
  return shown;
}

AgentConnection::Outcome AgentConnection::GetMechanismList(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  const std::uint32_t room = reader.BufferSize();
  const std::vector<CK_MECHANISM_TYPE> shown = ShownMechanisms();
  wire::Writer writer(outcome.reply.arguments);
  if (room < shown.size()) {
    writer.NumbersSize(shown.size());
  } else {
    writer.Numbers(shown);
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetMechanismInfo(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  const CK_MECHANISM_TYPE type = reader.Number();
  const std::vector<CK_MECHANISM_TYPE> shown = ShownMechanisms();
  if (std::find(shown.begin(), shown.end(), type) == shown.end()) {
    outcome.reply.code = CKR_MECHANISM_INVALID;
    return outcome;
  }
  wire::Writer writer(outcome.reply.arguments);
  const RawMechanism* row = FindRawMechanism(type);
  if (row == nullptr) {
    writer.Number(0);
    writer.Number(0);
    writer.Number(management_ ? CKF_GENERATE_KEY_PAIR : CKF_DIGEST);
  } else if (row->algorithm == KeyAlgorithm::kRsa) {
    writer.Number(2048);
    writer.Number(4096);
    writer.Number(CKF_SIGN);
  } else {
    writer.Number(256);
    writer.Number(521);
    writer.Number(CKF_SIGN | CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS);
  }
  return outcome;
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
      Search& search = session.search.emplace();
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
