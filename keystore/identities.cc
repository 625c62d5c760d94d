#include "keystore/identities.h"

#include "hsm/token.h"
#include "keystore/refusal.h"
#include "keystore/succession.h"
#include "keystore/trust_writer.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::keystore {

Identities::Identities(const Catalogue& catalogue, const NodeNames& names, State& state,
                       Committer& committer, hsm::Token& token, const Clock& clock)
    : catalogue_(catalogue),
      names_(names),
      state_(state),
      committer_(committer),
      token_(token),
      clock_(clock) {}

PlanInput Identities::Input() const { return {catalogue_, names_, state_.Now(), clock_.Now()}; }

void Identities::DestroyAfterCommit(Operation& operation, const std::vector<std::string>& keys,
                                    Findings& findings) {
  for (const std::string& key : keys) {
    if (auto destroyed = token_.Destroy(key); !destroyed) {
      operation.leave_for_recovery = true;
      findings.push_back({Severity::kWarning, "KEY_NOT_DESTROYED",
                          "key " + key + " could not be destroyed (" + destroyed.error().detail +
                              "); this is done as soon as the token answers",
                          ""});
    }
    Failpoint("key.destroyed");
  }
}

// An identity must have its key: proved now, not believed.
Status Identities::ProveKey(const Purpose& purpose, const KeyRecord& key) {
  SIGNET_TRY(std::string spki, token_.PublicKey(key.id));
  if (Base64Encode(spki) != key.spki) {
    return MakeError(
        Kind::kTokenFailed, "KEY_ID_AMBIGUOUS",
        "the token shows another public key for key " + key.id,
        "Run 'signet token self-test'; do not use this certificate before the cause is known.");
  }
  const std::string probe = Sha256(RandomBytes(32));
  const auto scheme = purpose.algorithm == hsm::KeyAlgorithm::kEc ? hsm::SignScheme::kEcdsa
                                                                  : hsm::SignScheme::kRsaPkcs1;
  SIGNET_TRY(std::string proof,
             token_.SignDigest(key.id, scheme, hsm::HashAlgorithm::kSha256, probe));
  return Ok();
}

namespace {

IdentityVersion VersionOf(const UploadItem& item, const Operation& operation, WallTime now) {
  IdentityVersion version;
  version.certificate = item.leaf->fingerprint();
  for (const auto& issuer : item.chain) version.chain.push_back(issuer.fingerprint());
  version.key = item.csr.key;
  version.distribution = item.csr.distribution;
  version.since = now;
  version.operation = operation.id;
  return version;
}

}  // namespace

Result<ChangeResult> Identities::Upload(Operation& operation, const UploadRequest& request,
                                        const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(UploadPlan plan, PlanUpload(in, request));
  SIGNET_TRY(CheckPlan(plan, wanted));
  ChangeResult result;
  result.operation = operation.id;
  result.fingerprint = plan.items.front().leaf->fingerprint();
  result.findings = plan.findings;
  if (plan.unchanged()) {
    operation.detail = plan.findings.front().text;
    return result;
  }
  const Layout& layout = state_.layout();
  Transaction transaction;
  OperationRecord record;
  record.method = "certificate.upload";
  TrustWriter trust(*in.snapshot, layout, operation.id, in.now);
  for (const UploadItem& item : plan.items) {
    if (item.unchanged) continue;
    const Purpose& purpose = *item.purpose;
    SIGNET_TRY(ProveKey(purpose, item.csr.key));
    InstallCurrent(*in.snapshot, layout, purpose.name, VersionOf(item, operation, in.now),
                   transaction, record.destroy);
    transaction.Delete(layout.Csr(item.csr.id));
    PutCertificate(transaction, layout, *item.leaf);
    for (const TrustAddition& addition : item.additions) {
      trust.Add(purpose.trust_store, addition, "uploaded");
      result.stored.push_back(addition.certificate.fingerprint());
    }
    record.detail += (record.detail.empty() ? "" : ", ") + purpose.name + " certificate " +
                     item.leaf->fingerprint();
  }
  Failpoint("upload.key-proved");
  trust.WriteTo(transaction);
  plan.ExpectReads(transaction);
  for (const PlanStep& step : plan.steps) {
    if (step.what == "override finding") record.detail += "; overridden " + step.target;
  }
  result.changed = true;
  result.restarts = plan.restarts;
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record, plan.owed));
  Failpoint("store.committed");
  operation.detail = record.detail;
  for (const UploadItem& item : plan.items) installed_(*item.purpose);
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<ChangeResult> Identities::Rollback(Operation& operation, const std::string& name,
                                          const Overrides& overrides,
                                          const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(RollbackPlan plan, PlanRollback(in, name, overrides));
  SIGNET_TRY(CheckPlan(plan, wanted));
  const Purpose& purpose = *plan.purpose;
  IdentityRecord identity = in.snapshot->identities.at(purpose.name).value;
  SIGNET_TRY(ProveKey(purpose, identity.previous->key));
  std::swap(identity.current, identity.previous);
  identity.current->since = in.now;
  identity.current->operation = operation.id;
  identity.current->restored = true;
  Transaction transaction;
  plan.ExpectReads(transaction);
  transaction.Put(state_.layout().Identity(purpose.name), json::serialize(ToJson(identity)));
  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  result.restarts = plan.restarts;
  result.findings = plan.findings;
  result.fingerprint = identity.current->certificate;
  OperationRecord record;
  record.method = "certificate.rollback";
  record.detail = purpose.name + " back to certificate " + identity.current->certificate;
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record, plan.owed));
  Failpoint("store.committed");
  operation.detail = record.detail;
  installed_(purpose);
  return result;
}

