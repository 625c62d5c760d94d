#include "keystore/plan.h"

#include <set>

#include "hsm/key_text.h"
#include "keystore/x509/issued.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/names.h"
#include "keystore/x509/pem.h"
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

// Why no pending CSR has this certificate's key.
Error NoCsrFor(const PlanInput& in, const Purpose& purpose, const x509::Certificate& leaf) {
  const std::string& key = leaf.fields().key.ski;
  const auto owned = in.snapshot->Keys();
  const auto other = owned.find(key);
  if (other != owned.end() && other->second.owner == purpose.name + " current") {
    return MakeError(
        Kind::kConflict, "CSR_ALREADY_ANSWERED",
        "another certificate for this key is in place for " + purpose.name + " already",
        "Generate a new CSR for a renewal; the certificate in place stays.");
  }
  if (other != owned.end()) {
    return MakeError(Kind::kRefused, "KEY_MISMATCH",
                     "the certificate's key belongs to " + other->second.owner,
                     "Upload it for the purpose whose CSR it answers.");
  }
  for (const auto& [id, row] : in.snapshot->csrs) {
    if (row.value.purpose == purpose.name) {
      return MakeError(Kind::kRefused, "KEY_MISMATCH",
                       "the certificate's key is not that of any pending CSR of " + purpose.name,
                       "Give the CA the CSR of 'signet csr download " + purpose.name +
                           "'; the CSR stays pending.");
    }
  }
  return MakeError(
      Kind::kRefused, "NO_PENDING_CSR", "no CSR of " + purpose.name + " waits for a certificate",
      "Generate one with 'signet csr generate " + purpose.name + "' and have it signed.");
}

// A trust store seen together with the CA certificates of an upload.
x509::TrustView Overlay(x509::TrustView below, const std::vector<x509::Certificate>& extra) {
  auto with = [extra](auto lookup, bool anchors) {
    return [lookup, extra, anchors](const std::string& subject_der) {
      std::vector<x509::Certificate> found = lookup(subject_der);
      for (const auto& certificate : extra) {
        if (certificate.fields().subject_der == subject_der &&
            certificate.fields().self_signed == anchors) {
          found.push_back(certificate);
        }
      }
      return found;
    };
  };
  return {with(below.anchors, true), with(below.intermediates, false)};
}

// Another check may see the same fault again; one check may see it several times (two names
// missing).
void Append(Findings& to, Findings from) {
  const auto known = static_cast<std::ptrdiff_t>(to.size());
  for (Finding& finding : from) {
    const bool seen = std::any_of(to.begin(), to.begin() + known, [&](const Finding& f) {
      return f.id == finding.id && f.certificate == finding.certificate;
    });
    if (!seen) to.push_back(std::move(finding));
  }
}

x509::LintRole LeafRole(const Purpose& purpose) {
  return purpose.profile.ca ? x509::LintRole::kIntermediate : x509::LintRole::kEndEntity;
}

x509::EntryKind KindOfCa(const x509::Certificate& certificate) {
  return certificate.fields().self_signed ? x509::EntryKind::kAnchor
                                          : x509::EntryKind::kIntermediate;
}

}  // namespace

Result<const Purpose*> FindPurpose(const Catalogue& catalogue, const std::string& name) {
  const Purpose* purpose = catalogue.FindPurpose(name);
  if (purpose != nullptr && !purpose->internal) return purpose;
  std::string names;
  for (const Purpose& row : catalogue.purposes) {
    if (!row.internal) names += (names.empty() ? "" : ", ") + row.name;
  }
  return MakeError(Kind::kNotFound, "PURPOSE_UNKNOWN",
                   "there is no purpose '" + EscapeLine(name, 64) + "'",
                   "The purposes of this product are: " + names + ".");
}

Result<const TrustStoreRow*> FindTrustStore(const Catalogue& catalogue, const std::string& name) {
  if (const TrustStoreRow* row = catalogue.FindTrustStore(name)) return row;
  std::string names;
  for (const TrustStoreRow& row : catalogue.trust_stores)
    names += (names.empty() ? "" : ", ") + row.name;
  return MakeError(Kind::kNotFound, "TRUST_STORE_UNKNOWN",
                   "there is no trust store '" + EscapeLine(name, 64) + "'",
                   "The trust stores of this product are: " + names + ".");
}

std::vector<std::string> ServicesOf(const std::vector<Restart>& restarts) {
  std::vector<std::string> names;
  for (const Restart& restart : restarts) {
    if (std::find(names.begin(), names.end(), restart.service) == names.end())
      names.push_back(restart.service);
  }
  return names;
}

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

