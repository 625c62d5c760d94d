#include "keystore/x509/chain.h"

#include <algorithm>

#include "keystore/x509/path_check.h"
#include "keystore/x509/path_search.h"

namespace signet::keystore::x509 {
namespace {

constexpr int kMaxPathsChecked = 20;
constexpr std::size_t kMaxOctetsChecked = 4u << 20;  // of their certificates

std::size_t CountErrors(const Findings& findings) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [](const Finding& f) { return f.severity == Severity::kError; }));
}

// Why no path was found at all.
void ExplainMissing(const Certificate& leaf, const PathSearch& search, const ChainPolicy& policy,
                    Findings& out) {
  const LintRole role =
      policy.leaf_role.value_or(leaf.fields().ca ? LintRole::kIntermediate : LintRole::kEndEntity);
  out = Lint(leaf, role);
  CheckDates(leaf, policy.time, out);
  for (const auto& [fingerprint, issuer] : search.unsigned_by()) {
    AddOnce(out,
            {Severity::kError, "SIGNATURE_INVALID",
             "no certificate of the issuer '" + issuer + "' made this signature", fingerprint});
  }
  for (const auto& [fingerprint, issuer] : search.missing()) {
    AddOnce(out, {Severity::kError, "CHAIN_INCOMPLETE",
                  "the certificate of the issuer '" + issuer + "' is missing", fingerprint});
  }
  if (search.exhausted()) {
    AddOnce(out,
            {Severity::kError, "CHAIN_TOO_COMPLEX",
             "the certificates cross-sign each other so much, or the path is so long, that the "
             "search was given up",
             leaf.fingerprint()});
  }
  if (!HasErrors(out) || (search.missing().empty() && search.unsigned_by().empty())) {
    AddOnce(out,
            {Severity::kError, "CHAIN_INCOMPLETE",
             "no path leads to a trusted certificate; the issuer is '" + leaf.fields().issuer + "'",
             leaf.fingerprint()});
  }
}

}  // namespace

bool HasKeyId(const Certificate& certificate, const std::string& key_id) {
  const auto& fields = certificate.fields();
  return !key_id.empty() && (key_id == fields.ski || key_id == fields.key.ski);
}

std::vector<Certificate> BestCandidates(std::vector<Certificate> named, const std::string& key_id) {
  std::stable_partition(named.begin(), named.end(),
                        [&](const Certificate& c) { return HasKeyId(c, key_id); });
  if (named.size() > kMaxCandidates) named.erase(named.begin() + kMaxCandidates, named.end());
  return named;
}

ChainVerdict VerifyPath(const Certificate& leaf, std::span<const Certificate> extra,
                        const TrustView& trust, const ChainPolicy& policy) {
  SearchBudget budget;
  return VerifyPathWithin(leaf, extra, trust, policy, budget);
}

ChainVerdict VerifyPathWithin(const Certificate& leaf, std::span<const Certificate> extra,
                              const TrustView& trust, const ChainPolicy& policy,
                              SearchBudget& budget) {
  ChainVerdict best;
  int checked = 0;
  std::size_t octets = 0;
  PathSearch search(extra, trust, budget);
  // Nearly always the first path is the one: its signatures are verified once, with all the rest.
  // If it is not good, all paths are looked at whose signatures are.
  if (std::vector<Certificate> guess = search.FirstGuess(leaf); !guess.empty()) {
    budget.links -= static_cast<int>(guess.size());
    Findings findings = CheckPath(guess, extra, policy, Links::kGuessed);
    if (!HasErrors(findings)) return {std::move(guess), std::move(findings)};
  }
  search.Run(leaf, [&](const std::vector<Certificate>& path) {
    budget.links -= static_cast<int>(path.size());
    Findings findings = CheckPath(path, extra, policy, Links::kVerified);
    const bool accepted = !HasErrors(findings);
    if (best.path.empty() || CountErrors(findings) < CountErrors(best.findings)) {
      best.path = path;
      best.findings = std::move(findings);
    }
    for (const Certificate& certificate : path) octets += certificate.der().size();
    return accepted || ++checked >= kMaxPathsChecked || octets >= kMaxOctetsChecked ||
           budget.links <= 0;
  });
  if (best.path.empty()) ExplainMissing(leaf, search, policy, best.findings);
  return best;
}