Result<ChangeResult> Identities::Retire(Operation& operation) {
  const PlanInput in = Input();
  const RetirePlan plan = PlanRetire(in);
  ChangeResult result;
  result.operation = operation.id;
  if (plan.purposes.empty()) return result;
  Transaction transaction;
  plan.ExpectReads(transaction);
  OperationRecord record;
  record.method = "certificate.retire";
  for (const std::string& purpose : plan.purposes) {
    IdentityRecord identity = in.snapshot->identities.at(purpose).value;
    if (identity.previous->key.id != identity.current->key.id)
      record.destroy.push_back(identity.previous->key.id);
    record.detail += (record.detail.empty() ? "former certificate of " : ", ") + purpose + " " +
                     identity.previous->certificate;
    identity.previous.reset();
    transaction.Put(state_.layout().Identity(purpose), json::serialize(ToJson(identity)));
  }
  result.changed = true;
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<PlanReport> Identities::ProposeSelfSigned(const IdentityRequest& request) const {
  SIGNET_TRY(const KeyPlan plan, PlanSelfSigned(Input(), request));
  return ReportOf(plan);
}

Result<PlanReport> Identities::ProposeCsr(const IdentityRequest& request) const {
  SIGNET_TRY(const KeyPlan plan, PlanCsr(Input(), request));
  return ReportOf(plan);
}

Result<PlanReport> Identities::ProposeRegeneration(const std::vector<std::string>& purposes) const {
  SIGNET_TRY(const RegenerationPlan plan, PlanRegeneration(Input(), purposes));
  return ReportOf(plan);
}

Result<PlanReport> Identities::ProposeUpload(const UploadRequest& request) const {
  SIGNET_TRY(const UploadPlan plan, PlanUpload(Input(), request));
  return ReportOf(plan);
}

Result<PlanReport> Identities::ProposeRollback(const std::string& purpose,
                                               const Overrides& overrides) const {
  SIGNET_TRY(const RollbackPlan plan, PlanRollback(Input(), purpose, overrides));
  return ReportOf(plan);
}

Result<ChangeResult> Identities::DiscardCsr(Operation& operation, const std::string& id) {
  const auto snapshot = state_.Now();
  const auto row = snapshot->csrs.find(id);
  if (row == snapshot->csrs.end()) {
    return MakeError(Kind::kNotFound, "CSR_UNKNOWN", "no CSR " + EscapeLine(id, 64) + " is pending",
                     "'signet csr list' shows what is.");
  }
  Transaction transaction;
  transaction.Expect(state_.layout().Csr(id), row->second.modified);
  transaction.Delete(state_.layout().Csr(id));
  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  OperationRecord record;
  record.method = "csr.discard";
  record.destroy = {row->second.value.key.id};
  record.detail = row->second.value.purpose + " CSR " + id;
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<Identities::Recovered> Identities::Recover(const std::string& operation) {
  SIGNET_TRY(std::optional<OperationRecord> record, committer_.Find(operation));
  const auto owned = state_.Now()->Keys();
  Recovered recovered;
  if (record) {
    recovered.committed = true;
    recovered.detail = record->detail;
    recovered.result = json::serialize(record->result);
    for (const std::string& key : record->destroy) {
      if (owned.contains(key)) continue;
      SIGNET_TRY(token_.Destroy(key));
    }
    return recovered;
  }
  SIGNET_TRY(token_.DestroyUnfinished());
  SIGNET_TRY(std::vector<hsm::TokenKey> keys, token_.List());
  for (const hsm::TokenKey& key : keys) {
    if (key.label.ends_with("-" + operation) && !owned.contains(key.id)) {
      SIGNET_TRY(token_.DestroyLabelled(key.label));
      recovered.detail = "destroyed key " + key.label;
    }
  }
  return recovered;
}

}  // namespace signet::keystore
