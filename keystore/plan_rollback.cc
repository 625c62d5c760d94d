#include "keystore/plan_rollback.h"

#include "keystore/plan_distrust.h"
#include "keystore/refusal.h"
#include "keystore/settings.h"
#include "keystore/x509/chain.h"

namespace signet::keystore {

namespace {

// The former certificate must be usable again: its dates, and its chain in the trust store.
void CheckFormer(const PlanInput& in, const Purpose& purpose, const IdentityVersion& former,
                 const x509::Certificate& leaf, Plan& plan) {
  if (leaf.fields().not_after <= in.now) {
    plan.findings.push_back(
        {Severity::kError, "ROLLBACK_EXPIRED",
         "the former certificate expired on " + FormatTime(leaf.fields().not_after),
         leaf.fingerprint()});
  }
  TellDistrusted(*in.snapshot, {leaf}, plan.findings);
  if (former.chain.empty()) return;
  for (const std::string& issuer : former.chain) ReadTrust(in, purpose.trust_store, issuer, plan);
  x509::ChainPolicy policy;
  policy.time = in.now;
  policy.leaf_role =
      purpose.profile.ca ? x509::LintRole::kIntermediate : x509::LintRole::kEndEntity;
  const auto trust = Snapshot::View(in.snapshot, purpose.trust_store);
  x509::ChainVerdict verdict = x509::VerifyPath(leaf, {}, trust, policy);
  if (verdict.path.empty())
    TellDistrustedIssuers(*in.snapshot, purpose.trust_store, {leaf}, plan.findings);
  for (Finding& finding : verdict.findings) {
    const bool said = finding.id == "EXPIRED" && finding.certificate == leaf.fingerprint();
    // What it was taken in with, forced or not, was judged then.
    if (!said && (finding.id == "CHAIN_INCOMPLETE" || finding.id == "EXPIRED"))
      plan.findings.push_back(std::move(finding));
  }
}

}  // namespace

Result<RollbackPlan> PlanRollback(const PlanInput& in, const std::string& name,
                                  const Overrides& overrides) {
  RollbackPlan plan;
  SIGNET_TRY(plan.purpose, FindPurpose(in.catalogue, name));
  const Purpose& purpose = *plan.purpose;
  const auto row = in.snapshot->identities.find(purpose.name);
  const bool possible = row != in.snapshot->identities.end() && row->second.value.current &&
                        row->second.value.previous;
  if (!possible) {
    return MakeError(Kind::kRefused, "NOTHING_TO_ROLL_BACK",
                     "no former certificate of " + purpose.name + " is kept",
                     "A former one is kept for the days of the setting rollback-days. Generate or "
                     "upload another certificate instead.");
  }
  const IdentityRecord& identity = row->second.value;
  ReadIdentity(in, purpose.name, plan);
  const x509::Certificate* leaf = in.snapshot->Certificate(identity.previous->certificate);
  if (leaf == nullptr)
    return InternalError("the former certificate of " + purpose.name + " is not in the store");
  CheckFormer(in, purpose, *identity.previous, *leaf, plan);
  plan.Step("install certificate", in.names.node,
            purpose.name + " " + identity.previous->certificate);
  plan.Step("keep for a rollback", in.names.node,
            purpose.name + " " + identity.current->certificate);
  plan.replaces = purpose.name + " " + identity.current->certificate;
  plan.nodes = {in.names.node};
  AddRestarts(purpose.on_certificate, purpose.name, plan);
  SIGNET_TRY(Override(overrides, plan));
  if (HasErrors(plan.findings))
    return Refusal("the rollback of " + purpose.name, std::move(plan.findings));
  return plan;
}

std::optional<WallTime> RollbackUntil(const PlanInput& in, const std::string& purpose) {
  const auto row = in.snapshot->identities.find(purpose);
  if (row == in.snapshot->identities.end() || !row->second.value.previous ||
      !row->second.value.current) {
    return std::nullopt;
  }
  const std::int64_t days = std::stoll(SettingValue(in, kRollbackDays));
  return row->second.value.current->since + std::chrono::days(days);
}

RetirePlan PlanRetire(const PlanInput& in) {
  RetirePlan plan;
  for (const auto& [purpose, row] : in.snapshot->identities) {
    const auto until = RollbackUntil(in, purpose);
    if (!until || in.now < *until) continue;
    ReadIdentity(in, purpose, plan);
    plan.Step("retire", in.names.node, purpose + " " + row.value.previous->certificate);
    plan.purposes.push_back(purpose);
  }
  plan.nodes = {in.names.node};
  return plan;
}

}  // namespace signet::keystore
