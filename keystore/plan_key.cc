#include "keystore/plan_key.h"

#include "hsm/key_text.h"
#include "keystore/settings.h"
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
std::string MultiServerName(const PlanInput& in, const Purpose& purpose,
                            const std::string& domain) {
  const bool ec = purpose.algorithm == hsm::KeyAlgorithm::kEc;
  return HostPart(in.names.node) + (ec ? "-EC-ms." : "-ms.") + domain;
}

// SPEC K1: RFC 8813 §3 forbids both on an id-ecPublicKey. They are dropped, or else it is said.
void JudgeEncipherment(bool drop, KeyPlan& plan) {
  bool asked = false;
  for (const auto bit : {x509::KeyUsage::kKeyEncipherment, x509::KeyUsage::kDataEncipherment}) {
    x509::Ask& ask = plan.content.profile.key_usage[static_cast<std::size_t>(bit)].ask;
    if (ask != x509::Ask::kMust) continue;
    asked = true;
    if (drop) ask = x509::Ask::kOpen;
  }
  if (!asked || drop) return;
  plan.findings.push_back({Severity::kInfo, "EC_KEY_ENCIPHERMENT",
                           plan.purpose->name +
                               " asks for keyEncipherment or dataEncipherment on an EC key, which "
                               "RFC 8813 forbids; 'signet setting set ec-key-usage rfc8813' "
                               "leaves them out",
                           ""});
}

// The subject alternative names: filled in by the rules, then those of the request.
Result<std::vector<x509::GeneralName>> ChooseNames(const PlanInput& in,
                                                   const IdentityRequest& request,
                                                   const Purpose& purpose, bool multi_server,
                                                   KeyPlan& plan) {
  std::vector<x509::GeneralName> sans;
  auto add = [&sans](x509::GeneralName name) {
    if (std::find(sans.begin(), sans.end(), name) == sans.end()) sans.push_back(std::move(name));
  };
  using Type = x509::GeneralName::Type;
  // The common name is a host name as a rule; then it is a SAN too, since nobody reads it elsewhere
  // (RFC 9525).
  if (auto host = x509::ParseHostName(plan.content.subject.common_name))
    add({Type::kDns, host.value()});
  const std::vector<std::string> own = {in.names.node};
  for (const std::string& node : multi_server ? in.names.nodes : own) add({Type::kDns, node});
  if (purpose.hosted_domains) {
    ReadSetting(in, kHostedDomains, plan);
    ReadSetting(in, kFederationWildcards, plan);
    for (const std::string& name : FederationNames(in)) add({Type::kDns, name});
  }
  if (request.parent_domain) {
    SIGNET_TRY(std::string domain, x509::ParseHostName(*request.parent_domain));
    add({Type::kDns, std::move(domain)});
  }
  for (std::size_t i = 0; i < request.sans.size(); ++i) {
    auto name = x509::ParseGeneralName(request.sans[i]);
    if (!name) {
      name.error().pointer = "/sans/" + std::to_string(i);
      return std::move(name).error();
    }
    add(std::move(name).value());
  }
  if (sans.size() > 100) {
    return MakeError(Kind::kUsage, "TOO_MANY_NAMES",
                     "a certificate may have 100 subject alternative names at most",
                     "Leave some out, or use a wildcard.");
  }
  return sans;
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
  if (purpose.algorithm == hsm::KeyAlgorithm::kEc)
    JudgeEncipherment(ReadSetting(in, kEcKeyUsage, plan) == "rfc8813", plan);
  plan.content.subject = request.subject;
  std::string& common_name = plan.content.subject.common_name;
  if (common_name.empty()) {
    common_name =
        multi_server ? MultiServerName(in, purpose, request.parent_domain.value_or(in.names.domain))
                     : in.names.node;
  }
  SIGNET_TRY(x509::CheckSubject(plan.content.subject));
  SIGNET_TRY(plan.content.sans, ChooseNames(in, request, purpose, multi_server, plan));
  plan.nodes = multi_server ? in.names.nodes : std::vector<std::string>{in.names.node};
  return plan;
}

// What is signed, in one line.
std::string Summary(const KeyPlan& plan) {
  std::string text = "CN=" + plan.content.subject.common_name;
  for (const auto& san : plan.content.sans) text += ", " + x509::ToString(san);
  text += ", " + std::string(hsm::ToString(plan.content.hash));
  const x509::Subject& subject = plan.content.subject;
  for (const auto& [name, value] :
       {std::pair("O=", &subject.organization), std::pair("OU=", &subject.organizational_unit),
        std::pair("L=", &subject.locality), std::pair("ST=", &subject.state),
        std::pair("C=", &subject.country)}) {
    if (!value->empty()) text += std::string(", ") + name + *value;
  }
  return text;
}

