#include "keystore/trust.h"

#include <set>

#include "keystore/trust_writer.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/logging.h"

namespace signet::keystore {

namespace {
constexpr Duration kStoreLimit = std::chrono::seconds(10);
constexpr int kUndoAttempts = 5;
constexpr std::size_t kStoredInRecord = 1000;

// Of a plan without a step: nothing is written.
ChangeResult SoAlready(Operation& operation, const Plan& plan) {
  ChangeResult result;
  result.operation = operation.id;
  result.findings = plan.findings;
  operation.detail = "it is so already";
  return result;
}

}  // namespace

Result<ChangeResult> Trust::Finish(Operation& operation, const std::string& method,
                                   const Plan& plan, std::string detail, Transaction transaction,
                                   ChangeResult result) {
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
  if (result.stored.size() > kStoredInRecord)  // a transaction has its limits
    record.result.as_object()["stored"] = json::array();
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record, plan.owed));
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
  TrustWriter writer(*in.snapshot, state_.layout(), operation.id, in.now);
  for (const TrustAddition& addition : plan.additions) {
    writer.Add(plan.store, addition, origin);
    result.stored.push_back(addition.certificate.fingerprint());
  }
  std::string detail = plan.store + " +" + std::to_string(plan.additions.size()) + " " + origin;
  std::vector<Transaction> parts = writer.Split();
  if (parts.size() == 1) {
    plan.ExpectReads(parts.front());
    return Finish(operation, method, plan, std::move(detail), std::move(parts.front()),
                  std::move(result));
  }
  auto stored = StoreInParts(operation, plan, std::move(parts));
  if (stored) {
    auto finished = Finish(operation, method, plan, std::move(detail), std::move(stored).value(),
                           std::move(result));
    if (finished || operation.leave_for_recovery) return finished;
    stored = std::move(finished).error();
  }
  if (auto undone = Undo(operation.id); !undone) {
    Log(LogLevel::kError,
        "operation " + operation.id + " could not be taken back yet: " + undone.error().ToString());
    operation.leave_for_recovery = true;
  }
  return std::move(stored).error();
}

Result<Transaction> Trust::StoreInParts(Operation& operation, const TrustPlan& plan,
                                        std::vector<Transaction> parts) {
  const std::string pending = state_.layout().Pending(operation.id);
  PendingRecord record;
  record.store = plan.store;
  parts.front().Expect(pending, 0);
  parts.front().Put(pending, json::serialize(ToJson(record)));
  Revision begun = 0;
  std::set<std::string> compared;
  for (Transaction& part : parts) {
    for (const Compare& compare : part.compares) compared.insert(compare.key);
    if (begun != 0) part.Expect(pending, begun);
    SIGNET_TRY(const std::optional<Revision> revision, state_.store().Commit(part, kStoreLimit));
    if (!revision) return StateChanged();
    if (begun == 0) begun = *revision;
    Failpoint("trust.part-committed");
    part = Transaction();  // its memory is not needed any more
  }
  Transaction last;
  last.Expect(pending, begun);
  last.Delete(pending);
  for (const auto& [key, modified] : plan.reads) {
    if (!compared.contains(key)) last.Expect(key, modified);
  }
  return last;
}

Status Trust::Undo(const std::string& operation) {
  for (int attempt = 0; attempt < kUndoAttempts; ++attempt) {
    const std::shared_ptr<const Snapshot> snapshot = state_.Now();
    const auto pending = snapshot->pending.find(operation);
    if (pending == snapshot->pending.end()) return Ok();
    TrustWriter writer(*snapshot, state_.layout(), operation, WallTime());
    writer.TakeBack(pending->second.value.store);
    std::vector<Transaction> parts = writer.Split();
    parts.emplace_back().Delete(state_.layout().Pending(operation));
    bool changed = false;  // by another change meanwhile: look again
    for (const Transaction& part : parts) {
      SIGNET_TRY(const std::optional<Revision> revision, state_.store().Commit(part, kStoreLimit));
      changed = !revision;
      if (changed) break;
    }
    if (!changed) return Ok();
  }
  return StateChanged();
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
  TrustWriter writer(*in.snapshot, state_.layout(), operation.id, in.now);
  writer.Remove(plan.store, tombstone);
  writer.WriteTo(transaction);
  plan.ExpectReads(transaction);
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
  TrustWriter writer(*in.snapshot, state_.layout(), operation.id, in.now);
  writer.Add(plan.store, plan.entry);
  writer.WriteTo(transaction);
  ChangeResult result;
  result.stored = {plan.entry.certificate};
  plan.ExpectReads(transaction);
  return Finish(operation, "trust.undelete", plan, plan.store + " again " + plan.entry.certificate,
                std::move(transaction), std::move(result));
}

Result<ChangeResult> Trust::Distrust(Operation& operation, const DistrustRequest& request,
                                     const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const DistrustPlan plan, PlanDistrust(in, request));
  SIGNET_TRY(CheckPlan(plan, wanted));
  if (plan.steps.empty()) return SoAlready(operation, plan);
  Transaction transaction;
  for (DistrustRecord record : plan.distrusted) {
    record.operation = operation.id;
    transaction.Put(state_.layout().Distrusted(record.certificate),
                    json::serialize(ToJson(record)));
  }
  for (const std::string& fingerprint : plan.reinstated)
    transaction.Delete(state_.layout().Distrusted(fingerprint));
  plan.ExpectReads(transaction);
  return Finish(operation, "revocation.apply", plan, DetailOf(plan), std::move(transaction), {});
}

Result<ChangeResult> Trust::Set(Operation& operation, const SettingValues& values,
                                const std::optional<std::string>& wanted) {
  const PlanInput in = Input();
  SIGNET_TRY(const SettingPlan plan, PlanSettings(in, values));
  SIGNET_TRY(CheckPlan(plan, wanted));
  if (plan.steps.empty()) return SoAlready(operation, plan);
  Transaction transaction;
  std::string detail;
  for (const auto& [name, value] : plan.values) {
    SettingRecord record;
    record.value = value;
    transaction.Put(state_.layout().Setting(name), json::serialize(ToJson(record)));
    detail += (detail.empty() ? "" : ", ") + name + " = '" + value + "'";
  }
  plan.ExpectReads(transaction);
  return Finish(operation, "setting.set", plan, detail, std::move(transaction), {});
}

}  // namespace signet::keystore
