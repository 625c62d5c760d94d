#include "services/control/wire_look.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "keystore/plan_distrust.h"
#include "keystore/x509/certificate.h"

namespace signet::services {

namespace {

using keystore::IdentityVersion;
using keystore::x509::Certificate;

constexpr std::string_view kNames[] = {"current",    "former",  "other",
                                       "incomplete", "invalid", "unreachable"};

// Issuers that must be served: all but the anchor, which a client has or will not trust anyway.
std::vector<std::string> Issuers(const keystore::Snapshot& snapshot,
                                 const IdentityVersion& version) {
  std::vector<std::string> issuers = version.chain;
  if (issuers.empty()) return issuers;
  const Certificate* last = snapshot.Certificate(issuers.back());
  if (last != nullptr && last->fields().self_signed) issuers.pop_back();
  return issuers;
}

bool Bears(const Certificate& leaf, const Endpoint& endpoint) {
  if (endpoint.name.empty()) return true;
  return X509_check_host(leaf.handle(), endpoint.name.data(), endpoint.name.size(), 0, nullptr) ==
             1 ||
         X509_check_ip_asc(leaf.handle(), endpoint.name.c_str(), 0) == 1;
}

// The first of a certificate and its issuers that is out of trust, or null.
const keystore::DistrustRecord* OutOfTrust(const keystore::Snapshot& snapshot,
                                           const IdentityVersion& version) {
  if (const auto* record = snapshot.Distrusted(version.certificate)) return record;
  for (const std::string& issuer : version.chain) {
    if (const auto* record = snapshot.Distrusted(issuer)) return record;
  }
  return nullptr;
}

// How a certificate that is the right one is served.
WireVerdict JudgeVersion(const keystore::Snapshot& snapshot, const IdentityVersion& version,
                         const Endpoint& endpoint, const Certificate& leaf,
                         const std::vector<std::string>& served, WallTime now, WireLook& look) {
  const std::vector<std::string> wanted = Issuers(snapshot, version);
  // The anchor may be served beside them, and nothing else.
  const bool whole = served.size() >= wanted.size() &&
                     std::equal(wanted.begin(), wanted.end(), served.begin()) &&
                     std::all_of(served.begin() + static_cast<std::ptrdiff_t>(wanted.size()),
                                 served.end(), [&](const std::string& extra) {
                                   return !version.chain.empty() && extra == version.chain.back();
                                 });
  if (!whole) {
    look.detail = "the current certificate is served with " + std::to_string(served.size()) +
                  " issuer(s); they are not the " + std::to_string(wanted.size()) +
                  " that lead to its anchor";
    look.remedy =
        "Let the server read the published chain (signet service snippet), then restart it.";
    return WireVerdict::kIncomplete;
  }
  if (leaf.fields().not_after < now || leaf.fields().not_before > now) {
    look.detail = "the current certificate is served, but it is valid from " +
                  FormatTime(leaf.fields().not_before) + " to " +
                  FormatTime(leaf.fields().not_after) + " only";
    look.remedy = "Renew the certificate of " + look.purpose + ".";
    return WireVerdict::kInvalid;
  }
  if (const auto* record = OutOfTrust(snapshot, version)) {
    look.detail = std::string("the current certificate is served, but ") +
                  (record->certificate == version.certificate ? "it is " : "an issuer of it is ") +
                  keystore::WhyDistrusted(*record);
    look.remedy = "Renew the certificate of " + look.purpose + ".";
    return WireVerdict::kInvalid;
  }
  if (!Bears(leaf, endpoint)) {
    look.detail =
        "the current certificate is served, but it does not bear the name " + endpoint.name;
    look.remedy =
        "Renew the certificate of " + look.purpose + " with that name, or correct the endpoint's.";
    return WireVerdict::kInvalid;
  }
  return WireVerdict::kCurrent;
}

}  // namespace

std::string_view WireVerdictName(WireVerdict verdict) {
  return kNames[static_cast<std::size_t>(verdict)];
}

std::string EndpointText(const Endpoint& endpoint) {
  std::string text = endpoint.target.ToString();
  if (endpoint.starttls != StartTls::kNone)
    text += " (" + std::string(StartTlsName(endpoint.starttls)) + ")";
  return text;
}

WireLook Judge(const keystore::Snapshot& snapshot, const keystore::Purpose& purpose,
               const Endpoint& endpoint, const TlsFetched& fetched, WallTime now) {
  WireLook look;
  look.endpoint = EndpointText(endpoint);
  look.purpose = purpose.name;
  look.protocol = fetched.protocol;
  look.address = fetched.address;
  if (fetched.error) {
    look.detail = fetched.error->detail;
    look.remedy = fetched.error->remedy;
    return look;
  }
  auto leaf = Certificate::FromDer(fetched.chain.front());
  if (!leaf) {
    look.verdict = WireVerdict::kOther;
    look.detail = "what is served cannot be read: " + leaf.error().detail;
    look.remedy = leaf.error().remedy;
    return look;
  }
  look.fingerprint = leaf.value().fingerprint();
  look.serial = leaf.value().fields().serial;
  look.subject = leaf.value().fields().subject;
  look.common_name = leaf.value().fields().common_name;
  look.issuer_common_name = leaf.value().IssuerCommonName();
  look.not_before = leaf.value().fields().not_before;
  look.not_after = leaf.value().fields().not_after;
  const auto row = snapshot.identities.find(purpose.name);
  const keystore::IdentityRecord* identity =
      row == snapshot.identities.end() ? nullptr : &row->second.value;
  std::vector<std::string> served;
  for (std::size_t i = 1; i < fetched.chain.size(); ++i)
    served.push_back(Sha256Hex(fetched.chain[i]));
  if (identity != nullptr && identity->current &&
      identity->current->certificate == look.fingerprint) {
    look.verdict =
        JudgeVersion(snapshot, *identity->current, endpoint, leaf.value(), served, now, look);
  } else if (identity != nullptr && identity->previous &&
             identity->previous->certificate == look.fingerprint) {
    look.as_former =
        JudgeVersion(snapshot, *identity->previous, endpoint, leaf.value(), served, now, look);
    look.verdict = WireVerdict::kFormer;
    look.detail = "the former certificate is still served";
    look.remedy = "Restart or reload the service: signet service apply.";
  } else {
    look.verdict = WireVerdict::kOther;
    look.detail = "a certificate is served that is none of " + purpose.name +
                  "'s: " + leaf.value().fields().subject;
    look.remedy = "Let the server read what is published for it (signet service snippet).";
  }
  return look;
}

std::vector<WireLook> LookAt(const keystore::Snapshot& snapshot,
                             const keystore::Catalogue& catalogue, const Endpoint& endpoint,
                             const AddressPolicy& policy, WallTime now, Duration limit) {
  std::vector<WireLook> looks;
  for (const std::string& name : endpoint.purposes) {
    const keystore::Purpose* purpose = catalogue.FindPurpose(name);
    if (purpose == nullptr) continue;  // the configuration was checked
    TlsFetchRequest request;
    request.target = endpoint.target;
    request.server_name = endpoint.name;
    request.starttls = endpoint.starttls;
    request.key = purpose->algorithm == hsm::KeyAlgorithm::kRsa ? PeerKey::kRsa : PeerKey::kEcdsa;
    request.time_limit = limit;
    request.policy = policy;
    looks.push_back(Judge(snapshot, *purpose, endpoint, FetchTls(request), now));
  }
  return looks;
}

}  // namespace signet::services
