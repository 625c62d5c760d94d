#include "keystore/plan_bundle.h"

#include <algorithm>
#include <unordered_map>

#include "keystore/plan_distrust.h"
#include "keystore/refusal.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

constexpr std::size_t kMaxFindingOctets = 256 * 1024;  // they go into a transaction

// The certificates of an upload with their places in it.
struct Numbered {
  std::vector<x509::Certificate> certificates;
  std::vector<std::size_t> numbers;                           // of the certificates, from 1
  std::unordered_map<std::string, std::string> descriptions;  // by fingerprint
  std::map<std::size_t, std::string> not_taken;               // reason by number
  std::size_t count = 0;
};

std::string Reason(const Error& error) { return error.detail + " (" + error.word + ")"; }

Status ReadPart(const TrustUploadPart& part, Numbered& out) {
  if (!part.predecessor.empty()) {
    return MakeError(Kind::kUsage, "PREDECESSOR_IN_BUNDLE",
                     "a predecessor is named in bundle mode, which finds each issuer by itself",
                     "Leave the predecessor out, or upload in chain mode.");
  }
  SIGNET_TRY(x509::Bundle bundle, x509::ReadBundle(part.text, kMaxBundle - out.count));
  std::size_t number = 0;
  auto bad = bundle.rejected.begin();
  const auto note_bad = [&] {
    for (; bad != bundle.rejected.end() && bad->number == number + 1; ++bad, ++number) {
      const std::string line = bad->line == 0 ? "" : "line " + std::to_string(bad->line) + ": ";
      out.not_taken[out.count + bad->number] = line + Reason(bad->error);
    }
  };
  for (x509::Certificate& certificate : bundle.certificates) {
    note_bad();
    out.numbers.push_back(out.count + ++number);
    out.descriptions.emplace(certificate.fingerprint(), EscapeLine(part.description, 256));
    out.certificates.push_back(std::move(certificate));
  }
  note_bad();
  out.count += number;
  return Ok();
}

std::string ReasonOf(const x509::Certificate& certificate, const Findings& findings) {
  const std::string name = "'" + certificate.fields().subject + "'";
  const auto error = std::find_if(findings.begin(), findings.end(),
                                  [](const Finding& f) { return f.severity == Severity::kError; });
  const std::string reason =
      error == findings.end() ? "no reason is known" : error->text + " (" + error->id + ")";
  return reason.starts_with(name) ? reason : name + ": " + reason;
}

Findings NotTaken(const Numbered& upload) {
  Findings out;
  for (const auto& [number, reason] : upload.not_taken) {
    out.push_back({Severity::kWarning, "NOT_TAKEN",
                   "certificate " + std::to_string(number) + " of " + std::to_string(upload.count) +
                       " is not taken: " + reason,
                   ""});
  }
  return out;
}

const Finding* ErrorAbout(const x509::Certificate& certificate, const Findings& findings) {
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kError && finding.certificate == certificate.fingerprint())
      return &finding;
  }
  return nullptr;
}

// What was deleted, or is there as another kind, vouches for nothing either: it is not even looked
// at.
void LeaveOut(const PlanInput& in, const std::string& store, bool undelete, const Findings& status,
              Numbered& upload) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < upload.certificates.size(); ++i) {
    const x509::Certificate certificate = upload.certificates[i];
    const auto* tombstone = in.snapshot->Tombstone(store, certificate.fingerprint());
    const auto* entry = in.snapshot->TrustEntry(store, certificate.fingerprint());
    const DistrustRecord* distrusted = in.snapshot->Distrusted(certificate.fingerprint());
    if (distrusted != nullptr) {
      upload.not_taken[upload.numbers[i]] =
          certificate.fields().subject + " is " + WhyDistrusted(*distrusted) + " (DISTRUSTED)";
    } else if (const Finding* refused = ErrorAbout(certificate, status)) {
      upload.not_taken[upload.numbers[i]] = refused->text + " (" + refused->id + ")";
    } else if (tombstone != nullptr && !undelete) {
      const Finding deleted = DeletedBefore(store, tombstone->value, certificate);
      upload.not_taken[upload.numbers[i]] = deleted.text + " (" + deleted.id + ")";
    } else if (entry != nullptr && certificate.fields().ca &&
               IsRaised(entry->kind, KindOfCa(certificate))) {
      upload.not_taken[upload.numbers[i]] =
          certificate.fields().subject + " is in " + store +
          " as pinned: upload it by itself to trust what it issues (ENTRY_KIND_DIFFERS)";
    } else {
      upload.certificates[kept] = certificate;
      upload.numbers[kept++] = upload.numbers[i];
    }
  }
  upload.certificates.erase(upload.certificates.begin() + static_cast<std::ptrdiff_t>(kept),
                            upload.certificates.end());
  upload.numbers.resize(kept);
}