Result<UploadPlan> PlanUpload(const PlanInput& in, const std::string& purpose_name,
                              std::string_view upload, bool with_chain) {
  UploadPlan plan;
  SIGNET_TRY(plan.purpose, FindPurpose(in.catalogue, purpose_name));
  const Purpose& purpose = *plan.purpose;
  SIGNET_TRY(std::vector<x509::Certificate> certificates, x509::ReadCertificates(upload, 16));

  std::map<std::string, const Versioned<CsrRecord>*> pending;  // by key
  for (const auto& [id, row] : in.snapshot->csrs) {
    if (row.value.purpose == purpose.name) pending[row.value.key.id] = &row;
  }
  const IdentityVersion* current = in.snapshot->Current(purpose.name);
  std::vector<x509::Certificate> rest;
  for (const x509::Certificate& certificate : certificates) {
    const bool in_place = current != nullptr && certificate.fingerprint() == current->certificate;
    const bool answers = pending.contains(certificate.fields().key.ski);
    const bool looks_like_leaf =
        in_place || answers || (!certificate.fields().ca && !purpose.profile.ca);
    if (looks_like_leaf && plan.leaf && *plan.leaf == certificate) continue;
    if (looks_like_leaf && plan.leaf) {
      return MakeError(
          Kind::kRefused, "UPLOAD_AMBIGUOUS",
          "the upload holds more than one end-entity certificate",
          "Upload one signed certificate at a time, with its CA certificates if need be.");
    }
    if (looks_like_leaf) {
      plan.leaf = certificate;
    } else {
      rest.push_back(certificate);
    }
  }
  if (!plan.leaf) {
    plan.leaf = rest.front();
    rest.erase(rest.begin());
  }
  const x509::Certificate& leaf = *plan.leaf;
  if (current != nullptr && leaf.fingerprint() == current->certificate) {
    plan.unchanged = true;
    return plan;
  }
  const auto csr = pending.find(leaf.fields().key.ski);
  if (csr == pending.end()) {
    Error error = NoCsrFor(in, purpose, leaf);
    error.findings = {{Severity::kError, error.word, error.detail, leaf.fingerprint()}};
    Append(error.findings, x509::Lint(leaf, LeafRole(purpose)));
    x509::CheckDates(leaf, in.now, error.findings);
    return error;
  }
  plan.csr = csr->second->value;
  plan.csr_modified = csr->second->modified;

  SIGNET_TRY(std::string csr_der, Base64Decode(plan.csr.der));
  SIGNET_TRY(x509::RequestFields request, x509::ParseRequest(csr_der));
  Append(plan.findings, x509::CompareIssued(leaf, request, purpose.profile));

  x509::TrustView trust = Snapshot::View(in.snapshot, purpose.trust_store);
  if (with_chain && !rest.empty()) {
    x509::CaChain chain = x509::CheckCaChain(rest, trust, in.now);
    Append(plan.findings, std::move(chain.findings));
    for (const x509::Certificate& certificate : chain.ordered) {
      if (in.snapshot->TrustEntry(purpose.trust_store, certificate.fingerprint()) == nullptr) {
        plan.additions.push_back(
            {certificate, KindOfCa(certificate), "uploaded with " + purpose.name});
      }
    }
    trust = Overlay(std::move(trust), chain.ordered);
  }
  x509::ChainPolicy policy;
  policy.time = in.now;
  policy.leaf_role = LeafRole(purpose);
  x509::ChainVerdict verdict = x509::VerifyPath(leaf, {}, trust, policy);
  Append(plan.findings, std::move(verdict.findings));
  if (HasErrors(plan.findings)) {
    Error error = Refusal("the certificate for " + purpose.name, std::move(plan.findings));
    if (error.word == "CHAIN_INCOMPLETE") {
      error.remedy = "Upload the CA chain first ('signet trust upload " + purpose.trust_store +
                     " FILE…')" +
                     (rest.empty() ? std::string(".")
                                   : ", or repeat with --with-chain to store the upload's own.");
    }
    return error;
  }
  plan.chain.assign(verdict.path.begin() + 1, verdict.path.end());
  return plan;
}

namespace {

// SPEC C5a: the name of the certificate before it, where the administrator gave one.
void CheckPredecessor(const x509::Certificate& certificate, const std::string& predecessor,
                      const std::vector<x509::Certificate>& uploaded, const x509::TrustView& trust,
                      Findings& findings) {
  const auto& fields = certificate.fields();
  auto refuse = [&](const char* id, std::string text) {
    findings.push_back({Severity::kError, id, std::move(text), fields.fingerprint});
  };
  if (fields.self_signed) {
    return refuse("PREDECESSOR_OF_ROOT",
                  fields.subject + " is a root: no certificate comes before it");
  }
  std::vector<x509::Certificate> issuers = trust.anchors(fields.issuer_der);
  for (auto& known : trust.intermediates(fields.issuer_der)) issuers.push_back(std::move(known));
  for (const auto& other : uploaded) {
    if (other.fields().subject_der == fields.issuer_der) issuers.push_back(other);
  }
  const std::string wanted = EscapeLine(predecessor);
  for (const auto& issuer : issuers) {
    const auto& names = issuer.fields();
    if (wanted == names.common_name || wanted == names.subject || wanted == names.fingerprint)
      return;
  }
  refuse("PREDECESSOR_MISMATCH",
         "the issuer of " + fields.subject + " is " + fields.issuer + ", not " + wanted);
}

}  // namespace

