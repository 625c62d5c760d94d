#include "keystore/identities.h"

#include "hsm/key_text.h"
#include "hsm/token.h"
#include "keystore/refusal.h"
#include "keystore/trust_writer.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::keystore {

namespace {

// Labels name the operation, whose journal row therefore names the key before it exists.
std::string LabelFor(const std::string& purpose, const std::string& operation) {
  return purpose + "-" + operation;
}

KeyRecord RecordOf(const hsm::GeneratedKey& key, hsm::KeyPolicy policy) {
  KeyRecord record;
  record.id = key.id;
  record.label = key.label;
  record.spec = hsm::ToString(key.spec);
  record.policy = hsm::ToString(policy);
  record.spki = Base64Encode(key.spki);
  return record;
}

// `next` becomes the purpose's current version, what was current stays for a rollback; the key of
// the one before that is over and goes to `destroy`.
void InstallCurrent(const Snapshot& snapshot, const Layout& layout, const std::string& purpose,
                    IdentityVersion next, Transaction& transaction,
                    std::vector<std::string>& destroy) {
  IdentityRecord identity;
  identity.purpose = purpose;
  Revision modified = 0;
  if (const auto row = snapshot.identities.find(purpose); row != snapshot.identities.end()) {
    identity = row->second.value;
    modified = row->second.modified;
  }
  if (identity.previous &&
      (!identity.current || identity.previous->key.id != identity.current->key.id) &&
      identity.previous->key.id != next.key.id) {
    destroy.push_back(identity.previous->key.id);
  }
  identity.previous = std::move(identity.current);
  identity.current = std::move(next);
  transaction.Expect(layout.Identity(purpose), modified);
  transaction.Put(layout.Identity(purpose), json::serialize(ToJson(identity)));
}

}  // namespace

struct Identities::NewKey {
  KeyRecord record;
  std::string spki;
  hsm::EvpPkeyPtr evp;
};

Identities::Identities(const Catalogue& catalogue, const NodeNames& names, State& state,
                       Committer& committer, hsm::Token& token, const Clock& clock)
    : catalogue_(catalogue),
      names_(names),
      state_(state),
      committer_(committer),
      token_(token),
      clock_(clock) {}

PlanInput Identities::Input() const { return {catalogue_, names_, state_.Now(), clock_.Now()}; }

Error Identities::Abandon(Operation& operation, const std::string& key_id, Error error) {
  if (operation.leave_for_recovery) return error;
  if (auto destroyed = token_.Destroy(key_id); !destroyed) operation.leave_for_recovery = true;
  return error;
}

Result<Identities::NewKey> Identities::MakeKey(Operation& operation, const KeyPlan& plan) {
  SIGNET_TRY(Findings rehearsal,
             rehearsal_.Run(plan.content, plan.validity ? &*plan.validity : nullptr, plan.spec));
  const std::string label = LabelFor(plan.purpose->name, operation.id);
  auto generated = token_.Generate(label, plan.spec, plan.policy);
  if (!generated) {
    // A token that fails may keep what it half made; recovery finds it by the journal's id.
    if (generated.error().kind == Kind::kTokenFailed && !token_.DestroyLabelled(label))
      operation.leave_for_recovery = true;
    return std::move(generated).error();
  }
  const hsm::GeneratedKey key = std::move(generated).value();
  Failpoint("key.generated");
  // What it signs is verified before it leaves, which is its proof.
  auto evp = token_.Evp(key.id, hsm::Proof::kByCaller);
  if (!evp) return Abandon(operation, key.id, std::move(evp).error());
  return NewKey{RecordOf(key, plan.policy), key.spki, std::move(evp).value()};
}

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

