#include "services/control/change_plan.h"

#include <algorithm>

#include "keystore/x509/certificate.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/logging.h"

namespace signet::services {

namespace {

using keystore::OwedRecord;

constexpr Duration kStoreLimit = std::chrono::seconds(10);
constexpr Duration kChangeLimit = std::chrono::minutes(2);
constexpr Duration kStepLimit = std::chrono::hours(3);  // services have limits of their own

std::string Action(const ControlledService& service) {
  if (service.driver == DriverKind::kUnmanaged) return "by hand";
  return service.take_up == TakeUp::kReload ? "reload" : "restart";
}

Finding NothingOwed() {
  return {Severity::kInfo, "NOTHING_OWED", "every service has taken up what was changed", ""};
}

api::ServicePlan PlanOf(const ControlCenter& center, const std::string& node,
                        const std::vector<ControlCenter::Slot*>& slots) {
  api::ServicePlan plan;
  json::array owed;
  for (const ControlCenter::Slot* slot : slots) {
    const ControlledService& config = ControlCenter::ConfigOf(*slot);
    api::ServiceStep step;
    step.service = config.name;
    step.node = node;
    step.action = Action(config);
    for (const OwedRecord& record : center.OwedOf(*slot)) {
      step.causes.push_back(record.cause);
      owed.push_back(ToJson(record));
    }
    for (const Endpoint& endpoint : config.endpoints)
      step.endpoints.push_back(EndpointText(endpoint));
    plan.steps.push_back(std::move(step));
  }
  if (slots.empty()) {
    plan.findings.push_back(NothingOwed());
  } else {
    plan.hash = Sha256Hex(json::serialize(json::array{ToJson(plan.steps), owed}));
  }
  return plan;
}

RequestContext OwnContext() {
  RequestContext context;
  context.actor = "system";
  context.role = Role::kSystem;
  context.origin = "service.apply";
  context.limit = kChangeLimit;
  return context;
}

// Whether what asks for the restart is a certificate that took an older one's place, which is kept:
// one that a rollback has put there is not gone forward from.
bool IsNewer(const keystore::Snapshot& snapshot, const OwedRecord& record) {
  const auto row = snapshot.identities.find(record.cause);
  if (row == snapshot.identities.end()) return false;
  const auto& [current, previous] = std::tie(row->second.value.current, row->second.value.previous);
  if (!current || !previous || current->operation != record.operation) return false;
  const auto* now = snapshot.Certificate(current->certificate);
  const auto* before = snapshot.Certificate(previous->certificate);
  return now != nullptr && before != nullptr &&
         before->fields().not_before <= now->fields().not_before;
}

bool IsFine(const api::ApplyStep& step) {
  return step.outcome == "proved" || step.outcome == "done" || step.outcome == "skipped";
}

void NoteTrouble(const api::ApplyStep& step, Findings& findings) {
  if (IsFine(step)) return;
  std::string text = step.service + " " + step.outcome + ": " + step.detail;
  if (!step.remedy.empty()) text += ". " + step.remedy;
  if (!step.output.empty()) text += " Its last line: " + step.output.back();
  findings.push_back({Severity::kError, step.outcome == "failed" ? "STEP_FAILED" : "ROLLED_BACK",
                      EscapeLine(text, 2048), ""});
}

// The first look that is not as it should be.
std::string FirstTrouble(const std::vector<WireLook>& looks, std::string& remedy) {
  for (const WireLook& look : looks) {
    if (look.verdict == WireVerdict::kCurrent) continue;
    remedy = look.remedy;
    return look.endpoint + ", " + look.purpose + ": " + std::string(WireVerdictName(look.verdict)) +
           ", " + look.detail;
  }
  return {};
}

}  // namespace

api::ServicePlan ChangePlan::Show() const {
  return PlanOf(parts_.center, parts_.names.node, parts_.center.Owing());
}

boost::asio::awaitable<Result<api::ApplyAnswer>> ChangePlan::Apply(
    RequestContext, std::shared_ptr<keystore::Operation> operation, api::ApplyRequest request) {
  const std::vector<ControlCenter::Slot*> slots = parts_.center.Owing();
  const std::string hash = PlanOf(parts_.center, parts_.names.node, slots).hash;
  if (request.plan && *request.plan != hash) {
    co_return MakeError(Kind::kConflict, "PLAN_STALE",
                        "this is not the plan " + EscapeLine(*request.plan, 16) +
                            "… any more: other restarts are owed now",
                        "Look at the present plan (signet service plan) and apply that one.");
  }
  if (slots.empty()) {
    operation->detail = "nothing is owed";
    api::ApplyAnswer nothing;
    nothing.operation = operation->id;
    nothing.proved = true;
    nothing.findings = {NothingOwed()};
    co_return nothing;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!running_.empty()) {
      co_return MakeError(Kind::kConflict, "APPLY_IN_PROGRESS",
                          "operation " + running_ + " carries out a plan already",
                          "Wait for it ('signet events'), then look at 'signet service plan'.");
    }
    running_ = operation->id;
  }
  Result<api::ApplyAnswer> answer = co_await Steps(slots, operation->id, hash);
  {
    const std::lock_guard lock(mutex_);
    running_.clear();
  }
  if (answer) {
    for (const api::ApplyStep& step : answer.value().steps)
      operation->detail +=
          (operation->detail.empty() ? "" : ", ") + step.service + " " + step.outcome;
  }
  co_return answer;
}

