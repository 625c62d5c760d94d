#include "hsm/key_text.h"
#include "keystore/plan.h"
#include "keystore/x509/names.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

constexpr char kMultiServer[] = "multi-server";
constexpr std::int64_t kDefaultValidityDays = 1825;
constexpr std::int64_t kMaxValidityDays = 7300;

Result<hsm::KeySpec> ChooseKey(const Purpose& purpose, const std::optional<std::string>& asked) {
  if (!asked) return purpose.default_key;
  SIGNET_TRY(hsm::KeySpec spec, hsm::ParseKeySpec(*asked));
  if (spec.algorithm != purpose.algorithm) {
    return MakeError(Kind::kRefused, "KEY_DOES_NOT_FIT",
                     purpose.name + " has " +
                         (purpose.algorithm == hsm::KeyAlgorithm::kEc ? "an EC" : "an RSA") +
                         " key, " + hsm::ToString(spec) + " is none",
                     "Choose another size of the same algorithm, or the purpose's sibling with or "
                     "without -ECDSA.");
  }
  return spec;
}

Result<hsm::HashAlgorithm> ChooseHash(const hsm::KeySpec& spec,
                                      const std::optional<std::string>& asked) {
  if (!asked) return x509::DefaultHash(spec);
  SIGNET_TRY(hsm::HashAlgorithm hash, hsm::ParseHashAlgorithm(*asked));
  SIGNET_TRY(x509::CheckHash(spec, hash));
  return hash;
}

std::string HostPart(const std::string& fqdn) { return fqdn.substr(0, fqdn.find('.')); }

// The vendor's name of a multi-server certificate: <host>-ms.<domain>, <host>-EC-ms.<domain>.
std::string MultiServerName(const PlanInput& in, const Purpose& purpose) {
  const bool ec = purpose.algorithm == hsm::KeyAlgorithm::kEc;
  return HostPart(in.names.node) + (ec ? "-EC-ms." : "-ms.") + in.names.domain;
}

// The common parts of a CSR and a self-signed certificate. `multi_server`: the names of all nodes.
Result<KeyPlan> PlanKey(const PlanInput& in, const IdentityRequest& request, const Purpose& purpose,
                        bool multi_server) {
  if (purpose.publisher_only && !in.names.publisher) {
    return MakeError(Kind::kRefused, "PUBLISHER_ONLY",
                     purpose.name + " exists on the publisher only",
                     "Repeat this on the publisher.");
  }
  KeyPlan plan;
  plan.purpose = &purpose;
  plan.distribution = multi_server ? kMultiServer : in.names.node;
  plan.policy = multi_server ? hsm::KeyPolicy::kMovable : hsm::KeyPolicy::kFixed;
  SIGNET_TRY(plan.spec, ChooseKey(purpose, request.key));
  SIGNET_TRY(plan.content.hash, ChooseHash(plan.spec, request.hash));
  plan.content.profile = purpose.profile;
  plan.content.subject = request.subject;
  std::string& common_name = plan.content.subject.common_name;
  if (common_name.empty())
    common_name = multi_server ? MultiServerName(in, purpose) : in.names.node;
  SIGNET_TRY(x509::CheckSubject(plan.content.subject));

  auto add = [&plan](x509::GeneralName name) {
    auto& sans = plan.content.sans;
    if (std::find(sans.begin(), sans.end(), name) == sans.end()) sans.push_back(std::move(name));
  };
  using Type = x509::GeneralName::Type;
  // The common name is a host name as a rule; then it is a SAN too, since nobody reads it elsewhere
  // (RFC 9525).
  if (auto host = x509::ParseHostName(common_name)) add({Type::kDns, host.value()});
  if (multi_server) {
    for (const std::string& node : in.names.nodes) add({Type::kDns, node});
  } else {
    add({Type::kDns, in.names.node});
  }
  if (purpose.hosted_domains) {
    for (const std::string& domain : in.names.hosted_domains) add({Type::kDns, domain});
  }
  for (std::size_t i = 0; i < request.sans.size(); ++i) {
    auto name = x509::ParseGeneralName(request.sans[i]);
    if (!name) {
      name.error().pointer = "/sans/" + std::to_string(i);
      return std::move(name).error();
    }
    add(std::move(name).value());
  }
  if (plan.content.sans.size() > 100) {
    return MakeError(Kind::kUsage, "TOO_MANY_NAMES",
                     "a certificate may have 100 subject alternative names at most",
                     "Leave some out, or use a wildcard.");
  }
  return plan;
}