Result<ChangeResult> Identities::GenerateSelfSigned(Operation& operation,
                                                    const IdentityRequest& request) {
  SIGNET_TRY(KeyPlan plan, PlanSelfSigned(Input(), request));
  SIGNET_TRY(CheckPlan(plan, request.plan));
  SIGNET_TRY(NewKey key, MakeKey(operation, plan));
  auto build = [&]() -> Result<x509::Certificate> {
    SIGNET_TRY(std::string der,
               x509::BuildSelfSigned(plan.content, *plan.validity, key.spki, key.evp.get()));
    SIGNET_TRY(x509::Certificate certificate, x509::Certificate::FromDer(der));
    Findings findings = x509::LintProfile(certificate, plan.content.profile);
    if (HasErrors(findings)) return Refusal("the certificate that was built", std::move(findings));
    return certificate;
  };
  auto certificate = build();
  if (!certificate) return Abandon(operation, key.record.id, std::move(certificate).error());
  Failpoint("certificate.signed");
  auto result = CommitSelfSigned(operation, plan, key.record, certificate.value());
  if (!result) return Abandon(operation, key.record.id, std::move(result).error());
  return result;
}

Result<ChangeResult> Identities::CommitSelfSigned(Operation& operation, const KeyPlan& plan,
                                                  const KeyRecord& key,
                                                  const x509::Certificate& certificate) {
  const auto snapshot = state_.Now();
  const Layout& layout = state_.layout();
  const Purpose& purpose = *plan.purpose;
  Transaction transaction;
  plan.ExpectReads(transaction);
  OperationRecord record;
  record.method = "certificate.generate";

  IdentityVersion version;
  version.certificate = certificate.fingerprint();
  version.key = key;
  version.distribution = plan.distribution;
  version.since = clock_.Now();
  version.operation = operation.id;
  InstallCurrent(*snapshot, layout, purpose.name, std::move(version), transaction, record.destroy);
  if (purpose.trust_store.empty()) {
    PutCertificate(transaction, layout, certificate);
  } else {
    TrustWriter trust(*snapshot, layout, operation.id, clock_.Now());
    trust.Add(purpose.trust_store,
              {certificate, x509::EntryKind::kPinned, purpose.name + " of " + names_.node},
              "made here", purpose.name);
    trust.WriteTo(transaction);
  }

  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  result.restarts = plan.restarts;
  result.findings = plan.findings;
  result.fingerprint = certificate.fingerprint();
  result.pem = certificate.ToPem();
  record.detail = purpose.name + " self-signed " + certificate.fingerprint();
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  installed_(purpose);
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<ChangeResult> Identities::GenerateCsr(Operation& operation, const IdentityRequest& request) {
  SIGNET_TRY(KeyPlan plan, PlanCsr(Input(), request));
  SIGNET_TRY(CheckPlan(plan, request.plan));
  SIGNET_TRY(NewKey key, MakeKey(operation, plan));
  auto build = [&]() -> Result<std::string> {
    SIGNET_TRY(std::string der, x509::BuildRequest(plan.content, key.spki, key.evp.get()));
    SIGNET_TRY(x509::RequestFields fields, x509::ParseRequest(der));
    Findings findings = x509::LintRequest(fields, plan.content.profile);
    if (HasErrors(findings)) return Refusal("the CSR that was built", std::move(findings));
    return der;
  };
  auto der = build();
  if (!der) return Abandon(operation, key.record.id, std::move(der).error());
  Failpoint("csr.signed");

  CsrRecord csr;
  csr.id = operation.id;
  csr.purpose = plan.purpose->name;
  csr.distribution = plan.distribution;
  csr.created = clock_.Now();
  csr.hash = hsm::ToString(plan.content.hash);
  csr.key = key.record;
  csr.der = Base64Encode(der.value());
  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  result.findings = plan.findings;
  result.csr = csr.id;
  result.pem = x509::RequestToPem(der.value());
  OperationRecord record;
  record.method = "csr.generate";
  record.detail = csr.purpose + " CSR " + csr.id;
  record.result = ToJson(result);
  Transaction transaction;
  plan.ExpectReads(transaction);
  const std::string record_key = state_.layout().Csr(csr.id);
  transaction.Expect(record_key, 0);
  transaction.Put(record_key, json::serialize(ToJson(csr)));
  if (auto committed = committer_.Commit(operation, std::move(transaction), record); !committed) {
    return Abandon(operation, key.record.id, std::move(committed).error());
  }
  Failpoint("store.committed");
  operation.detail = record.detail;
  return result;
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
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
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
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
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