boost::asio::awaitable<Result<api::ApplyAnswer>> ChangePlan::Steps(
    std::vector<ControlCenter::Slot*> slots, std::string operation, std::string hash) {
  const WallTime begun = parts_.clock.Now();
  std::vector<std::string> left;
  for (const ControlCenter::Slot* slot : slots) left.push_back(ControlCenter::ConfigOf(*slot).name);
  api::ApplyAnswer answer;
  answer.changed = true;
  answer.operation = operation;
  answer.proved = true;
  for (ControlCenter::Slot* slot : slots) {
    SIGNET_CO_TRY(Note(operation, left));
    Failpoint("apply.noted");
    api::ApplyStep step = co_await Do(*slot, operation, answer);
    answer.proved = answer.proved && IsFine(step);
    tell_("proof",
          step.service + ": " + step.outcome + (step.detail.empty() ? "" : ", ") + step.detail,
          {{"operation", operation}, {"step", ToJson(step)}});
    NoteTrouble(step, answer.findings);
    answer.steps.push_back(std::move(step));
    left.erase(left.begin());
    Failpoint("apply.step-done");
  }
  // What a rollback asked of services that had been done, or come later: once more, with the former
  // identity. The one that failed has it already.
  if (!answer.rolled_back.empty()) {
    for (ControlCenter::Slot* slot : parts_.center.Owing()) {
      const std::string& name = ControlCenter::ConfigOf(*slot).name;
      const bool failed =
          std::any_of(answer.steps.begin(), answer.steps.end(), [&](const api::ApplyStep& step) {
            return step.service == name && step.outcome == "failed";
          });
      if (failed) continue;
      api::ApplyStep step = co_await Do(*slot, operation, answer);
      answer.proved = false;
      NoteTrouble(step, answer.findings);
      answer.steps.push_back(std::move(step));
    }
  }
  auto sign = [this, operation, hash, begun, &answer]() -> Result<std::string> {
    return parts_.receipts.Sign(operation, hash, begun, answer);
  };
  Result<std::string> receipt = co_await RunOn(parts_.change_lane, std::move(sign), kChangeLimit);
  if (receipt) {
    answer.receipt = receipt.value();
  } else {
    Log(LogLevel::kError, "the receipt of operation " + operation +
                              " could not be signed: " + receipt.error().ToString());
  }
  SIGNET_CO_TRY(Forget(operation));
  co_return answer;
}

