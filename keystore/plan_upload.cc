#include "keystore/plan_upload.h"

#include <algorithm>
#include <set>

#include "keystore/plan_distrust.h"
#include "keystore/refusal.h"
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
    return [lookup, extra, anchors](const std::string& subject_der, const std::string& key_id) {
      std::vector<x509::Certificate> found;
      for (const auto& certificate : extra) {
        if (certificate.fields().subject_der == subject_der &&
            certificate.fields().self_signed == anchors) {
          found.push_back(certificate);
        }
      }
      for (auto& certificate : lookup(subject_der, key_id)) found.push_back(std::move(certificate));
      return BestCandidates(std::move(found), key_id);
    };
  };
  return {with(below.anchors, true), with(below.intermediates, false)};
}

x509::LintRole LeafRole(const Purpose& purpose) {
  return purpose.profile.ca ? x509::LintRole::kIntermediate : x509::LintRole::kEndEntity;
}

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

// The part's own CA certificates, seen from now on together with the trust store.
x509::TrustView AddChain(const PlanInput& in, const std::vector<x509::Certificate>& authorities,
                         x509::TrustView trust, UploadItem& item, Plan& plan) {
  const std::string& store = item.purpose->trust_store;
  x509::CaChain chain = x509::CheckCaChain(authorities, trust, in.now);
  Merge(plan.findings, std::move(chain.findings));
  for (const x509::Certificate& certificate : chain.ordered) {
    PlanAddition(in, store,
                 {certificate, KindOfCa(certificate), "uploaded with " + item.purpose->name},
                 /*undelete=*/false, item.additions, plan);
  }
  return Overlay(std::move(trust), chain.ordered);
}

Error UploadRefused(const UploadRequest& request, UploadPlan plan) {
  const Purpose& purpose = *plan.items.front().purpose;
  const bool one = plan.items.size() == 1;
  Error error =
      Refusal(one ? "the certificate for " + purpose.name
                  : "the upload of " + std::to_string(plan.items.size()) + " certificates",
              std::move(plan.findings));
  if (error.word == "CHAIN_INCOMPLETE") {
    error.remedy = "Upload the CA chain first ('signet trust upload " + purpose.trust_store +
                   " FILE…')" +
                   (plan.items.front().has_rest && !request.with_chain
                        ? ", or repeat with --with-chain to store the upload's own."
                        : ".");
  }
  return error;
}

// Of the whole path: the leaf is served no longer than any certificate above it is good.
void NoteEarliestEnd(const std::vector<x509::Certificate>& path, Findings& findings) {
  const auto earliest = std::min_element(
      path.begin(), path.end(),
      [](const auto& a, const auto& b) { return a.fields().not_after < b.fields().not_after; });
  findings.push_back({Severity::kInfo, "CHAIN_ENDS",
                      "the chain is good until " + FormatTime(earliest->fields().not_after) +
                          " ('" + earliest->fields().subject + "')",
                      earliest->fingerprint()});
}

// What the installation does, and what it rests on.
void PlanInstallation(const PlanInput& in, const UploadItem& item, UploadPlan& plan) {
  const Purpose& purpose = *item.purpose;
  const std::string& node = in.names.node;
  const IdentityVersion* current = in.snapshot->Current(purpose.name);
  ReadIdentity(in, purpose.name, plan);
  plan.reads[in.layout().Csr(item.csr.id)] = in.snapshot->csrs.at(item.csr.id).modified;
  for (const auto& issuer : item.chain) {
    ReadTrust(in, purpose.trust_store, issuer.fingerprint(), plan);
  }
  plan.Step("install certificate", node, purpose.name + " " + item.leaf->fingerprint());
  plan.Step("close CSR", node, item.csr.id);
  PlanSuccession(in, purpose.name, plan);
  if (current != nullptr) {
    plan.replaces =
        (plan.replaces ? *plan.replaces + ", " : "") + purpose.name + " " + current->certificate;
  }
  AddRestarts(purpose.on_certificate, purpose.name, plan);
  if (!item.additions.empty()) AddRestarts(in.catalogue.on_ca_chain, kCaChain, plan);
}