std::string_view EntryKindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kAnchor:
      return "anchor";
    case EntryKind::kIntermediate:
      return "intermediate";
    case EntryKind::kPinned:
      return "pinned";
    case EntryKind::kOcspResponder:
      return "ocsp-responder";
  }
  return "anchor";
}

Result<EntryKind> ParseEntryKind(std::string_view name) {
  for (const EntryKind kind : {EntryKind::kAnchor, EntryKind::kIntermediate, EntryKind::kPinned,
                               EntryKind::kOcspResponder}) {
    if (EntryKindName(kind) == name) return kind;
  }
  return MakeError(Kind::kUsage, "ENTRY_KIND_INVALID",
                   "'" + EscapeLine(name, 64) + "' is no kind of trust entry",
                   "Say anchor, intermediate, pinned or ocsp-responder.");
}

namespace {

constexpr std::string_view kOcspSigning = "1.3.6.1.5.5.7.3.9";

Status CheckResponder(const Certificate& certificate) {
  const auto& usages = certificate.fields().extended;
  if (usages && std::find(usages->begin(), usages->end(), kOcspSigning) != usages->end())
    return Ok();
  return MakeError(
      Kind::kRefused, "RESPONDER_WITHOUT_EKU",
      "the certificate is not for signing OCSP responses (EKU OCSPSigning is missing)",
      "Have the responder's certificate issued with the OCSPSigning extended key usage.");
}

Result<EntryKind> KindOfCa(const Certificate& certificate) {
  const auto& fields = certificate.fields();
  if (fields.self_signed) return EntryKind::kAnchor;
  // A CA's new key signed by its old one names itself as issuer too (RFC 4210 §4.4); its key ids
  // differ then.
  const bool rollover =
      !fields.aki.empty() && fields.aki != fields.key.ski && fields.aki != fields.ski;
  if (!fields.self_issued || rollover) return EntryKind::kIntermediate;
  return MakeError(Kind::kRefused, "SIGNATURE_INVALID",
                   "the certificate names itself as its issuer, but its key did not sign it",
                   "Fetch it again from the CA and compare the fingerprint.");
}

}  // namespace

Result<EntryKind> ClassifyEntry(const Certificate& certificate, std::optional<EntryKind> asked) {
  const auto& fields = certificate.fields();
  if (fields.ca) {
    SIGNET_TRY(const EntryKind kind, KindOfCa(certificate));
    if (!asked || *asked == kind) return kind;
    return MakeError(Kind::kRefused, "ENTRY_KIND_MISMATCH",
                     "the certificate is of the kind " + std::string(EntryKindName(kind)) +
                         ", not " + std::string(EntryKindName(*asked)),
                     "Leave the kind out: a CA certificate determines it by itself.");
  }
  if (fields.self_issued && !fields.self_signed) {
    SIGNET_TRY(KindOfCa(certificate));  // a CA may issue to its own name, else a signature is bad
  }
  if (asked == EntryKind::kOcspResponder) {
    SIGNET_TRY(CheckResponder(certificate));
    return EntryKind::kOcspResponder;
  }
  const bool pinned =
      fields.self_signed ? !asked || asked == EntryKind::kPinned : asked == EntryKind::kPinned;
  if (pinned) return EntryKind::kPinned;
  return MakeError(Kind::kRefused, "TRUST_ENTRY_NOT_CA",
                   "the certificate is no CA: it would be trusted as itself only",
                   "Upload the CA that issued it, or ask for the kind pinned (or ocsp-responder).");
}

EntryVerdict CheckSingleEntry(const Certificate& certificate, std::optional<EntryKind> asked,
                              WallTime now) {
  EntryVerdict verdict;
  const auto kind = ClassifyEntry(certificate, asked);
  if (!kind) {
    verdict.findings.push_back(Broken(kind.error().word, kind.error().detail, certificate));
    return verdict;
  }
  verdict.kind = kind.value();
  verdict.findings = Lint(certificate, LintRole::kPinned);
  CheckDates(certificate, now, verdict.findings);
  return verdict;
}

}  // namespace signet::keystore::x509
