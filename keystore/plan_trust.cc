#include "keystore/plan_trust.h"

#include <algorithm>
#include <set>

#include "keystore/plan_bundle.h"
#include "keystore/plan_distrust.h"
#include "keystore/refusal.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"

namespace signet::keystore {

x509::EntryKind KindOfCa(const x509::Certificate& certificate) {
  return certificate.fields().self_signed ? x509::EntryKind::kAnchor
                                          : x509::EntryKind::kIntermediate;
}

bool IsRaised(const std::string& from, x509::EntryKind to) {
  return from == x509::EntryKindName(x509::EntryKind::kPinned) &&
         (to == x509::EntryKind::kAnchor || to == x509::EntryKind::kIntermediate);
}

Finding DeletedBefore(const std::string& store, const TombstoneRecord& tombstone,
                      const x509::Certificate& certificate) {
  return {Severity::kError, "DELETED_BEFORE",
          certificate.fields().subject + " was deleted from " + store + " by " + tombstone.by +
              " on " + FormatTime(tombstone.deleted) +
              (tombstone.reason.empty() ? "" : " (" + tombstone.reason + ")"),
          certificate.fingerprint()};
}

void AddToPlan(const PlanInput& in, TrustAddition addition, const std::string& store, bool again,
               std::vector<TrustAddition>& additions, Plan& plan) {
  const auto& fields = addition.certificate.fields();
  ReadTrust(in, store, fields.fingerprint, plan);
  if (again) plan.Step("take back the deletion", "", store + " " + fields.fingerprint);
  plan.Step("store " + std::string(x509::EntryKindName(addition.kind)), "",
            store + " " + fields.fingerprint + " " + fields.subject);
  additions.push_back(std::move(addition));
}

void AddTrustRestarts(const PlanInput& in, const std::string& store, bool of_ca, Plan& plan) {
  if (of_ca) AddRestarts(in.catalogue.on_ca_chain, kCaChain, plan);
  const auto rule = in.catalogue.on_trust.find(store);
  if (rule != in.catalogue.on_trust.end()) AddRestarts(rule->second, store, plan);
}

void PlanAddition(const PlanInput& in, const std::string& store, TrustAddition addition,
                  bool undelete, std::vector<TrustAddition>& additions, Plan& plan) {
  const auto& fields = addition.certificate.fields();
  ReadTrust(in, store, fields.fingerprint, plan);
  TellDistrusted(*in.snapshot, {addition.certificate}, plan.findings);
  const TrustEntryRecord* there = in.snapshot->TrustEntry(store, fields.fingerprint);
  if (there != nullptr && !IsRaised(there->kind, addition.kind)) {
    Merge(plan.findings, {{Severity::kInfo, "ALREADY_THERE",
                           fields.subject + " is in " + store + " already", fields.fingerprint}});
    return;
  }
  const Versioned<TombstoneRecord>* tombstone = in.snapshot->Tombstone(store, fields.fingerprint);
  if (tombstone != nullptr && !undelete) {
    plan.findings.push_back(DeletedBefore(store, tombstone->value, addition.certificate));
    return;
  }
  const bool planned = std::any_of(plan.steps.begin(), plan.steps.end(), [&](const PlanStep& step) {
    return step.target == store + " " + fields.fingerprint + " " + fields.subject;
  });
  if (planned) return;  // another part of the upload brought it
  AddToPlan(in, std::move(addition), store, tombstone != nullptr, additions, plan);
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
  std::vector<x509::Certificate> issuers = trust.anchors(fields.issuer_der, fields.aki);
  for (auto& known : trust.intermediates(fields.issuer_der, fields.aki))
    issuers.push_back(std::move(known));
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
                     "For a collection of CA certificates use bundle mode (--mode bundle).");
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
    Merge(findings, std::move(chain.findings));
    for (const auto& certificate : chain.ordered)
      entries.emplace_back(certificate, KindOfCa(certificate));
  }
  std::set<std::string> seen;
  for (const x509::Certificate& certificate : others) {
    if (!seen.insert(certificate.fingerprint()).second) continue;
    x509::EntryVerdict verdict = x509::CheckSingleEntry(certificate, as, in.now);
    if (!HasErrors(verdict.findings)) entries.emplace_back(certificate, verdict.kind);
    Merge(findings, std::move(verdict.findings));
  }
  for (const x509::Certificate& certificate : parts.all) {
    const auto predecessor = parts.predecessors.find(certificate.fingerprint());
    if (predecessor != parts.predecessors.end())
      CheckPredecessor(certificate, predecessor->second, parts.all, trust, findings);
  }
  return entries;
}

}  // namespace

Result<TrustPlan> PlanTrustUpload(const PlanInput& in, const TrustUploadRequest& request) {
  if (request.bundle) return PlanBundle(in, request);
  TrustPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, request.store));
  plan.store = row->name;
  plan.nodes = in.names.nodes;
  SIGNET_TRY(TrustParts parts, ReadParts(request.parts));
  const TrustEntries entries =
      CheckEntries(in, parts, Snapshot::View(in.snapshot, plan.store), request.as, plan.findings);
  for (const auto& [certificate, kind] : entries) {
    PlanAddition(in, plan.store, {certificate, kind, parts.descriptions[certificate.fingerprint()]},
                 request.undelete, plan.additions, plan);
  }
  Merge(plan.findings, request.status);
  if (HasErrors(plan.findings))
    return Refusal("the upload to " + plan.store, std::move(plan.findings));
  if (plan.additions.empty()) return plan;
  const bool of_ca = std::any_of(plan.additions.begin(), plan.additions.end(),
                                 [](const auto& added) { return added.certificate.fields().ca; });
  AddTrustRestarts(in, plan.store, of_ca, plan);
  return plan;
}

}  // namespace signet::keystore