Status PlanPart(const PlanInput& in, const UploadPart& part, bool with_chain, UploadPlan& plan) {
  UploadItem item;
  SIGNET_TRY(item.purpose, FindPurpose(in.catalogue, part.purpose));
  const Purpose& purpose = *item.purpose;
  SIGNET_TRY(std::vector<x509::Certificate> certificates, x509::ReadCertificates(part.text, 16));
  PendingCsrs pending;
  for (const auto& [id, row] : in.snapshot->csrs) {
    if (row.value.purpose == purpose.name) pending[row.value.key.id] = &row;
  }
  const IdentityVersion* current = in.snapshot->Current(purpose.name);
  SIGNET_TRY(SortedUpload sorted, SortUpload(purpose, current, pending, certificates));
  item.leaf = sorted.leaf;
  item.has_rest = !sorted.rest.empty();
  const x509::Certificate& leaf = *item.leaf;
  if (current != nullptr && leaf.fingerprint() == current->certificate) {
    item.unchanged = true;
    plan.findings.push_back({Severity::kInfo, "ALREADY_THERE",
                             purpose.name + " has this certificate already", leaf.fingerprint()});
    ReadIdentity(in, purpose.name, plan);
    plan.items.push_back(std::move(item));
    return Ok();
  }
  TellDistrusted(*in.snapshot, {leaf}, plan.findings);
  const auto csr = pending.find(leaf.fields().key.ski);
  if (csr == pending.end()) {
    Error error = NoCsrFor(in, purpose, leaf);
    error.findings = {{Severity::kError, error.word, error.detail, leaf.fingerprint()}};
    Merge(error.findings, x509::Lint(leaf, LeafRole(purpose)));
    x509::CheckDates(leaf, in.now, error.findings);
    return error;
  }
  item.csr = csr->second->value;
  SIGNET_TRY(std::string csr_der, Base64Decode(item.csr.der));
  SIGNET_TRY(x509::RequestFields request, x509::ParseRequest(csr_der));
  Merge(plan.findings, x509::CompareIssued(leaf, request, purpose.profile));
  x509::TrustView trust = Snapshot::View(in.snapshot, purpose.trust_store);
  if (with_chain && !sorted.rest.empty()) {
    trust = AddChain(in, sorted.rest, std::move(trust), item, plan);
  }
  x509::ChainPolicy policy;
  policy.time = in.now;
  policy.leaf_role = LeafRole(purpose);
  x509::ChainVerdict verdict = x509::VerifyPath(leaf, {}, trust, policy);
  if (verdict.path.empty())
    TellDistrustedIssuers(*in.snapshot, purpose.trust_store, certificates, plan.findings);
  Merge(plan.findings, std::move(verdict.findings));
  if (verdict.path.size() > 1) {
    item.chain.assign(verdict.path.begin() + 1, verdict.path.end());
    NoteEarliestEnd(verdict.path, plan.findings);
  }
  PlanInstallation(in, item, plan);
  plan.items.push_back(std::move(item));
  return Ok();
}

}  // namespace

bool UploadPlan::unchanged() const {
  return std::all_of(items.begin(), items.end(),
                     [](const UploadItem& item) { return item.unchanged; });
}

Result<UploadPlan> PlanUpload(const PlanInput& in, const UploadRequest& request) {
  UploadPlan plan;
  plan.nodes = {in.names.node};
  std::set<std::string> seen;
  for (const UploadPart& part : request.parts) {
    if (!seen.insert(part.purpose).second) {
      return MakeError(Kind::kUsage, "PURPOSE_TWICE",
                       EscapeLine(part.purpose, 64) + " stands twice in the upload",
                       "Give one certificate for each purpose.");
    }
    SIGNET_TRY(PlanPart(in, part, request.with_chain, plan));
  }
  if (plan.items.empty()) {
    return MakeError(Kind::kRefused, "UPLOAD_EMPTY", "the upload holds no certificate",
                     "Send at least one purpose with its certificate.");
  }
  Merge(plan.findings, request.status);
  SIGNET_TRY(Override(request.overrides, plan));
  if (HasErrors(plan.findings)) return UploadRefused(request, std::move(plan));
  return plan;
}

}  // namespace signet::keystore