void StepKey(const PlanInput& in, KeyPlan& plan) {
  plan.Step("generate key", in.names.node,
            plan.purpose->name + " " + hsm::ToString(plan.spec) + " " +
                std::string(hsm::ToString(plan.policy)));
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
  ReadIdentity(in, purpose->name, plan);
  StepKey(in, plan);
  plan.Step("make self-signed certificate", in.names.node,
            Summary(plan) + ", " + std::to_string(days) + " days");
  if (!purpose->trust_store.empty()) plan.Step("store pinned", "", purpose->trust_store);
  plan.Step("install certificate", in.names.node, purpose->name);
  PlanSuccession(in, purpose->name, plan);
  if (const IdentityVersion* current = in.snapshot->Current(purpose->name)) {
    plan.replaces = purpose->name + " " + current->certificate;
    AddRestarts(purpose->on_certificate, purpose->name, plan);
  } else {
    NameRestarts(purpose->on_certificate, plan);  // nobody serves another one
  }
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
  SIGNET_TRY(KeyPlan plan, PlanKey(in, request, *purpose, multi_server));
  StepKey(in, plan);
  plan.Step("make CSR", in.names.node, Summary(plan));
  return plan;
}

namespace {

// The names of the present certificate that a request may ask for again.
std::vector<std::string> NamesOf(const x509::Certificate* certificate) {
  std::vector<std::string> names;
  if (certificate == nullptr) return names;
  for (const std::string& san : certificate->fields().sans) {
    if (x509::ParseGeneralName(san)) names.push_back(san);
  }
  return names;
}

Result<KeyPlan> PlanAnew(const PlanInput& in, const Purpose& purpose) {
  IdentityRequest request;
  request.purpose = purpose.name;
  const IdentityVersion* current = in.snapshot->Current(purpose.name);
  if (current == nullptr) return PlanSelfSigned(in, request);
  request.key = current->key.spec;
  const std::vector<std::string> names = NamesOf(in.snapshot->Certificate(current->certificate));
  // Hosted domains come and go: all names of such a purpose are filled in anew.
  if (!purpose.hosted_domains) request.sans = names;
  const bool self_signed = current->chain.empty();
  if (!self_signed) request.distribution = current->distribution;
  SIGNET_TRY(KeyPlan plan, self_signed ? PlanSelfSigned(in, request) : PlanCsr(in, request));
  ReadIdentity(in, purpose.name, plan);
  for (const std::string& name : names) {
    const auto same = [&](const x509::GeneralName& san) { return x509::ToString(san) == name; };
    if (std::any_of(plan.content.sans.begin(), plan.content.sans.end(), same)) continue;
    plan.findings.push_back({Severity::kWarning, "NAME_DROPPED",
                             "the new certificate of " + purpose.name + " does not name " + name +
                                 " any more, as the present one does",
                             current->certificate});
  }
  return plan;
}

void Join(RegenerationPlan& all, const KeyPlan& one) {
  all.steps.insert(all.steps.end(), one.steps.begin(), one.steps.end());
  all.findings.insert(all.findings.end(), one.findings.begin(), one.findings.end());
  if (one.replaces) all.replaces = (all.replaces ? *all.replaces + ", " : "") + *one.replaces;
  const auto join = [](std::vector<std::string>& to, const std::vector<std::string>& from) {
    for (const std::string& name : from) {
      if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
    }
  };
  join(all.restarts, one.restarts);
  join(all.nodes, one.nodes);
  all.owed.insert(all.owed.end(), one.owed.begin(), one.owed.end());
  all.reads.insert(one.reads.begin(), one.reads.end());
}

}  // namespace

Result<RegenerationPlan> PlanRegeneration(const PlanInput& in,
                                          const std::vector<std::string>& purposes) {
  RegenerationPlan plan;
  std::vector<const Purpose*> wanted;
  for (const std::string& name : purposes) {
    SIGNET_TRY(const Purpose* purpose, FindPurpose(in.catalogue, name));
    if (std::find(wanted.begin(), wanted.end(), purpose) != wanted.end()) {
      return MakeError(Kind::kUsage, "PURPOSE_TWICE", purpose->name + " is named twice",
                       "Name each purpose once.");
    }
    wanted.push_back(purpose);
  }
  if (purposes.empty()) {
    for (const Purpose& purpose : in.catalogue.purposes) {
      if (purpose.publisher_only && !in.names.publisher) continue;
      ReadIdentity(in, purpose.name, plan);
      if (!UncoveredNames(in, purpose).empty()) wanted.push_back(&purpose);
    }
    ReadSetting(in, kHostedDomains, plan);
    ReadSetting(in, kFederationWildcards, plan);
  }
  if (wanted.empty()) {
    plan.findings.push_back({Severity::kInfo, "NOTHING_TO_DO",
                             "every certificate has the names that it should have", ""});
  }
  for (const Purpose* purpose : wanted) {
    SIGNET_TRY(KeyPlan one, PlanAnew(in, *purpose));
    Join(plan, one);
    plan.keys.push_back(std::move(one));
  }
  return plan;
}

}  // namespace signet::keystore