boost::asio::awaitable<api::ApplyStep> ChangePlan::Do(ControlCenter::Slot& slot,
                                                      std::string operation,
                                                      api::ApplyAnswer& answer) {
  const ControlledService& config = ControlCenter::ConfigOf(slot);
  const std::vector<OwedRecord> owed = parts_.center.OwedOf(slot);
  const ServiceVerb verb =
      config.take_up == TakeUp::kReload ? ServiceVerb::kReload : ServiceVerb::kRestart;
  struct Seen {
    std::optional<Error> error;
    std::vector<WireLook> looks;
    std::string skipped;  // why nothing was done
  };
  auto job = [&center = parts_.center, &slot, &config, verb]() -> Result<Seen> {
    Seen seen;
    if (config.driver == DriverKind::kUnmanaged) {
      seen.looks = center.Prove(slot);
      if (seen.looks.empty() || !AllCurrent(seen.looks)) {
        seen.skipped = "somebody must restart it; 'signet service restart " + config.name +
                       "' notes that it was done";
      }
      return seen;
    }
    const auto look = center.Look(slot);
    if (look && look.value().status == ServiceStatus::kStopped) {
      seen.skipped = "it is stopped, and takes up what there is when it starts";
      return seen;
    }
    Status acted = center.Act(slot, verb);
    Failpoint("apply.acted");
    if (!acted) seen.error = std::move(acted).error();
    if (!seen.error) seen.looks = center.Prove(slot);
    if (seen.error) return seen;
    if (AllCurrent(seen.looks)) seen.looks = center.ProveAgain(slot);
    Status runs = center.StillRuns(slot);
    if (!runs) seen.error = std::move(runs).error();
    return seen;
  };
  api::ApplyStep step;
  step.service = config.name;
  step.action = Action(config);
  Result<Seen> seen = co_await RunOn(parts_.control_lane, std::move(job), kStepLimit);
  if (!seen) {
    step.outcome = "failed";
    step.detail = seen.error().detail;
    step.remedy = seen.error().remedy;
    co_return step;
  }
  for (const WireLook& look : seen.value().looks) step.proofs.push_back(ProofOf(config.name, look));
  if (!seen.value().skipped.empty()) {
    step.outcome = "skipped";
    step.detail = seen.value().skipped;
    co_return step;
  }
  if (seen.value().error) {
    step.detail = seen.value().error->detail;
    step.remedy = seen.value().error->remedy;
  } else {
    step.detail = FirstTrouble(seen.value().looks, step.remedy);
  }
  if (step.detail.empty()) {
    step.outcome = seen.value().looks.empty() ? "done" : "proved";
    const Status settled = parts_.center.Settle(slot, owed);
    if (!settled) step.detail = settled.error().detail;
    co_return step;
  }
  step.output = parts_.center.LastLines(slot);
  step.outcome = "failed";
  const bool back = co_await PutBack(slot, operation, owed, step, answer);
  if (back) step.outcome = "rolled back";
  co_return step;
}

