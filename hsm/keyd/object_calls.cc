// Calls that find, show and use keys: the view of a service.
#include <algorithm>

#include "hsm/keyd/connection.h"
#include "hsm/pkcs11_error.h"
#include "hsm/raw_signing.h"

namespace signet::hsm {
namespace {

constexpr std::size_t kMaxData = 64 * 1024;  // of one signature, over all its parts
constexpr std::size_t kMaxFound = 1024;      // handles in one answer

// Parts of a private key: there, and never shown.
bool IsSecret(CK_ATTRIBUTE_TYPE type) {
  return type == CKA_VALUE || (type >= CKA_PRIVATE_EXPONENT && type <= CKA_COEFFICIENT);
}

}  // namespace

const VirtualObject* AgentConnection::FindObject(const VirtualObjects& view,
                                                 CK_ULONG handle) const {
  for (const VirtualObject& object : view.objects) {
    if (HandleOf(object) == handle) {
      return grant_.Allows(view.keys[object.key]) ? &object : nullptr;
    }
  }
  return nullptr;
}

AgentConnection::Outcome AgentConnection::GetAttributeValue(wire::Reader& reader) {
  Outcome outcome;
  const CK_ULONG session = reader.Number();
  const CK_ULONG handle = reader.Number();
  std::vector<CK_ATTRIBUTE_TYPE> types = reader.WantedTypes();
  if (!reader.AtEnd()) return outcome;
  if (FindSession(session) == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
    return outcome;
  }
  if (management_) return ManagedAttributes(handle, std::move(types));
  const auto view = backend_.View();
  const VirtualObject* object = FindObject(*view, handle);
  if (object == nullptr) {
    outcome.reply.code = CKR_OBJECT_HANDLE_INVALID;
    return outcome;
  }
  CK_RV code = CKR_OK;
  wire::Writer writer(outcome.reply.arguments);
  writer.AttributeCount(types.size());
  for (const CK_ATTRIBUTE_TYPE type : types) {
    const std::string* value = object->Find(type);
    writer.WriteAttribute(type, value);
    if (value == nullptr) {
      code = object->is_private && IsSecret(type) ? CKR_ATTRIBUTE_SENSITIVE
                                                  : CKR_ATTRIBUTE_TYPE_INVALID;
    }
  }
  writer.Number(code);
  return outcome;
}

AgentConnection::Outcome AgentConnection::FindObjectsInit(wire::Reader& reader) {
  Outcome outcome;
  const CK_ULONG number = reader.Number();
  std::vector<wire::Attribute> match = reader.Template();
  if (!reader.AtEnd()) return outcome;
  SessionState* session = FindSession(number);
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  } else if (session->search) {
    outcome.reply.code = CKR_OPERATION_ACTIVE;
  } else if (management_) {
    return ManagedSearch(number, std::move(match));
  } else {
    session->search = Search();
    Search& search = *session->search;
    const auto view = backend_.View();
    for (const VirtualObject& object : view->objects) {
      if (grant_.Allows(view->keys[object.key]) && object.Matches(match))
        search.found.push_back(HandleOf(object));
    }
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::FindObjects(wire::Reader& reader) {
  Outcome outcome;
  SessionState* session = FindSession(reader.Number());
  const std::size_t room = reader.BufferSize();
  if (!reader.AtEnd()) return outcome;
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  } else if (!session->search) {
    outcome.reply.code = CKR_OPERATION_NOT_INITIALIZED;
  } else {
    Search& search = *session->search;
    const std::size_t count = std::min({room, kMaxFound, search.found.size() - search.next});
    const auto first = search.found.begin() + static_cast<std::ptrdiff_t>(search.next);
    search.next += count;
    wire::Writer(outcome.reply.arguments)
        .Numbers({first, first + static_cast<std::ptrdiff_t>(count)});
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::FindObjectsFinal(wire::Reader& reader) {
  Outcome outcome;
  SessionState* session = FindSession(reader.Number());
  if (!reader.AtEnd()) return outcome;
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  } else if (!session->search) {
    outcome.reply.code = CKR_OPERATION_NOT_INITIALIZED;
  } else {
    session->search.reset();
  }
  return outcome;
}

// Checked here, done with the signature itself: in the token no operation waits for a client.
AgentConnection::Outcome AgentConnection::SignInit(wire::Reader& reader) {
  Outcome outcome;
  const CK_ULONG number = reader.Number();
  wire::Mechanism mechanism = reader.ReadMechanism();
  const CK_ULONG handle = reader.Number();
  if (!reader.AtEnd()) return outcome;
  SessionState* session = FindSession(number);
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
    return outcome;
  }
  if (session->sign) {
    outcome.reply.code = CKR_OPERATION_ACTIVE;
    return outcome;
  }
  if (management_) return ManagedSignInit(number, std::move(mechanism), handle);
  const auto view = backend_.View();
  const VirtualObject* object = FindObject(*view, handle);
  if (object == nullptr) {
    outcome.reply.code = CKR_KEY_HANDLE_INVALID;
    return outcome;
  }
  const VirtualKey& key = view->keys[object->key];
  outcome.reply.code = object->is_private ? CheckRawMechanism(mechanism, key.spec, false)
                                          : CKR_KEY_FUNCTION_NOT_PERMITTED;
  if (outcome.reply.code == CKR_OK) {
    session->sign.emplace(SignOperation{key.id, key.purpose, key.spec, std::move(mechanism), {}});
  }
  return outcome;
}

// The view may have changed since C_SignInit.
bool AgentConnection::MayUse(const KeyId& key) const {
  if (management_) return true;
  const auto view = backend_.View();
  return std::any_of(view->keys.begin(), view->keys.end(), [&](const VirtualKey& known) {
    return known.id == key && grant_.Allows(known);
  });
}

AgentConnection::Outcome AgentConnection::MakeSignature(SessionState& session,
                                                        std::string_view data, std::uint32_t room) {
  Outcome outcome;
  const std::size_t size = RawSignatureSize(session.sign->spec);
  if (room < size) {  // also: only the size is asked for; the operation goes on
    wire::Writer(outcome.reply.arguments).ArraySize(size);
    return outcome;
  }
  SignOperation sign = std::move(*session.sign);
  session.sign.reset();
  if (!MayUse(sign.key)) return Failure(CKR_KEY_HANDLE_INVALID);
  sign.data += data;
  AgentBackend& backend = backend_;
  const uid_t uid = peer_.uid;
  outcome.settle = [&backend, uid, purpose = sign.purpose, key = sign.key,
                    type = sign.mechanism.type](bool delivered) {
    if (delivered) backend.CountUse(purpose, key, uid, type);
  };
  outcome.is_signature = true;
  outcome.job = [&backend, sign = std::move(sign)]() {
    AgentReply reply;
    auto signature = backend.Sign(sign.key, sign.mechanism, sign.data);
    if (signature) {
      wire::Writer(reply.arguments).Array(signature.value());
    } else {
      reply.code = CodeForClient(signature.error());
    }
    return reply;
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::Sign(wire::Reader& reader) {
  Outcome outcome;
  SessionState* session = FindSession(reader.Number());
  const std::string_view data = reader.Array();
  const std::uint32_t room = reader.BufferSize();
  if (!reader.AtEnd()) return outcome;
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  } else if (!session->sign || !session->sign->data.empty()) {
    outcome.reply.code = CKR_OPERATION_NOT_INITIALIZED;
  } else if (data.size() > kMaxData) {
    session->sign.reset();
    outcome.reply.code = CKR_DATA_LEN_RANGE;
  } else {
    return MakeSignature(*session, data, room);
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::SignUpdate(wire::Reader& reader) {
  Outcome outcome;
  SessionState* session = FindSession(reader.Number());
  const std::string_view data = reader.Array();
  if (!reader.AtEnd()) return outcome;
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  } else if (!session->sign) {
    outcome.reply.code = CKR_OPERATION_NOT_INITIALIZED;
  } else if (session->sign->data.size() + data.size() > kMaxData) {
    session->sign.reset();
    outcome.reply.code = CKR_DATA_LEN_RANGE;
  } else {
    session->sign->data += data;
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::SignFinal(wire::Reader& reader) {
  Outcome outcome;
  SessionState* session = FindSession(reader.Number());
  const std::uint32_t room = reader.BufferSize();
  if (!reader.AtEnd()) return outcome;
  if (session == nullptr) {
    outcome.reply.code = CKR_SESSION_HANDLE_INVALID;
  } else if (!session->sign) {
    outcome.reply.code = CKR_OPERATION_NOT_INITIALIZED;
  } else {
    return MakeSignature(*session, {}, room);
  }
  return outcome;
}

}  // namespace signet::hsm
