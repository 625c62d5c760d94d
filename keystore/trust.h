// Changes to what the cluster shares: trust stores and settings.
#pragma once

#include "keystore/committer.h"
#include "keystore/operation.h"
#include "keystore/plan_deletion.h"
#include "keystore/plan_distrust.h"
#include "keystore/plan_import.h"
#include "keystore/settings.h"

namespace signet::keystore {

// Blocking; needs the store only, never the token. Thread-safe (conflicting changes: kConflict
// STATE_CHANGED).
class Trust {
 public:
  Trust(const Catalogue& catalogue, const NodeNames& names, State& state, Committer& committer,
        const Clock& clock)
      : catalogue_(catalogue), names_(names), state_(state), committer_(committer), clock_(clock) {}

  // Each carries out the plan of its kind (plan_trust.h, plan_deletion.h, settings.h), if `wanted`
  // is its hash or absent, and answers with that plan's errors.
  Result<ChangeResult> Upload(Operation& operation, const TrustUploadRequest& request,
                              const std::optional<std::string>& wanted);
  Result<ChangeResult> Delete(Operation& operation, const TrustDeleteRequest& request,
                              const std::optional<std::string>& wanted);
  Result<ChangeResult> Undelete(Operation& operation, const std::string& store,
                                const std::string& id, const std::optional<std::string>& wanted);
  Result<ChangeResult> Import(Operation& operation, const ImportRequest& request,
                              const std::optional<std::string>& wanted);
  // Takes certificates out of trust, or back into it; nothing when all is so already.
  Result<ChangeResult> Distrust(Operation& operation, const DistrustRequest& request,
                                const std::optional<std::string>& wanted);
  // Several settings at once.
  Result<ChangeResult> Set(Operation& operation, const SettingValues& values,
                           const std::optional<std::string>& wanted);
  // Takes back what an operation stored that was cut off: nobody has seen it. Again until it works.
  Status Undo(const std::string& operation);
  // What the planners may see now.
  PlanInput Input() const { return {catalogue_, names_, state_.Now(), clock_.Now()}; }

 private:
  Result<ChangeResult> Store(Operation& operation, const std::string& method,
                             const std::string& origin, const TrustPlan& plan, const PlanInput& in);
  // Commits all parts, unseen; the transaction returned, with the operation's record, shows them.
  Result<Transaction> StoreInParts(Operation& operation, const TrustPlan& plan,
                                   std::vector<Transaction> parts);
  Result<ChangeResult> Finish(Operation& operation, const std::string& method, const Plan& plan,
                              std::string detail, Transaction transaction, ChangeResult result);

  const Catalogue& catalogue_;
  const NodeNames& names_;
  State& state_;
  Committer& committer_;
  const Clock& clock_;
};

}  // namespace signet::keystore
