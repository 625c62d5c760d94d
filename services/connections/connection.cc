#include "services/connections/connection.h"

#include "platform/encoding.h"

namespace signet::services {

using keystore::x509::Certificate;

namespace {

Error Damaged(const std::string& why) {
  return MakeError(Kind::kUnavailable, "RECORD_DAMAGED",
                   "the record of a connection cannot be read: " + why,
                   "Let the service register the connection again.");
}

}  // namespace

std::size_t Registration::Octets() const {
  std::size_t octets = 0;
  for (const std::string& certificate : chain) octets += certificate.size();
  return octets;
}

void Registration::SetChain(std::span<const Certificate> certificates) {
  chain.clear();
  for (const Certificate& certificate : certificates)
    chain.push_back(Base64Encode(certificate.der()));
  if (certificates.empty()) return;
  const Certificate::Fields& fields = certificates.front().fields();
  subject = fields.subject;
  serial = fields.serial;
  fingerprint = fields.fingerprint;
  not_after = fields.not_after;
}

Result<std::vector<Certificate>> Registration::ReadChain() const {
  std::vector<Certificate> certificates;
  for (const std::string& encoded : chain) {
    const auto der = Base64Decode(encoded);
    if (!der) return Damaged(der.error().detail);
    auto certificate = Certificate::FromDer(der.value());
    if (!certificate) return Damaged(certificate.error().detail);
    certificates.push_back(std::move(certificate).value());
  }
  return certificates;
}

api::ConnectionInfo Describe(const Connection& connection) {
  const Registration& registration = connection.registration;
  api::ConnectionInfo info;
  info.id = registration.id;
  info.kind = registration.kind;
  info.peer = registration.peer;
  info.store = registration.store;
  info.by = registration.by;
  info.since = registration.since;
  info.subject = registration.subject;
  info.serial = registration.serial;
  info.fingerprint = registration.fingerprint;
  info.not_after = registration.not_after;
  info.state = connection.state;
  info.reason = connection.reason;
  info.remedy = connection.remedy;
  info.closing = connection.closing;
  info.checked = connection.checked;
  return info;
}

std::string ToText(const Registration& registration) {
  return json::serialize(ToJson(registration));
}

Result<Connection> ReadConnection(std::string_view text) {
  JsonLimits limits;
  limits.may_hold_secret = false;
  SIGNET_TRY(const json::value parsed, ParseJson(text, limits));
  Connection connection;
  SIGNET_TRY(connection.registration, FromJson<Registration>(parsed));
  SIGNET_TRY(const std::vector<Certificate> chain, connection.registration.ReadChain());
  if (chain.empty() || connection.registration.id.empty()) return Damaged("it names nobody");
  return connection;
}

}  // namespace signet::services
