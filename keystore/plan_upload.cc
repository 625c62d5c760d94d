#include <set>

#include "keystore/plan.h"
#include "keystore/x509/issued.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

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
namespace {

using PendingCsrs = std::map<std::string, const Versioned<CsrRecord>*>;  // by key

// The one certificate of an upload that is meant for the purpose, and what came with it.
struct SortedUpload {
  x509::Certificate leaf;
  std::vector<x509::Certificate> rest;
};

Result<SortedUpload> SortUpload(const Purpose& purpose, const IdentityVersion* current,
                                const PendingCsrs& pending,
                                const std::vector<x509::Certificate>& certificates) {
  std::optional<x509::Certificate> leaf;
  std::vector<x509::Certificate> rest;
  for (const x509::Certificate& certificate : certificates) {
    const bool in_place = current != nullptr && certificate.fingerprint() == current->certificate;
    const bool answers = pending.contains(certificate.fields().key.ski);
    const bool looks_like_leaf =
        in_place || answers || (!certificate.fields().ca && !purpose.profile.ca);
    if (!looks_like_leaf) {
      rest.push_back(certificate);
    } else if (!leaf) {
      leaf = certificate;
    } else if (*leaf != certificate) {
      return MakeError(
          Kind::kRefused, "UPLOAD_AMBIGUOUS",
          "the upload holds more than one end-entity certificate",
          "Upload one signed certificate at a time, with its CA certificates if need be.");
    }
  }
  if (!leaf) {
    leaf = rest.front();
    rest.erase(rest.begin());
  }
  return SortedUpload{*leaf, std::move(rest)};
}

// The upload's own CA certificates, seen from now on together with the trust store.
x509::TrustView AddChain(const PlanInput& in, const std::vector<x509::Certificate>& authorities,
                         x509::TrustView trust, UploadPlan& plan) {
  x509::CaChain chain = x509::CheckCaChain(authorities, trust, in.now);
  Append(plan.findings, std::move(chain.findings));
  for (const x509::Certificate& certificate : chain.ordered) {
    if (in.snapshot->TrustEntry(plan.purpose->trust_store, certificate.fingerprint()) == nullptr) {
      plan.additions.push_back(
          {certificate, KindOfCa(certificate), "uploaded with " + plan.purpose->name});
    }
  }
  return Overlay(std::move(trust), chain.ordered);
}

Error UploadRefused(UploadPlan plan, bool has_rest) {
  Error error = Refusal("the certificate for " + plan.purpose->name, std::move(plan.findings));
  if (error.word == "CHAIN_INCOMPLETE") {
    error.remedy = "Upload the CA chain first ('signet trust upload " + plan.purpose->trust_store +
                   " FILE…')" +
                   (has_rest ? ", or repeat with --with-chain to store the upload's own." : ".");
  }
  return error;
}

}  // namespace

