#include "keystore/plan_deletion.h"

#include <algorithm>

#include "keystore/refusal.h"
#include "keystore/settings.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

constexpr std::size_t kImpactsShown = 20;

bool IsCaKind(const std::string& kind) { return kind == "anchor" || kind == "intermediate"; }

bool RestsOn(const IdentityVersion& version, const std::string& fingerprint) {
  return version.certificate == fingerprint ||
         std::find(version.chain.begin(), version.chain.end(), fingerprint) != version.chain.end();
}

void FindUsers(const PlanInput& in, DeletionPlan& plan) {
  for (const std::string& user : UsersOf(in, plan.store, plan.entry.certificate)) {
    const bool current = user.ends_with("(current)");
    plan.findings.push_back({current ? Severity::kError : Severity::kWarning, "TRUST_IN_USE",
                             user + " rests on it", plan.entry.certificate});
  }
}

// SPEC C9, C10: the self-signed certificate that a purpose made may go once a CA-signed one took
// its place.
void CheckLeftover(const PlanInput& in, const x509::Certificate& certificate, DeletionPlan& plan) {
  if (plan.entry.purpose.empty() || !certificate.fields().self_signed) return;
  const Purpose* purpose = in.catalogue.FindPurpose(plan.entry.purpose);
  const IdentityVersion* current = in.snapshot->Current(plan.entry.purpose);
  if (purpose == nullptr || current == nullptr) return;
  const bool replaced = !current->chain.empty();
  if (replaced && purpose->leftover_deletable) return;
  if (current->certificate == plan.entry.certificate) return;  // TRUST_IN_USE says so
  const std::string names = " (issuer and subject are both '" + certificate.fields().subject + "')";
  Finding finding{
      Severity::kError, "NOT_REPLACED_YET",
      purpose->name + " has no CA-signed certificate yet: its self-signed ones stay" + names,
      certificate.fingerprint()};
  if (replaced) {
    finding.id = "LEFTOVER_STAYS";
    finding.text = "the self-signed certificates of " + purpose->name + " stay in " + plan.store +
                   ", also when a CA-signed one took over" + names;
  }
  plan.findings.push_back(std::move(finding));
}

void FindIssued(const PlanInput& in, const x509::Certificate& certificate, DeletionPlan& plan) {
  std::size_t issued = 0, anchors = 0;
  std::string names;
  const NameId issuer = NameIdOf(certificate.fields().subject_der);
  in.snapshot->EachTrustEntry(plan.store, "", [&](const TrustEntryRecord& entry) {
    if (entry.kind == "anchor") ++anchors;
    const StoredCertificate* row = in.snapshot->certificates->Find(entry.certificate);
    if (row == nullptr || row->issuer_id() != issuer ||
        row->fingerprint() == certificate.fingerprint() || issued > kImpactsShown) {
      return true;
    }
    const auto other = row->Parse();
    if (!other || !other->IsSignedBy(certificate)) return true;
    if (++issued <= kImpactsShown) names += (names.empty() ? "" : ", ") + other->fields().subject;
    return true;
  });
  if (issued > 0) {
    plan.findings.push_back(
        {Severity::kWarning, "IMPACT",
         "it issued " +
             (issued > kImpactsShown ? "more than " + std::to_string(kImpactsShown)
                                     : std::to_string(issued)) +
             " other entries of " + plan.store + ": " + names +
             (issued > kImpactsShown ? ", …" : ""),
         certificate.fingerprint()});
  }
  if (plan.entry.kind == "anchor" && anchors == 1) {
    plan.findings.push_back({Severity::kWarning, "LAST_ANCHOR",
                             plan.store + " has no other anchor: no CA-signed certificate can be "
                                          "uploaded until there is one",
                             certificate.fingerprint()});
  }
}

}  // namespace

std::vector<std::string> UsersOf(const PlanInput& in, const std::string& store,
                                 const std::string& fingerprint) {
  std::vector<std::string> users;
  for (const Purpose& purpose : in.catalogue.purposes) {
    const auto row = in.snapshot->identities.find(purpose.name);
    if (purpose.trust_store != store || row == in.snapshot->identities.end()) continue;
    const IdentityRecord& identity = row->second.value;
    if (identity.current && RestsOn(*identity.current, fingerprint))
      users.push_back(purpose.name + " (current)");
    if (identity.previous && RestsOn(*identity.previous, fingerprint))
      users.push_back(purpose.name + " (kept for a rollback)");
  }
  return users;
}

