#include "keystore/trust.h"

#include "keystore/trust_writer.h"
#include "platform/failpoint.h"

namespace signet::keystore {

Result<ChangeResult> Trust::Upload(Operation& operation, const std::string& store,
                                   const std::vector<TrustUploadPart>& parts,
                                   std::optional<x509::EntryKind> as) {
  const PlanInput in{catalogue_, names_, state_.Now(), clock_.Now()};
  SIGNET_TRY(TrustPlan plan, PlanTrustUpload(in, store, parts, as));
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
    writer.Add(plan.store, addition, "uploaded");
    result.stored.push_back(addition.certificate.fingerprint());
  }
  writer.WriteTo(transaction);
  result.changed = true;
  result.restarts = plan.restarts;
  OperationRecord record;
  record.method = "trust.upload";
  record.detail = plan.store + " +" + std::to_string(plan.additions.size());
  record.result = ToJson(result);
  SIGNET_TRY(committer_.Commit(operation, std::move(transaction), record));
  Failpoint("store.committed");
  operation.detail = record.detail;
  return result;
}

}  // namespace signet::keystore