Result<bool> WantsMultiServer(const PlanInput& in, const Purpose& purpose,
                              const std::optional<std::string>& distribution) {
  if (!distribution || *distribution == in.names.node) return false;
  if (*distribution == kMultiServer && purpose.multi_server) return true;
  const bool known_node = std::find(in.names.nodes.begin(), in.names.nodes.end(), *distribution) !=
                          in.names.nodes.end();
  return MakeError(
      Kind::kRefused, "DISTRIBUTION_NOT_ALLOWED",
      *distribution == kMultiServer ? purpose.name + " certificates belong to one server each"
      : known_node ? EscapeLine(*distribution) + " makes its own " + purpose.name + " certificate"
                   : "there is no node " + EscapeLine(*distribution, 128) + " in this cluster",
      std::string("Use ") + (purpose.multi_server ? "multi-server or " : "") + in.names.node + ".");
}
}  // namespace

Result<KeyPlan> PlanSelfSigned(const PlanInput& in, const IdentityRequest& request) {
  const Purpose* purpose = request.internal ? in.catalogue.FindPurpose(request.purpose) : nullptr;
  if (purpose == nullptr) {
    SIGNET_TRY(purpose, FindPurpose(in.catalogue, request.purpose));
  }
  if (request.distribution && *request.distribution != in.names.node) {
    return MakeError(
        Kind::kRefused, "DISTRIBUTION_NOT_ALLOWED",
        "a self-signed certificate is for this node only",
        "Use " + in.names.node + ", or generate a CSR for a multi-server certificate.");
  }
  SIGNET_TRY(KeyPlan plan, PlanKey(in, request, *purpose, false));
  for (const auto& name : plan.content.sans) {
    const bool other_node =
        name.value != in.names.node &&
        std::find(in.names.nodes.begin(), in.names.nodes.end(), name.value) != in.names.nodes.end();
    if (other_node) {
      return MakeError(Kind::kRefused, "FOREIGN_NODE_NAME",
                       name.value + " is another node of the cluster",
                       "Generate that node's certificate there; here leave the name out.");
    }
  }
  const std::int64_t days = request.validity_days.value_or(kDefaultValidityDays);
  if (days < 1 || days > kMaxValidityDays) {
    return MakeError(Kind::kUsage, "VALIDITY_INVALID",
                     "a certificate may be valid for 1 to 7300 days",
                     "Give --validity-days in that range.");
  }
  plan.validity = {in.now, in.now + std::chrono::days(days)};
  return plan;
}

Result<KeyPlan> PlanCsr(const PlanInput& in, const IdentityRequest& request) {
  SIGNET_TRY(const Purpose* purpose, FindPurpose(in.catalogue, request.purpose));
  if (request.validity_days) {
    return MakeError(Kind::kUsage, "VALIDITY_INVALID",
                     "the CA decides how long a signed certificate is valid",
                     "Leave the validity out.");
  }
  if (in.snapshot->csrs.size() >= kMaxPendingCsrs) {
    return MakeError(Kind::kExhausted, "TOO_MANY_PENDING_CSRS",
                     std::to_string(kMaxPendingCsrs) + " CSRs wait for a certificate already",
                     "Discard some with 'signet csr discard ID'.");
  }
  SIGNET_TRY(bool multi_server, WantsMultiServer(in, *purpose, request.distribution));
  return PlanKey(in, request, *purpose, multi_server);
}

}  // namespace signet::keystore
