#include "keystore/plan_distrust.h"

#include <algorithm>

#include "keystore/plan_deletion.h"
#include "keystore/plan_trust.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

constexpr std::size_t kShown = 20;  // with their causes, in one line of the audit log

std::string SubjectOf(const PlanInput& in, const std::string& fingerprint) {
  const StoredCertificate* row = in.snapshot->certificates->Find(fingerprint);
  return row == nullptr ? "a certificate that cannot be read" : std::string(row->subject());
}

bool SameVerdict(const DistrustRecord& a, const DistrustRecord& b) {
  return a.cause == b.cause && a.reason == b.reason && a.since == b.since;
}

// An entry of a store that goes out of trust, or comes back: who reads the store is to hear of it.
void TellStores(const PlanInput& in, const std::string& fingerprint, Plan& plan) {
  for (const TrustStoreRow& row : in.catalogue.trust_stores) {
    const TrustEntryRecord* entry = in.snapshot->TrustEntry(row.name, fingerprint);
    if (entry == nullptr) continue;
    const bool of_ca = entry->kind == "anchor" || entry->kind == "intermediate";
    AddTrustRestarts(in, row.name, of_ca, plan);
  }
}

void TellIdentities(const PlanInput& in, const DistrustRecord& record, Plan& plan) {
  for (const auto& [purpose, row] : in.snapshot->identities) {
    const auto& current = row.value.current;
    if (!current) continue;
    if (current->certificate == record.certificate) {
      plan.findings.push_back({Severity::kWarning, "IDENTITY_DISTRUSTED",
                               "the certificate of " + purpose + " is " + WhyDistrusted(record),
                               record.certificate});
    } else if (std::find(current->chain.begin(), current->chain.end(), record.certificate) !=
               current->chain.end()) {
      plan.findings.push_back({Severity::kWarning, "IDENTITY_AFFECTED",
                               "the certificate of " + purpose + " rests on it",
                               record.certificate});
    }
  }
}

void ReadRecord(const PlanInput& in, const std::string& fingerprint, Plan& plan) {
  const auto row = in.snapshot->distrusted.find(fingerprint);
  plan.reads[in.layout().Distrusted(fingerprint)] =
      row == in.snapshot->distrusted.end() ? 0 : row->second.modified;
}

}  // namespace

std::string WhyDistrusted(const DistrustRecord& record) {
  std::string why = record.cause == kExpired    ? "expired since "
                    : record.cause == kOnHold   ? "on hold since "
                    : record.cause == kUnproved ? "of unknown status since "
                                                : "revoked since ";
  why += FormatTime(record.since);
  if (!record.reason.empty()) why += " (" + EscapeLine(record.reason, 64) + ")";
  return why + ", says " + EscapeLine(record.source, 256);
}

std::string RemedyOf(const DistrustRecord& record) {
  if (record.cause == kExpired) return "upload its successor";
  if (record.cause == kOnHold) return "ask its CA; released, it comes back by itself";
  if (record.cause == kUnproved) {
    return "mend its responder, which 'signet revocation list' names, or 'signet revocation set "
           "--unknown-trust soft'";
  }
  return "replace it; or, if its CA took that back, 'signet revocation clear " +
         record.certificate.substr(0, 16) + " --reason TEXT'";
}