// The first of them; how many more there are is said.
void Bound(Findings& findings) {
  std::size_t kept = 0, octets = 0;
  while (kept < std::min(findings.size(), kMaxBundleFindings) && octets <= kMaxFindingOctets)
    octets += findings[kept++].text.size();
  if (kept == findings.size()) return;
  const std::size_t more = findings.size() - kept;
  findings.resize(kept);
  findings.push_back({Severity::kInfo, "MORE_FINDINGS",
                      std::to_string(more) + " findings more are not listed", ""});
}

}  // namespace

Result<TrustPlan> PlanBundle(const PlanInput& in, const TrustUploadRequest& request) {
  TrustPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, request.store));
  plan.store = row->name;
  plan.nodes = in.names.nodes;
  Findings general;  // of the status of all: nobody could tell in time
  for (const Finding& finding : request.status) {
    if (finding.severity == Severity::kError && finding.certificate.empty())
      general.push_back(finding);
  }
  if (!general.empty()) return Refusal("the upload to " + plan.store, std::move(general));
  Numbered upload;
  for (const TrustUploadPart& part : request.parts) {
    SIGNET_TRY(ReadPart(part, upload));
  }
  LeaveOut(in, plan.store, request.undelete, request.status, upload);
  x509::CheckedBundle checked = x509::CheckBundle(upload.certificates, request.as,
                                                  Snapshot::View(in.snapshot, plan.store), in.now);
  for (const auto& rejected : checked.rejected) {
    upload.not_taken[upload.numbers[rejected.index]] =
        ReasonOf(upload.certificates[rejected.index], rejected.findings);
  }
  Findings warnings;
  std::size_t there = 0;
  bool of_ca = false;
  for (auto& accepted : checked.accepted) {
    const x509::Certificate& certificate = accepted.certificate;
    const std::string& fingerprint = certificate.fingerprint();
    if (in.snapshot->TrustEntry(plan.store, fingerprint) != nullptr) {
      ++there;
      continue;
    }
    of_ca = of_ca || certificate.fields().ca;
    AddToPlan(in, {certificate, accepted.kind, upload.descriptions.at(fingerprint)}, plan.store,
              in.snapshot->Tombstone(plan.store, fingerprint) != nullptr, plan.additions, plan);
    std::move(accepted.findings.begin(), accepted.findings.end(), std::back_inserter(warnings));
  }
  plan.findings = NotTaken(upload);
  if (there > 0) {
    plan.findings.push_back({Severity::kInfo, "ALREADY_THERE",
                             std::to_string(there) + " of " + std::to_string(upload.count) +
                                 " certificates are in " + plan.store + " already",
                             ""});
  }
  if (!checked.duplicates.empty()) {
    plan.findings.push_back({Severity::kInfo, "DUPLICATE",
                             std::to_string(checked.duplicates.size()) +
                                 " certificates stand in the upload more than once",
                             ""});
  }
  std::move(warnings.begin(), warnings.end(), std::back_inserter(plan.findings));
  std::copy_if(request.status.begin(), request.status.end(), std::back_inserter(plan.findings),
               [](const Finding& finding) { return finding.severity != Severity::kError; });
  Bound(plan.findings);
  if (plan.additions.empty() && there == 0) {
    Error error = MakeError(Kind::kRefused, "NOTHING_TAKEN",
                            "none of the " + std::to_string(upload.count) +
                                " certificates is good: " + plan.findings.front().text,
                            "Look at the reason of each. Nothing was stored.");
    error.findings = std::move(plan.findings);
    return error;
  }
  if (!plan.additions.empty()) AddTrustRestarts(in, plan.store, of_ca, plan);
  return plan;
}

}  // namespace signet::keystore
