// Calls of the management socket: the token's objects as they are, and what PKCS#11 has no call
// for.
#include <algorithm>

#include "hsm/keyd/connection.h"
#include "hsm/pkcs11_error.h"
#include "hsm/raw_signing.h"

namespace signet::hsm {
namespace {

AgentReply Failed(const Error& error) { return {CodeForClient(error), {}}; }

}  // namespace

AgentConnection::Outcome AgentConnection::ManagedAttributes(CK_ULONG object,
                                                            std::vector<CK_ATTRIBUTE_TYPE> types) {
  Outcome outcome;
  outcome.job = [&objects = backend_.Objects(), object, types = std::move(types)]() -> AgentReply {
    auto values = objects.Attributes(object, types);
    if (!values) return Failed(values.error());
    AgentReply reply;
    CK_RV code = CKR_OK;
    wire::Writer writer(reply.arguments);
    writer.AttributeCount(types.size());
    for (std::size_t i = 0; i < types.size(); ++i) {
      const auto& value = values.value()[i];
      writer.WriteAttribute(types[i], value ? &*value : nullptr);
      if (!value) code = CKR_ATTRIBUTE_TYPE_INVALID;
    }
    writer.Number(code);
    return reply;
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::ManagedSearch(CK_ULONG session,
                                                        std::vector<wire::Attribute> match) {
  Outcome outcome;
  auto found = std::make_shared<std::vector<CK_ULONG>>();
  outcome.job = [&objects = backend_.Objects(), found, match = std::move(match)]() -> AgentReply {
    auto numbers = objects.Find(match);
    if (!numbers) return Failed(numbers.error());
    found->assign(numbers.value().begin(), numbers.value().end());
    return {};
  };
  outcome.then = [this, session, found](AgentReply& reply) {
    SessionState* state = FindSession(session);
    if (state == nullptr || reply.code != CKR_OK) return;
    state->search = Search();
    state->search->found = std::move(*found);
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::ManagedSignInit(CK_ULONG session,
                                                          wire::Mechanism mechanism, CK_ULONG key) {
  Outcome outcome;
  auto sign = std::make_shared<SignOperation>();
  sign->mechanism = std::move(mechanism);
  outcome.job = [&backend = backend_, key, sign]() -> AgentReply {
    auto id = backend.Objects().KeyOf(key);
    if (!id) return Failed(id.error());
    sign->key = std::move(id).value();
    auto size = backend.KeySpecOf(sign->key);
    if (!size) return Failed(size.error());
    sign->spec = size.value();
    return {CheckRawMechanism(sign->mechanism, sign->spec, true), {}};
  };
  outcome.then = [this, session, sign](AgentReply& reply) {
    SessionState* state = FindSession(session);
    if (state == nullptr || reply.code != CKR_OK) return;
    const auto view = backend_.View();
    for (const VirtualKey& known : view->keys) {
      if (known.id == sign->key) sign->purpose = known.purpose;
    }
    state->sign.emplace(std::move(*sign));
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::DestroyObject(wire::Reader& reader) {
  Outcome outcome;
  reader.Number();
  const CK_ULONG object = reader.Number();
  if (!reader.AtEnd()) return outcome;
  outcome.is_long = true;
  outcome.job = [&objects = backend_.Objects(), object]() -> AgentReply {
    const Status destroyed = objects.Destroy(object);
    return destroyed ? AgentReply{} : Failed(destroyed.error());
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::SetAttributeValue(wire::Reader& reader) {
  Outcome outcome;
  reader.Number();
  const CK_ULONG object = reader.Number();
  auto attributes = reader.Template();
  if (!reader.AtEnd()) return outcome;
  outcome.is_long = true;
  outcome.job = [&objects = backend_.Objects(), object,
                 attributes = std::move(attributes)]() -> AgentReply {
    const Status named = objects.Name(object, attributes);
    return named ? AgentReply{} : Failed(named.error());
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::GenerateKeyPair(wire::Reader& reader) {
  Outcome outcome;
  reader.Number();
  const wire::Mechanism mechanism = reader.ReadMechanism();
  auto public_part = reader.Template();
  auto private_part = reader.Template();
  if (!reader.AtEnd()) return outcome;
  outcome.is_long = true;
  outcome.job = [&objects = backend_.Objects(), type = mechanism.type,
                 public_part = std::move(public_part),
                 private_part = std::move(private_part)]() -> AgentReply {
    auto pair = objects.Generate(type, public_part, private_part);
    if (!pair) return Failed(pair.error());
    AgentReply reply;
    wire::Writer writer(reply.arguments);
    writer.Number(pair.value().public_key);
    writer.Number(pair.value().private_key);
    return reply;
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::WrapKey(wire::Reader& reader) {
  Outcome outcome;
  reader.Number();
  const wire::Mechanism mechanism = reader.ReadMechanism();
  const CK_ULONG wrapping = reader.Number();
  const CK_ULONG key = reader.Number();
  const std::uint32_t room = reader.BufferSize();
  if (!reader.AtEnd()) return outcome;
  outcome.is_long = true;
  outcome.job = [&objects = backend_.Objects(), type = mechanism.type, wrapping, key,
                 room]() -> AgentReply {
    auto wrapped = objects.Wrap(type, wrapping, key);
    if (!wrapped) return Failed(wrapped.error());
    AgentReply reply;
    wire::Writer writer(reply.arguments);
    if (room < wrapped.value().size()) {
      writer.ArraySize(wrapped.value().size());
    } else {
      writer.Array(wrapped.value());
    }
    return reply;
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::UnwrapKey(wire::Reader& reader) {
  Outcome outcome;
  reader.Number();
  const wire::Mechanism mechanism = reader.ReadMechanism();
  const CK_ULONG unwrapping = reader.Number();
  std::string wrapped(reader.Array());
  auto attributes = reader.Template();
  if (!reader.AtEnd()) return outcome;
  outcome.is_long = true;
  outcome.job = [&objects = backend_.Objects(), type = mechanism.type, unwrapping,
                 wrapped = std::move(wrapped), attributes = std::move(attributes)]() -> AgentReply {
    auto number = objects.Unwrap(type, unwrapping, wrapped, attributes);
    if (!number) return Failed(number.error());
    AgentReply reply;
    wire::Writer(reply.arguments).Number(number.value());
    return reply;
  };
  return outcome;
}

AgentConnection::Outcome AgentConnection::Control(wire::Reader& reader) {
  Outcome outcome;
  const std::string method(reader.Octets().value_or(""));
  const std::string_view given = reader.Array();
  auto octets = std::make_shared<WipedString>();  // a PIN, perhaps
  octets->reserve(std::max<std::size_t>(given.size(), 32));
  octets->append(given);
  if (!reader.AtEnd()) return outcome;
  outcome.is_long = true;
  outcome.asks_token = false;
  outcome.job = [&backend = backend_, method, octets]() -> AgentReply {
    AgentReply reply;
    wire::Writer(reply.arguments).Array(backend.Control(method, {octets->data(), octets->size()}));
    return reply;
  };
  return outcome;
}

}  // namespace signet::hsm