Result<const TrustEntryRecord*> FindTrustEntry(const Snapshot& snapshot, const std::string& store,
                                               const std::string& id) {
  const TrustEntryRecord* found = nullptr;
  bool several = false;
  if (id.size() >= 4) {
    if (const TrustEntryRecord* whole = snapshot.TrustEntry(store, id)) return whole;
    snapshot.EachTrustEntry(store, id, [&](const TrustEntryRecord& entry) {
      if (!entry.certificate.starts_with(id)) return false;
      several = found != nullptr;
      found = &entry;
      return !several;
    });
  }
  if (found != nullptr && !several) return found;
  return MakeError(Kind::kNotFound, "TRUST_ENTRY_UNKNOWN",
                   store + " has " + (several ? "several entries" : "no entry") + " with id " +
                       EscapeLine(id, 80),
                   "'signet trust list " + store + "' shows the ids.");
}

Result<DeletionPlan> PlanDeletion(const PlanInput& in, const TrustDeleteRequest& request) {
  DeletionPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, request.store));
  plan.store = row->name;
  SIGNET_TRY(const TrustEntryRecord* entry, FindTrustEntry(*in.snapshot, plan.store, request.id));
  plan.entry = *entry;
  const std::string& fingerprint = entry->certificate;
  ReadTrust(in, plan.store, fingerprint, plan);
  for (const Purpose& purpose : in.catalogue.purposes) {
    if (purpose.trust_store == plan.store) ReadIdentity(in, purpose.name, plan);
  }
  std::string subject = "a certificate that cannot be read";
  FindUsers(in, plan);
  if (const x509::Certificate* certificate = in.snapshot->Certificate(fingerprint)) {
    subject = certificate->fields().subject;
    CheckLeftover(in, *certificate, plan);
    FindIssued(in, *certificate, plan);
  }
  plan.Step("delete " + entry->kind, "", plan.store + " " + fingerprint + " " + subject);
  plan.replaces = plan.store + " " + fingerprint;
  plan.nodes = in.names.nodes;
  AddTrustRestarts(in, plan.store, IsCaKind(plan.entry.kind), plan);
  SIGNET_TRY(Override(request.overrides, plan));
  if (HasErrors(plan.findings))
    return Refusal("the deletion from " + plan.store, std::move(plan.findings));
  return plan;
}

Result<DeletionPlan> PlanUndelete(const PlanInput& in, const std::string& store,
                                  const std::string& id) {
  DeletionPlan plan;
  SIGNET_TRY(const TrustStoreRow* row, FindTrustStore(in.catalogue, store));
  plan.store = row->name;
  const std::string prefix = plan.store + "/" + id;
  const auto& tombstones = in.snapshot->tombstones;
  auto found = id.size() < 4 ? tombstones.end() : tombstones.lower_bound(prefix);
  const auto fits = [&] { return found != tombstones.end() && found->first.starts_with(prefix); };
  while (fits() && in.snapshot->TrustEntry(plan.store, found->second.value.entry.certificate))
    ++found;  // it is there again
  if (!fits()) {
    return MakeError(Kind::kNotFound, "NOT_DELETED",
                     "no entry " + EscapeLine(id, 80) + " was deleted from " + plan.store,
                     "'signet trust list " + plan.store + " --deleted' shows what was.");
  }
  const TombstoneRecord& tombstone = found->second.value;
  plan.entry = tombstone.entry;
  const std::string& fingerprint = plan.entry.certificate;
  const std::int64_t days = std::stoll(ReadSetting(in, kUndoDays, plan));
  const x509::Certificate* certificate = in.snapshot->Certificate(fingerprint);
  if (certificate == nullptr || in.now > tombstone.deleted + std::chrono::days(days)) {
    return MakeError(Kind::kRefused, "UNDO_OVER",
                     "it was deleted on " + FormatTime(tombstone.deleted) + ", more than " +
                         std::to_string(days) + " days ago",
                     "Upload its file again with --undelete.");
  }
  ReadTrust(in, plan.store, fingerprint, plan);
  x509::CheckDates(*certificate, in.now, plan.findings);
  plan.Step("take back the deletion", "", plan.store + " " + fingerprint);
  plan.Step("store " + plan.entry.kind, "",
            plan.store + " " + fingerprint + " " + certificate->fields().subject);
  plan.nodes = in.names.nodes;
  AddTrustRestarts(in, plan.store, IsCaKind(plan.entry.kind), plan);
  if (HasErrors(plan.findings))
    return Refusal("the entry of " + plan.store, std::move(plan.findings));
  return plan;
}

}  // namespace signet::keystore