Result<UploadPlan> PlanUpload(const PlanInput& in, const std::string& purpose_name,
                              std::string_view upload, bool with_chain) {
  UploadPlan plan;
  SIGNET_TRY(plan.purpose, FindPurpose(in.catalogue, purpose_name));
  const Purpose& purpose = *plan.purpose;
  SIGNET_TRY(std::vector<x509::Certificate> certificates, x509::ReadCertificates(upload, 16));
  PendingCsrs pending;
  for (const auto& [id, row] : in.snapshot->csrs) {
    if (row.value.purpose == purpose.name) pending[row.value.key.id] = &row;
  }
  const IdentityVersion* current = in.snapshot->Current(purpose.name);
  SIGNET_TRY(SortedUpload sorted, SortUpload(purpose, current, pending, certificates));
  plan.leaf = sorted.leaf;
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
  if (with_chain && !sorted.rest.empty()) {
    trust = AddChain(in, sorted.rest, std::move(trust), plan);
  }
  x509::ChainPolicy policy;
  policy.time = in.now;
  policy.leaf_role = LeafRole(purpose);
  x509::ChainVerdict verdict = x509::VerifyPath(leaf, {}, trust, policy);
  Append(plan.findings, std::move(verdict.findings));
  if (HasErrors(plan.findings)) return UploadRefused(std::move(plan), !sorted.rest.empty());
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

// The certificates of a trust upload, as they were given.
struct TrustParts {
  std::vector<x509::Certificate> all;
  std::map<std::string, std::string> descriptions, predecessors;  // by fingerprint
};

Result<TrustParts> ReadParts(const std::vector<TrustUploadPart>& parts) {
  TrustParts out;
  for (const TrustUploadPart& part : parts) {
    SIGNET_TRY(std::vector<x509::Certificate> read, x509::ReadCertificates(part.text, 16));
    if (!part.predecessor.empty() && read.size() != 1) {
      return MakeError(
          Kind::kUsage, "PREDECESSOR_AMBIGUOUS",
          "a predecessor is named for a file of several certificates",
          "Give one certificate a file, or leave the predecessor out: it is found by itself.");
    }
    for (const x509::Certificate& certificate : read) {
      out.descriptions[certificate.fingerprint()] = EscapeLine(part.description, 256);
      if (!part.predecessor.empty()) {
        out.predecessors[certificate.fingerprint()] = part.predecessor;
      }
      out.all.push_back(certificate);
    }
  }
  if (out.all.empty()) {
    return MakeError(Kind::kRefused, "UPLOAD_EMPTY", "the upload holds no certificate",
                     "Send at least one PEM CERTIFICATE block or a DER certificate.");
  }
  if (out.all.size() > 16) {
    return MakeError(Kind::kRefused, "TOO_MANY_CERTIFICATES", "a chain has 16 certificates at most",
                     "Upload fewer at a time.");
  }
  return out;
}

using TrustEntries = std::vector<std::pair<x509::Certificate, x509::EntryKind>>;

// What the parts would become, issuer before issued, each once; or findings that are errors.
TrustEntries CheckEntries(const PlanInput& in, const TrustParts& parts,
                          const x509::TrustView& trust, std::optional<x509::EntryKind> as,
                          Findings& findings) {
  std::vector<x509::Certificate> authorities, others;
  for (const x509::Certificate& certificate : parts.all)
    (certificate.fields().ca && !as ? authorities : others).push_back(certificate);
  TrustEntries entries;
  if (!authorities.empty()) {
    x509::CaChain chain = x509::CheckCaChain(authorities, trust, in.now);
    Append(findings, std::move(chain.findings));
    for (const auto& certificate : chain.ordered)
      entries.emplace_back(certificate, KindOfCa(certificate));
  }
  std::set<std::string> seen;
  for (const x509::Certificate& certificate : others) {
    if (!seen.insert(certificate.fingerprint()).second) continue;
    auto kind = x509::ClassifyEntry(certificate, as);
    if (!kind) {
      findings.push_back(
          {Severity::kError, kind.error().word, kind.error().detail, certificate.fingerprint()});
      continue;
    }
    Append(findings, x509::Lint(certificate, x509::LintRole::kPinned));
    x509::CheckDates(certificate, in.now, findings);
    entries.emplace_back(certificate, kind.value());
  }
  for (const x509::Certificate& certificate : parts.all) {
    const auto predecessor = parts.predecessors.find(certificate.fingerprint());
    if (predecessor != parts.predecessors.end())
      CheckPredecessor(certificate, predecessor->second, parts.all, trust, findings);
  }
  return entries;
}

std::vector<std::string> RestartsAfter(const Catalogue& catalogue, const TrustPlan& plan) {
  if (plan.additions.empty()) return {};
  const bool authority =
      std::any_of(plan.additions.begin(), plan.additions.end(),
                  [](const TrustAddition& added) { return added.certificate.fields().ca; });
  std::vector<Restart> restarts = authority ? catalogue.on_ca_chain : std::vector<Restart>{};
  const auto rule = catalogue.on_trust.find(plan.store);
  if (rule != catalogue.on_trust.end())
    restarts.insert(restarts.end(), rule->second.begin(), rule->second.end());
  return ServicesOf(restarts);
}

}  // namespace

Result<TrustPlan> PlanTrustUpload(const PlanInput& in, const std::string& store,
                                  const std::vector<TrustUploadPart>& upload,
                                  std::optional<x509::EntryKind> as) {
  TrustPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, store));
  plan.store = row->name;
  SIGNET_TRY(TrustParts parts, ReadParts(upload));
  const TrustEntries entries =
      CheckEntries(in, parts, Snapshot::View(in.snapshot, plan.store), as, plan.findings);
  if (HasErrors(plan.findings))
    return Refusal("the upload to " + plan.store, std::move(plan.findings));
  for (const auto& [certificate, kind] : entries) {
    const std::string fingerprint = certificate.fingerprint();
    if (in.snapshot->TrustEntry(plan.store, fingerprint) != nullptr) {
      plan.findings.push_back({Severity::kInfo, "ALREADY_THERE",
                               certificate.fields().subject + " is in " + plan.store + " already",
                               fingerprint});
      continue;
    }
    plan.additions.push_back({certificate, kind, parts.descriptions[fingerprint]});
  }
  plan.restarts = RestartsAfter(in.catalogue, plan);
  return plan;
}

}  // namespace signet::keystore
