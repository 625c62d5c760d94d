#include "keystore/trust.h"

#include "keystore/trust_writer.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::keystore {

Result<ChangeResult> Trust::Finish(Operation& operation, const std::string& method,
                                   const Plan& plan, std::string detail, Transaction transaction,
                                   ChangeResult result) {
  plan.ExpectReads(transaction);
  for (const PlanStep& step : plan.steps) {
    if (step.what == "override finding") detail += "; overridden " + step.target;
  }
  result.changed = true;
  result.operation = operation.id;
  result.restarts = plan.restarts;
  result.findings = plan.findings;
  OperationRecord record;
  record.method = method;
  record.detail = std::move(detail);
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  return result;
}

Result<ChangeResult> Trust::Store(Operation& operation, const std::string& method,
                                  const std::string& origin, const TrustPlan& plan,
                                  const PlanInput& in) {
  ChangeResult result;
  result.operation = operation.id;
  result.findings = plan.findings;
  if (plan.additions.empty()) {
    operation.detail = plan.store + " has these certificates already";
    return result;
  }
  Transaction transaction;
  TrustWriter writer(*in.snapshot, state_.layout(), in.now);
  for (const TrustAddition& addition : plan.additions) {
    writer.Add(plan.store, addition, origin);
    result.stored.push_back(addition.certificate.fingerprint());
  }
  writer.WriteTo(transaction);
  return Finish(operation, method, plan,
                plan.store + " +" + std::to_string(plan.additions.size()) + " " + origin,
                std::move(transaction), std::move(result));
}

Result<ChangeResult> Trust::Upload(Operation& operation, const TrustUploadRequest& request,
                                   const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const TrustPlan plan, PlanTrustUpload(in, request));
  SIGNET_TRY(CheckPlan(plan, wanted));
  return Store(operation, "trust.upload", "uploaded", plan, in);
}

Result<ChangeResult> Trust::Import(Operation& operation, const ImportRequest& request,
                                   const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const TrustPlan plan, PlanImport(in, request));
  SIGNET_TRY(CheckPlan(plan, wanted));
  return Store(operation, "import.fetch", "imported from " + EscapeLine(request.host, 128), plan,
               in);
}

Result<ChangeResult> Trust::Delete(Operation& operation, const TrustDeleteRequest& request,
                                   const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const DeletionPlan plan, PlanDeletion(in, request));
  SIGNET_TRY(CheckPlan(plan, wanted));
  TombstoneRecord tombstone;
  tombstone.entry = plan.entry;
  tombstone.by = operation.actor;
  tombstone.reason = EscapeLine(request.reason, 256);
  tombstone.deleted = in.now;
  tombstone.operation = operation.id;
  Transaction transaction;
  TrustWriter writer(*in.snapshot, state_.layout(), in.now);
  writer.Remove(plan.store, tombstone);
  writer.WriteTo(transaction);
  return Finish(operation, "trust.delete", plan, plan.store + " -" + plan.entry.certificate,
                std::move(transaction), {});
}

Result<ChangeResult> Trust::Undelete(Operation& operation, const std::string& store,
                                     const std::string& id,
                                     const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const DeletionPlan plan, PlanUndelete(in, store, id));
  SIGNET_TRY(CheckPlan(plan, wanted));
  Transaction transaction;
  TrustWriter writer(*in.snapshot, state_.layout(), in.now);
  writer.Add(plan.store, plan.entry);
  writer.WriteTo(transaction);
  ChangeResult result;
  result.stored = {plan.entry.certificate};
  return Finish(operation, "trust.undelete", plan, plan.store + " again " + plan.entry.certificate,
                std::move(transaction), std::move(result));
}

Result<ChangeResult> Trust::Set(Operation& operation, const std::string& setting,
                                const std::string& value,
                                const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const SettingPlan plan, PlanSetting(in, setting, value));
  SIGNET_TRY(CheckPlan(plan, wanted));
  if (plan.steps.empty()) {
    ChangeResult result;
    result.operation = operation.id;
    result.findings = plan.findings;
    operation.detail = plan.name + " is '" + plan.value + "' already";
    return result;
  }
  SettingRecord record;
  record.value = plan.value;
  Transaction transaction;
  transaction.Put(state_.layout().Setting(plan.name), json::serialize(ToJson(record)));
  return Finish(operation, "setting.set", plan, plan.name + " = '" + plan.value + "'",
                std::move(transaction), {});
}

}  // namespace signet::keystore
