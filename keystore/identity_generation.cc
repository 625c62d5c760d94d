// Identities::GenerateSelfSigned, GenerateCsr, Regenerate: new keys with their certificates or
// CSRs.
#include "hsm/key_text.h"
#include "hsm/token.h"
#include "keystore/identities.h"
#include "keystore/refusal.h"
#include "keystore/succession.h"
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

}  // namespace

struct Identities::NewKey {
  KeyRecord record;
  std::string spki;
  hsm::EvpPkeyPtr evp;
};

// A fresh key with its certificate or CSR, in no record yet.
struct Identities::Made {
  const KeyPlan* plan = nullptr;
  NewKey key;
  std::string der;
};

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

Error Identities::Abandon(Operation& operation, const std::vector<Made>& made, Error error) {
  for (const Made& one : made) error = Abandon(operation, one.key.record.id, std::move(error));
  return error;
}

Result<Identities::Made> Identities::Make(Operation& operation, const KeyPlan& plan) {
  SIGNET_TRY(NewKey key, MakeKey(operation, plan));
  auto build = [&]() -> Result<std::string> {
    if (plan.validity) {
      SIGNET_TRY(std::string der,
                 x509::BuildSelfSigned(plan.content, *plan.validity, key.spki, key.evp.get()));
      SIGNET_TRY(const x509::Certificate certificate, x509::Certificate::FromDer(der));
      Findings findings = x509::LintProfile(certificate, plan.content.profile);
      if (HasErrors(findings))
        return Refusal("the certificate that was built", std::move(findings));
      return der;
    }
    SIGNET_TRY(std::string der, x509::BuildRequest(plan.content, key.spki, key.evp.get()));
    SIGNET_TRY(x509::RequestFields fields, x509::ParseRequest(der));
    Findings findings = x509::LintRequest(fields, plan.content.profile);
    if (HasErrors(findings)) return Refusal("the CSR that was built", std::move(findings));
    return der;
  };
  auto der = build();
  if (!der) return Abandon(operation, key.record.id, std::move(der).error());
  Failpoint(plan.validity ? "certificate.signed" : "csr.signed");
  return Made{&plan, std::move(key), std::move(der).value()};
}

Result<ChangeResult> Identities::Generate(Operation& operation, const std::string& method,
                                          const Plan& whole, const std::vector<KeyPlan>& plans,
                                          bool several) {
  std::vector<Made> made;
  for (const KeyPlan& plan : plans) {
    auto one = Make(operation, plan);
    if (!one) return Abandon(operation, made, std::move(one).error());
    made.push_back(std::move(one).value());
  }
  auto result = CommitMade(operation, method, whole, made, several);
  if (!result) return Abandon(operation, made, std::move(result).error());
  return result;
}

void Identities::Install(const Operation& operation, const Made& made, const Snapshot& snapshot,
                         TrustWriter& trust, Transaction& transaction, OperationRecord& record,
                         MadeItem& item) {
  const Layout& layout = state_.layout();
  const Purpose& purpose = *made.plan->purpose;
  const x509::Certificate certificate = x509::Certificate::FromDer(made.der).value();
  IdentityVersion version;
  version.certificate = certificate.fingerprint();
  version.key = made.key.record;
  version.distribution = made.plan->distribution;
  version.since = clock_.Now();
  version.operation = operation.id;
  InstallCurrent(snapshot, layout, purpose.name, std::move(version), transaction, record.destroy);
  if (purpose.trust_store.empty()) {
    PutCertificate(transaction, layout, certificate);
  } else {
    trust.Add(purpose.trust_store,
              {certificate, x509::EntryKind::kPinned, purpose.name + " of " + names_.node},
              "made here", purpose.name);
  }
  item.fingerprint = certificate.fingerprint();
  item.pem = certificate.ToPem();
  record.detail += purpose.name + " self-signed " + certificate.fingerprint();
}

void Identities::AddCsr(const std::string& id, const Made& made, Transaction& transaction,
                        OperationRecord& record, MadeItem& item) {
  CsrRecord csr;
  csr.id = id;
  csr.purpose = made.plan->purpose->name;
  csr.distribution = made.plan->distribution;
  csr.created = clock_.Now();
  csr.hash = hsm::ToString(made.plan->content.hash);
  csr.key = made.key.record;
  csr.der = Base64Encode(made.der);
  const std::string record_key = state_.layout().Csr(csr.id);
  transaction.Expect(record_key, 0);
  transaction.Put(record_key, json::serialize(ToJson(csr)));
  item.csr = csr.id;
  item.pem = x509::RequestToPem(made.der);
  record.detail += csr.purpose + " CSR " + csr.id;
}

Result<ChangeResult> Identities::CommitMade(Operation& operation, const std::string& method,
                                            const Plan& whole, const std::vector<Made>& made,
                                            bool several) {
  const auto snapshot = state_.Now();
  Transaction transaction;
  TrustWriter trust(*snapshot, state_.layout(), operation.id, clock_.Now());
  OperationRecord record;
  record.method = method;
  std::vector<MadeItem> items;
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (i > 0) record.detail += ", ";
    MadeItem& item = items.emplace_back();
    item.purpose = made[i].plan->purpose->name;
    if (made[i].plan->validity) {
      Install(operation, made[i], *snapshot, trust, transaction, record, item);
    } else {
      // One operation's CSRs keep the order of age.
      const std::string id =
          operation.id + (several ? HexEncode(std::string(1, static_cast<char>(i))) : "");
      AddCsr(id, made[i], transaction, record, item);
    }
  }
  trust.WriteTo(transaction);
  whole.ExpectReads(transaction);
  ChangeResult result;
  result.changed = true;
  result.operation = operation.id;
  result.restarts = whole.restarts;
  result.findings = whole.findings;
  if (several) {
    result.made = std::move(items);
  } else {
    result.csr = items.front().csr;
    result.fingerprint = items.front().fingerprint;
    result.pem = items.front().pem;
  }
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record, whole.owed));
  Failpoint("store.committed");
  operation.detail = record.detail;
  for (const Made& one : made) {
    if (one.plan->validity) installed_(*one.plan->purpose);
  }
  DestroyAfterCommit(operation, record.destroy, result.findings);
  return result;
}

Result<ChangeResult> Identities::GenerateSelfSigned(Operation& operation,
                                                    const IdentityRequest& request) {
  SIGNET_TRY(const KeyPlan plan, PlanSelfSigned(Input(), request));
  SIGNET_TRY(CheckPlan(plan, request.plan));
  return Generate(operation, "certificate.generate", plan, {plan}, false);
}

Result<ChangeResult> Identities::GenerateCsr(Operation& operation, const IdentityRequest& request) {
  SIGNET_TRY(const KeyPlan plan, PlanCsr(Input(), request));
  SIGNET_TRY(CheckPlan(plan, request.plan));
  return Generate(operation, "csr.generate", plan, {plan}, false);
}

Result<ChangeResult> Identities::Regenerate(Operation& operation,
                                            const std::vector<std::string>& purposes,
                                            const std::optional<std::string>& wanted) {
  SIGNET_TRY(const RegenerationPlan plan, PlanRegeneration(Input(), purposes));
  SIGNET_TRY(CheckPlan(plan, wanted));
  if (plan.keys.empty()) {
    ChangeResult result;
    result.operation = operation.id;
    result.findings = plan.findings;
    operation.detail = plan.findings.front().text;
    return result;
  }
  return Generate(operation, "certificate.regenerate", plan, plan.keys, true);
}

}  // namespace signet::keystore