// The former identities of what changed become current again, and are proved as the new ones were.
boost::asio::awaitable<bool> ChangePlan::PutBack(ControlCenter::Slot& slot, std::string operation,
                                                 const std::vector<OwedRecord>& owed,
                                                 api::ApplyStep& step, api::ApplyAnswer& answer) {
  std::vector<std::string> purposes;
  const auto snapshot = parts_.state.Now();
  for (const OwedRecord& record : owed) {
    if (IsNewer(*snapshot, record)) purposes.push_back(record.cause);
  }
  if (purposes.empty()) {
    step.detail += "; nothing can be put back, for no former identity is kept";
    co_return false;
  }
  for (const std::string& purpose : purposes) {
    Changes::Work work = [this, purpose](std::shared_ptr<keystore::Operation> own)
        -> boost::asio::awaitable<Result<json::value>> {
      auto job = [&identities = parts_.identities, own, purpose] {
        return identities.Rollback(*own, purpose, keystore::Overrides(), std::nullopt);
      };
      Result<keystore::ChangeResult> back =
          co_await RunOn(parts_.change_lane, std::move(job), kChangeLimit);
      if (!back) co_return std::move(back).error();
      co_return ToJson(back.value());
    };
    RequestContext context = OwnContext();
    const std::string digest = Sha256Hex(operation + purpose);
    Result<json::value> back = co_await parts_.changes.Run(
        std::move(context), "certificate.rollback", digest, std::move(work));
    if (!back) {
      step.detail +=
          "; the former identity of " + purpose + " could not be put back: " + back.error().detail;
      step.remedy = back.error().remedy;
      co_return false;
    }
    answer.rolled_back.push_back(purpose);
  }
  Failpoint("apply.rolled-back");
  const ControlledService& config = ControlCenter::ConfigOf(slot);
  const ServiceVerb verb =
      config.take_up == TakeUp::kReload ? ServiceVerb::kReload : ServiceVerb::kRestart;
  auto job = [&center = parts_.center, &slot, verb]() -> Result<std::vector<WireLook>> {
    // One that a reload has broken may need more.
    Status acted = center.Act(slot, verb);
    if (!acted && verb == ServiceVerb::kReload) acted = center.Act(slot, ServiceVerb::kRestart);
    if (!acted) return std::move(acted).error();
    return center.Prove(slot);
  };
  Result<std::vector<WireLook>> again =
      co_await RunOn(parts_.control_lane, std::move(job), kStepLimit);
  if (!again) {
    step.detail += "; with the former identity it failed too: " + again.error().detail;
    step.remedy = again.error().remedy;
    co_return false;
  }
  for (const WireLook& look : again.value()) step.proofs.push_back(ProofOf(config.name, look));
  std::string remedy;
  const std::string trouble = FirstTrouble(again.value(), remedy);
  if (!trouble.empty()) {
    step.detail += "; with the former identity it failed too: " + trouble;
    step.remedy = remedy;
    co_return false;
  }
  step.detail += again.value().empty() ? "; the former identity is back in place"
                                       : "; the former identity is back, and is served";
  const std::vector<OwedRecord> present = parts_.center.OwedOf(slot);
  std::ignore = parts_.center.Settle(slot, present);
  co_return true;
}

Status ChangePlan::Note(const std::string& operation, const std::vector<std::string>& services) {
  keystore::ApplyRecord record;
  record.services = services;
  record.operation = operation;
  keystore::Transaction transaction;
  transaction.Put(parts_.state.layout().Applying(), json::serialize(ToJson(record)));
  SIGNET_TRY(parts_.state.store().Commit(transaction, kStoreLimit));
  return Ok();
}

Status ChangePlan::Forget(const std::string&) {
  keystore::Transaction transaction;
  transaction.Delete(parts_.state.layout().Applying());
  SIGNET_TRY(parts_.state.store().Commit(transaction, kStoreLimit));
  return Ok();
}

boost::asio::awaitable<void> ChangePlan::GoOn() {
  const auto snapshot = parts_.state.Now();
  if (!snapshot->applying) co_return;
  const keystore::ApplyRecord left = *snapshot->applying;
  std::string names;
  for (const std::string& service : left.services) names += (names.empty() ? "" : ", ") + service;
  const std::string text =
      "operation " + left.operation + " was interrupted; what it had left goes on: " + names;
  Log(LogLevel::kWarning, text);
  tell_("proof", text, {{"operation", left.operation}, {"services", ToJson(left.services)}});
  Changes::Work work = [this](std::shared_ptr<keystore::Operation> operation)
      -> boost::asio::awaitable<Result<json::value>> {
    RequestContext own = OwnContext();
    api::ApplyRequest all;
    Result<api::ApplyAnswer> answer = co_await Apply(std::move(own), operation, std::move(all));
    if (!answer) co_return std::move(answer).error();
    co_return ToJson(answer.value());
  };
  RequestContext context = OwnContext();
  const std::string digest = Sha256Hex(left.operation);
  Result<json::value> done =
      co_await parts_.changes.Run(std::move(context), "service.apply", digest, std::move(work));
  if (!done) Log(LogLevel::kError, "the plan could not go on: " + done.error().ToString());
  // Nothing is owed any more, or what it says stays in force.
  if (parts_.center.Owing().empty()) std::ignore = Forget(left.operation);
}

}  // namespace signet::services
