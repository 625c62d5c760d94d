// What a change would do, worked out from a snapshot alone: pure, so that a rehearsal and the deed
// cannot differ. plan_key.h, plan_upload.h, plan_trust.h have a function for each change, which
// refuses with all its findings or returns what the execution (identities.h, trust.h) carries out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/node.h"
#include "keystore/operation.h"
#include "keystore/owed.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

// What the planner may see.
struct PlanInput {
  const Catalogue& catalogue;
  const NodeNames& names;
  std::shared_ptr<const Snapshot> snapshot;
  WallTime now{};

  Layout layout() const { return Layout(names.cluster, names.node); }
};

// The part that all plans share.
struct Plan {
  std::vector<PlanStep> steps;
  Findings findings;  // warnings and infos
  std::optional<std::string> replaces;
  std::vector<std::string> restarts, nodes;
  std::vector<OwedRestart> owed;          // what asks for these restarts
  std::map<std::string, Revision> reads;  // records that it rests on, 0: absent

  void Step(std::string what, std::string node, std::string target) {
    steps.push_back({std::move(what), std::move(node), std::move(target)});
  }
  // The transaction happens only if what was read is as it was.
  void ExpectReads(Transaction& transaction) const;
};

PlanReport ReportOf(const Plan& plan);
// kConflict PLAN_STALE when a plan is `wanted` and this is another one.
Status CheckPlan(const Plan& plan, const std::optional<std::string>& wanted);

// Notes an identity, a CSR, an entry's shard as read, present or not.
void ReadIdentity(const PlanInput& in, const std::string& purpose, Plan& plan);
void ReadTrust(const PlanInput& in, const std::string& store, const std::string& fingerprint,
               Plan& plan);

// Steps of a change of the purpose's current identity: what is kept for a rollback, and the key
// whose time is over.
void PlanSuccession(const PlanInput& in, const std::string& purpose, Plan& plan);
// The services of the rules, each once.
void NameRestarts(const std::vector<Restart>& rules, Plan& plan);
// The same, and the change owes them; `cause` as in OwedRecord.
void AddRestarts(const std::vector<Restart>& rules, const std::string& cause, Plan& plan);

}  // namespace signet::keystore