Result<TrustPlan> PlanTrustUpload(const PlanInput& in, const std::string& store,
                                  const std::vector<TrustUploadPart>& parts,
                                  std::optional<x509::EntryKind> as) {
  TrustPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, store));
  plan.store = row->name;
  const x509::TrustView trust = Snapshot::View(in.snapshot, plan.store);
  std::vector<x509::Certificate> authorities, others, all;
  std::map<std::string, std::string> descriptions, predecessors;
  for (const TrustUploadPart& part : parts) {
    SIGNET_TRY(std::vector<x509::Certificate> read, x509::ReadCertificates(part.text, 16));
    for (const x509::Certificate& certificate : read) {
      descriptions[certificate.fingerprint()] = EscapeLine(part.description, 256);
      if (!part.predecessor.empty() && read.size() == 1)
        predecessors[certificate.fingerprint()] = part.predecessor;
      all.push_back(certificate);
      const bool plain_ca = certificate.fields().ca && !as;
      (plain_ca ? authorities : others).push_back(certificate);
    }
    if (!part.predecessor.empty() && read.size() != 1) {
      return MakeError(
          Kind::kUsage, "PREDECESSOR_AMBIGUOUS",
          "a predecessor is named for a file of several certificates",
          "Give one certificate a file, or leave the predecessor out: it is found by itself.");
    }
  }
  if (all.empty()) {
    return MakeError(Kind::kRefused, "UPLOAD_EMPTY", "the upload holds no certificate",
                     "Send at least one PEM CERTIFICATE block or a DER certificate.");
  }
  if (all.size() > 16) {
    return MakeError(Kind::kRefused, "TOO_MANY_CERTIFICATES", "a chain has 16 certificates at most",
                     "Upload fewer at a time.");
  }
  std::vector<std::pair<x509::Certificate, x509::EntryKind>> entries;
  if (!authorities.empty()) {
    x509::CaChain chain = x509::CheckCaChain(authorities, trust, in.now);
    Append(plan.findings, std::move(chain.findings));
    for (const auto& certificate : chain.ordered)
      entries.emplace_back(certificate, KindOfCa(certificate));
  }
  for (const x509::Certificate& certificate : others) {
    auto kind = x509::ClassifyEntry(certificate, as);
    if (!kind) {
      plan.findings.push_back(
          {Severity::kError, kind.error().word, kind.error().detail, certificate.fingerprint()});
      continue;
    }
    Append(plan.findings, x509::Lint(certificate, x509::LintRole::kPinned));
    x509::CheckDates(certificate, in.now, plan.findings);
    entries.emplace_back(certificate, kind.value());
  }
  for (const x509::Certificate& certificate : all) {
    const auto predecessor = predecessors.find(certificate.fingerprint());
    if (predecessor != predecessors.end()) {
      CheckPredecessor(certificate, predecessor->second, all, trust, plan.findings);
    }
  }
  if (HasErrors(plan.findings))
    return Refusal("the upload to " + plan.store, std::move(plan.findings));
  bool authority_added = false;
  std::set<std::string> seen;
  for (auto& [certificate, kind] : entries) {
    if (!seen.insert(certificate.fingerprint()).second) continue;
    if (in.snapshot->TrustEntry(plan.store, certificate.fingerprint()) != nullptr) {
      plan.findings.push_back({Severity::kInfo, "ALREADY_THERE",
                               certificate.fields().subject + " is in " + plan.store + " already",
                               certificate.fingerprint()});
      continue;
    }
    authority_added = authority_added || certificate.fields().ca;
    plan.additions.push_back({certificate, kind, descriptions[certificate.fingerprint()]});
  }
  if (!plan.additions.empty()) {
    std::vector<Restart> restarts =
        authority_added ? in.catalogue.on_ca_chain : std::vector<Restart>{};
    const auto rule = in.catalogue.on_trust.find(plan.store);
    if (rule != in.catalogue.on_trust.end())
      restarts.insert(restarts.end(), rule->second.begin(), rule->second.end());
    plan.restarts = ServicesOf(restarts);
  }
  return plan;
}

}  // namespace signet::keystore