Result<DistrustPlan> PlanDistrust(const PlanInput& in, const DistrustRequest& request) {
  if (request.distrusted.size() + request.reinstated.size() > kMaxDistrusted) {
    return MakeError(Kind::kUsage, "TOO_MANY_CERTIFICATES",
                     "more than " + std::to_string(kMaxDistrusted) + " certificates at once",
                     "Name fewer of them.");
  }
  DistrustPlan plan;
  for (const DistrustRecord& record : request.distrusted) {
    const DistrustRecord* before = in.snapshot->Distrusted(record.certificate);
    if (before != nullptr && SameVerdict(*before, record)) continue;
    ReadRecord(in, record.certificate, plan);
    plan.Step("take out of trust", "",
              record.certificate + " " + SubjectOf(in, record.certificate) + ": " +
                  WhyDistrusted(record));
    TellStores(in, record.certificate, plan);
    TellIdentities(in, record, plan);
    plan.distrusted.push_back(record);
  }
  for (const std::string& fingerprint : request.reinstated) {
    const DistrustRecord* before = in.snapshot->Distrusted(fingerprint);
    if (before == nullptr) continue;
    ReadRecord(in, fingerprint, plan);
    plan.Step(
        "take back into trust", "",
        fingerprint + " " + SubjectOf(in, fingerprint) + ", which was " + WhyDistrusted(*before));
    TellStores(in, fingerprint, plan);
    plan.reinstated.push_back(fingerprint);
  }
  plan.nodes = in.names.nodes;
  plan.reason = request.reason;
  return plan;
}

std::string DetailOf(const DistrustPlan& plan) {
  std::string detail;
  std::size_t shown = 0;
  const auto add = [&](const std::string& part) { detail += (detail.empty() ? "" : ", ") + part; };
  for (const DistrustRecord& record : plan.distrusted) {
    add("out of trust " + record.certificate +
        (++shown <= kShown ? " (" + WhyDistrusted(record) + ")" : ""));
  }
  for (const std::string& fingerprint : plan.reinstated) add("back in trust " + fingerprint);
  if (!plan.reason.empty()) detail += "; because: " + plan.reason;
  return detail;
}

void TellDistrusted(const Snapshot& snapshot, const std::vector<x509::Certificate>& certificates,
                    Findings& findings) {
  for (const x509::Certificate& certificate : certificates) {
    const DistrustRecord* record = snapshot.Distrusted(certificate.fingerprint());
    if (record == nullptr || record->cause == kExpired) continue;
    x509::AddOnce(findings, {Severity::kError, "DISTRUSTED",
                             "'" + certificate.fields().subject + "' is " + WhyDistrusted(*record) +
                                 "; it is out of trust: " + RemedyOf(*record),
                             certificate.fingerprint()});
  }
}

void TellDistrustedIssuers(const Snapshot& snapshot, const std::string& store,
                           const std::vector<x509::Certificate>& certificates, Findings& findings) {
  for (const auto& [fingerprint, row] : snapshot.distrusted) {
    if (row.value.cause == kExpired || snapshot.TrustEntry(store, fingerprint) == nullptr) continue;
    const x509::Certificate* authority = snapshot.Certificate(fingerprint);
    if (authority == nullptr || !authority->fields().ca) continue;
    for (const x509::Certificate& certificate : certificates) {
      if (certificate.fields().issuer_der != authority->fields().subject_der ||
          !certificate.IsSignedBy(*authority))
        continue;
      x509::AddOnce(findings,
                    {Severity::kError, "ISSUER_DISTRUSTED",
                     "its issuer '" + authority->fields().subject + "' in " + store + " is " +
                         WhyDistrusted(row.value) + "; it is out of trust: " + RemedyOf(row.value),
                     certificate.fingerprint()});
    }
  }
}

Result<const DistrustRecord*> FindDistrusted(const Snapshot& snapshot, const std::string& id) {
  const auto& rows = snapshot.distrusted;
  const auto found = id.size() < 4 ? rows.end() : rows.lower_bound(id);
  const bool fits = found != rows.end() && found->first.starts_with(id);
  const bool again = fits && std::next(found) != rows.end() &&
                     std::next(found)->first.starts_with(id) && found->first != id;
  if (fits && !again) return &found->second.value;
  return MakeError(Kind::kNotFound, "NOT_DISTRUSTED",
                   std::string(again ? "several certificates" : "no certificate") + " with id " +
                       EscapeLine(id, 80) + (again ? " are" : " is") + " out of trust",
                   "'signet revocation distrusted' lists those that are, with their ids.");
}

}  // namespace signet::keystore
