#include "keystore/plan.h"

#include <algorithm>
#include <set>

#include "platform/encoding.h"
#include "platform/json.h"

namespace signet::keystore {

namespace {

// Findings are left out: time alone changes them, and an error among them makes no plan.
std::string HashOf(const Plan& plan) {
  json::object reads;
  for (const auto& [key, modified] : plan.reads) reads[key] = modified;
  json::object document;
  document["steps"] = ToJson(plan.steps);
  document["replaces"] = ToJson(plan.replaces);
  document["restarts"] = ToJson(plan.restarts);
  document["nodes"] = ToJson(plan.nodes);
  document["reads"] = std::move(reads);
  return HexEncode(Sha256(json::serialize(document)));
}

}  // namespace

void Plan::ExpectReads(Transaction& transaction) const {
  std::set<std::pair<std::string, Revision>> expected;
  for (const Compare& compare : transaction.compares)
    expected.emplace(compare.key, compare.modified);
  for (const auto& [key, modified] : reads) {
    if (!expected.contains({key, modified})) transaction.Expect(key, modified);
  }
}

PlanReport ReportOf(const Plan& plan) {
  return {HashOf(plan), plan.steps, plan.findings, plan.replaces, plan.restarts, plan.nodes};
}

Status CheckPlan(const Plan& plan, const std::optional<std::string>& wanted) {
  if (!wanted || *wanted == HashOf(plan)) return Ok();
  return MakeError(Kind::kConflict, "PLAN_STALE",
                   "this is not the plan " + EscapeLine(*wanted, 16) +
                       "… any more: what it rests on has changed, or the request is another one",
                   "Look at the present plan (--dry-run) and carry that one out.");
}

void ReadIdentity(const PlanInput& in, const std::string& purpose, Plan& plan) {
  const auto row = in.snapshot->identities.find(purpose);
  plan.reads[in.layout().Identity(purpose)] =
      row == in.snapshot->identities.end() ? 0 : row->second.modified;
}

void ReadTrust(const PlanInput& in, const std::string& store, const std::string& fingerprint,
               Plan& plan) {
  const TrustShard* shard = in.snapshot->FindTrustShard(store, fingerprint);
  plan.reads[in.layout().TrustShard(store, fingerprint)] = shard == nullptr ? 0 : shard->modified;
}

void PlanSuccession(const PlanInput& in, const std::string& purpose, Plan& plan) {
  const auto row = in.snapshot->identities.find(purpose);
  if (row == in.snapshot->identities.end()) return;
  const IdentityRecord& identity = row->second.value;
  if (identity.current) {
    plan.Step("keep for a rollback", in.names.node, purpose + " " + identity.current->certificate);
  }
  if (identity.previous) {
    plan.Step("retire", in.names.node, purpose + " " + identity.previous->certificate);
  }
}

void NameRestarts(const std::vector<Restart>& rules, Plan& plan) {
  for (std::string& service : ServicesOf(rules)) {
    if (std::find(plan.restarts.begin(), plan.restarts.end(), service) == plan.restarts.end())
      plan.restarts.push_back(std::move(service));
  }
}

void AddRestarts(const std::vector<Restart>& rules, const std::string& cause, Plan& plan) {
  NameRestarts(rules, plan);
  for (const Restart& rule : rules) {
    plan.owed.push_back({rule.service, cause});
    for (const std::string& service : rule.below) plan.owed.push_back({service, cause});
  }
}

}  // namespace signet::keystore
