#include "keystore/plan_import.h"

#include <openssl/x509v3.h>

#include "keystore/refusal.h"
#include "keystore/x509/lint.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

bool NamesHost(const x509::Certificate& certificate, const std::string& host) {
  return X509_check_host(certificate.handle(), host.data(), host.size(), 0, nullptr) == 1 ||
         X509_check_ip_asc(certificate.handle(), host.c_str(), 0) == 1;
}

// The server's own certificate is trusted as itself and for nothing that it issued, also where it
// says CA:TRUE, as self-signed ones of many tools do. Its faults go to the plan.
bool FitOwn(const PlanInput& in, const x509::Certificate& own, const std::string& host,
            Plan& plan) {
  const auto& fields = own.fields();
  std::optional<x509::EntryKind> asked;
  if (!fields.ca) asked = x509::EntryKind::kPinned;
  if (auto kind = x509::ClassifyEntry(own, asked); !kind) {
    plan.findings.push_back(
        {Severity::kError, kind.error().word, kind.error().detail, fields.fingerprint});
    return false;
  }
  Merge(plan.findings,
        x509::Lint(own, fields.ca ? x509::LintRole::kAnchor : x509::LintRole::kPinned));
  x509::CheckDates(own, in.now, plan.findings);
  if (!NamesHost(own, host)) {
    plan.findings.push_back(
        {Severity::kWarning, "NAME_MISMATCH",
         "the certificate of '" + fields.subject + "' does not name " + EscapeLine(host, 128),
         fields.fingerprint});
  }
  return true;
}

// A CA that the chain links to, if it is fit to be trusted.
bool FitCa(const PlanInput& in, const x509::Certificate& authority, Plan& plan) {
  const auto& fields = authority.fields();
  Findings own = x509::Lint(
      authority, fields.self_issued ? x509::LintRole::kAnchor : x509::LintRole::kIntermediate);
  x509::CheckDates(authority, in.now, own);
  auto kind = x509::ClassifyEntry(authority, std::nullopt);
  if (!kind) own.push_back({Severity::kError, kind.error().word, kind.error().detail, ""});
  for (const Finding& finding : own) {
    if (finding.severity != Severity::kError) continue;
    plan.findings.push_back(
        {Severity::kWarning, "CA_NOT_TAKEN",
         "'" + fields.subject + "' of the server's chain is left out: " + finding.text,
         fields.fingerprint});
    return false;
  }
  return true;
}

void PlanChain(const PlanInput& in, const std::vector<x509::Certificate>& chain,
               const std::string& host, TrustPlan& plan) {
  const x509::Certificate& own = chain.front();
  if (!FitOwn(in, own, host, plan)) return;
  const std::string description = "imported from " + EscapeLine(host, 128);
  PlanAddition(in, plan.store, {own, x509::EntryKind::kPinned, description}, false, plan.additions,
               plan);
  const x509::Certificate* last = &own;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    const x509::Certificate& authority = chain[i];
    if (!last->IsSignedBy(authority)) {
      Merge(plan.findings, {{Severity::kWarning, "UNRELATED",
                             "'" + authority.fields().subject +
                                 "' did not issue what the server sent before it, and is left out",
                             authority.fingerprint()}});
      continue;
    }
    last = &authority;
    if (FitCa(in, authority, plan)) {
      PlanAddition(in, plan.store, {authority, KindOfCa(authority), description}, false,
                   plan.additions, plan);
    }
  }
  if (!last->fields().self_issued) {
    Merge(plan.findings, {{Severity::kInfo, "ROOT_NOT_SENT",
                           "the server sends no root, which is normal; its issuer is '" +
                               last->fields().issuer + "'",
                           last->fingerprint()}});
  }
}

}  // namespace

Result<TrustPlan> PlanImport(const PlanInput& in, const ImportRequest& request) {
  TrustPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, request.store));
  plan.store = row->name;
  for (const auto& chain : request.chains) PlanChain(in, chain, request.host, plan);
  Merge(plan.findings, request.status);
  if (HasErrors(plan.findings))
    return Refusal("the import into " + plan.store, std::move(plan.findings));
  plan.nodes = in.names.nodes;
  // SPEC X3: an exchange of certificates is no change of the CA chain.
  if (!plan.additions.empty()) AddTrustRestarts(in, plan.store, /*of_ca=*/false, plan);
  return plan;
}

}  // namespace signet::keystore
