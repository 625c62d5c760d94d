#include "services/control/change_plan.h"

#include <algorithm>
#include <set>

#include "keystore/x509/certificate.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/logging.h"
#include "services/control/plan_rules.h"
#include "services/control/plan_step.h"

namespace signet::services {

namespace {

using keystore::OwedRecord;

constexpr Duration kStoreLimit = std::chrono::seconds(10);
constexpr Duration kProbeLimit = std::chrono::seconds(10);
constexpr Duration kChangeLimit = std::chrono::minutes(2);
constexpr Duration kStepLimit = std::chrono::hours(3);  // services have limits of their own

std::string Action(const ControlledService& service) {
  if (service.driver == DriverKind::kUnmanaged) return "by hand";
  return std::string(ServiceVerbName(TakeUpVerb(service)));
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

// Adds what was seen to the step; what is wrong with it, empty when nothing is.
std::string Describe(const Result<TakenUp>& taken, api::ApplyStep& step) {
  if (!taken) {
    step.remedy = taken.error().remedy;
    return taken.error().detail;
  }
  for (const WireLook& look : taken.value().looks)
    step.proofs.push_back(ProofOf(step.service, look));
  if (taken.value().error) {
    step.remedy = taken.value().error->remedy;
    return taken.value().error->detail;
  }
  return FirstTrouble(taken.value().looks, step.remedy);
}

bool IsFine(const api::ApplyStep& step) {
  return step.outcome == "proved" || step.outcome == "done" || step.outcome == "skipped";
}

void NoteTrouble(const api::ApplyStep& step, Findings& findings) {
  if (step.outcome == "skipped") {
    findings.push_back({Severity::kWarning, "STEP_SKIPPED", step.service + ": " + step.detail, ""});
  }
  if (IsFine(step)) return;
  std::string text = step.service + " " + step.outcome + ": " + step.detail;
  if (!step.remedy.empty()) text += ". " + step.remedy;
  if (!step.output.empty() && text.find(step.output.back()) == std::string::npos)
    text += " Its last line: " + step.output.back();
  findings.push_back({Severity::kError, step.outcome == "failed" ? "STEP_FAILED" : "ROLLED_BACK",
                      EscapeLine(text, 2048), ""});
}

}  // namespace

std::string ChangePlan::Progress() const {
  const std::lock_guard lock(mutex_);
  if (running_.empty()) return {};
  return (doing_.empty() ? "" : doing_ + ", ") + "operation " + running_;
}

api::ServicePlan ChangePlan::Show() const {
  api::ServicePlan plan = PlanOf(parts_.center, parts_.names.node, parts_.center.Owing());
  if (const std::string progress = Progress(); !progress.empty()) {
    plan.findings.push_back(
        {Severity::kInfo, "APPLY_IN_PROGRESS", "a plan is being carried out: " + progress, ""});
  }
  return plan;
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
  co_return co_await ApplyThese(operation, slots, hash, {});
}

boost::asio::awaitable<Result<api::ApplyAnswer>> ChangePlan::ApplyThese(
    std::shared_ptr<keystore::Operation> operation, std::vector<ControlCenter::Slot*> slots,
    std::string hash, std::vector<std::string> rolled_back) {
  if (slots.empty()) {
    operation->detail = "nothing is owed";
    co_await Forget();
    api::ApplyAnswer nothing;
    nothing.operation = operation->id;
    nothing.ok = nothing.proved = true;
    nothing.findings = {NothingOwed()};
    co_return nothing;
  }
  const Turn turn(*this, operation->id);
  if (!turn.taken()) {
    co_return MakeError(Kind::kConflict, "APPLY_IN_PROGRESS",
                        "operation " + turn.other() + " carries out a plan already",
                        "Wait for it ('signet events'), then look at 'signet service plan'.");
  }
  api::ApplyAnswer answer = co_await Steps(slots, operation->id, hash, rolled_back);
  for (const api::ApplyStep& step : answer.steps)
    operation->detail +=
        (operation->detail.empty() ? "" : ", ") + step.service + " " + step.outcome;
  co_return answer;
}

boost::asio::awaitable<api::ApplyAnswer> ChangePlan::Steps(std::vector<ControlCenter::Slot*> slots,
                                                           std::string operation, std::string hash,
                                                           std::vector<std::string> rolled_back) {
  const WallTime begun = parts_.clock.Now();
  std::vector<std::string> left;
  for (const ControlCenter::Slot* slot : slots) left.push_back(ControlCenter::ConfigOf(*slot).name);
  api::ApplyAnswer answer;
  answer.changed = true;
  answer.operation = operation;
  answer.rolled_back = std::move(rolled_back);
  answer.ok = answer.proved = answer.rolled_back.empty();
  const auto keep = [&answer, this](api::ApplyStep step) {
    answer.ok = answer.ok && IsFine(step);
    answer.proved = answer.proved && step.outcome == "proved";
    tell_("proof",
          step.service + ": " + step.outcome + (step.detail.empty() ? "" : ", ") + step.detail,
          {{"operation", answer.operation}, {"step", ToJson(step)}});
    NoteTrouble(step, answer.findings);
    answer.steps.push_back(std::move(step));
  };
  for (ControlCenter::Slot* slot : slots) {
    if (stopping_) break;  // what is left goes on at the next start
    co_await Note(operation, left, answer);
    Failpoint("apply.noted");
    {
      const std::lock_guard lock(mutex_);
      doing_ = left.front() + " (" + std::to_string(slots.size() - left.size() + 1) + " of " +
               std::to_string(slots.size()) + ")";
    }
    api::ApplyStep step = co_await Do(*slot, operation, answer);
    keep(std::move(step));
    left.erase(left.begin());
    Failpoint("apply.step-done");
  }
  // What a rollback asked of services that had been done, or come later: once more, with the former
  // identity. The one that failed has it already.
  if (!answer.rolled_back.empty() && !stopping_) {
    for (ControlCenter::Slot* slot : parts_.center.Owing()) {
      const std::string& name = ControlCenter::ConfigOf(*slot).name;
      const bool failed =
          std::any_of(answer.steps.begin(), answer.steps.end(), [&](const api::ApplyStep& step) {
            return step.service == name && step.outcome == "failed";
          });
      if (failed) continue;
      api::ApplyStep step = co_await Do(*slot, operation, answer);
      keep(std::move(step));
    }
    answer.ok = answer.proved = false;
  }
  // A copy: a token that hangs may keep the job beyond this wait.
  auto sign = [&receipts = parts_.receipts, operation, hash, begun,
               copy = answer]() -> Result<std::string> {
    return receipts.Sign(operation, hash, begun, copy);
  };
  Result<std::string> receipt = co_await RunOn(parts_.change_lane, std::move(sign), kChangeLimit);
  if (receipt) {
    answer.receipt = receipt.value();
  } else {
    answer.proved = false;
    answer.findings.push_back(
        {Severity::kError, "RECEIPT_NOT_SIGNED",
         "there is no receipt of this: " + receipt.error().detail + ". " + receipt.error().remedy,
         ""});
  }
  if (!stopping_) co_await Forget();
  co_return answer;
}

boost::asio::awaitable<api::ApplyStep> ChangePlan::Do(ControlCenter::Slot& slot,
                                                      std::string operation,
                                                      api::ApplyAnswer& answer) {
  const std::vector<OwedRecord> owed = parts_.center.OwedOf(slot);
  auto job = [&center = parts_.center, &slot, owed] { return TakeUpCurrent(center, slot, owed); };
  api::ApplyStep step;
  step.service = ControlCenter::ConfigOf(slot).name;
  step.action = Action(ControlCenter::ConfigOf(slot));
  Result<TakenUp> taken = co_await RunOn(parts_.control_lane, std::move(job), kStepLimit);
  const std::string trouble = Describe(taken, step);
  if (taken && !taken.value().skipped.empty()) {
    step.outcome = "skipped";
    step.detail = taken.value().skipped;
    co_return step;
  }
  if (trouble.empty()) {
    step.outcome = step.proofs.empty() ? "done" : "proved";
    co_return step;
  }
  step.outcome = "failed";
  step.detail = trouble;
  if (!taken) co_return step;
  step.output = taken.value().lines;
  std::vector<OwedRecord> asked;
  for (const OwedRecord& record : owed) {
    if (taken.value().worsened.contains(record.cause)) asked.push_back(record);
  }
  const bool back = co_await PutBack(slot, operation, asked, step, answer);
  if (back) step.outcome = "rolled back";
  co_return step;
}

// The former identities of what changed become current again, and are proved as the new ones were.
boost::asio::awaitable<bool> ChangePlan::PutBack(ControlCenter::Slot& slot, std::string operation,
                                                 const std::vector<OwedRecord>& owed,
                                                 api::ApplyStep& step, api::ApplyAnswer& answer) {
  // What is known of it may be older than what went wrong.
  auto probe = [&token = parts_.token] { return token.Probe(); };
  std::ignore = co_await RunOn(parts_.control_lane, std::move(probe), kProbeLimit);
  if (parts_.token.Info().state != hsm::TokenState::kOperational) {
    step.detail += "; nothing is put back, for without the token no identity can be served";
    step.remedy = "Bring the token back ('signet token status'), then 'signet service apply'.";
    co_return false;
  }
  std::vector<OwedRecord> wanted;
  const auto snapshot = parts_.state.Now();
  for (const OwedRecord& record : owed) {
    if (CanGoBack(*snapshot, record)) wanted.push_back(record);
  }
  if (wanted.empty()) {
    step.detail += "; nothing is put back, for no former identity would be served in its place";
    co_return false;
  }
  std::size_t put_back = 0;
  for (const OwedRecord& record : wanted) {
    const Status back = co_await GoBack(operation, record);
    if (back) {
      ++put_back;
      answer.rolled_back.push_back(record.cause);
      continue;
    }
    step.detail += "; the former identity of " + record.cause +
                   " could not be put back: " + back.error().detail;
    step.remedy = back.error().remedy;
  }
  if (put_back == 0) co_return false;
  Failpoint("apply.rolled-back");
  auto job = [&center = parts_.center, &slot] { return TakeUpFormer(center, slot); };
  const Result<TakenUp> again = co_await RunOn(parts_.control_lane, std::move(job), kStepLimit);
  const bool was_looked_at = again && !again.value().looks.empty();
  const std::string trouble = Describe(again, step);
  if (!trouble.empty()) {
    step.detail += "; with the former identity it failed too: " + trouble;
    co_return false;
  }
  step.detail += was_looked_at ? "; the former identity is back, and is served"
                               : "; the former identity is back in place";
  co_return put_back == wanted.size();
}

// A rollback like an administrator's. What somebody changed in the meantime stands.
boost::asio::awaitable<Status> ChangePlan::GoBack(std::string operation, OwedRecord record) {
  Changes::Work work =
      [this, record](
          std::shared_ptr<keystore::Operation> own) -> boost::asio::awaitable<Result<json::value>> {
    // On the lane of all changes of identities: nothing comes between the look and the deed.
    auto job = [&parts = parts_, own, record]() -> Result<keystore::ChangeResult> {
      if (!CanGoBack(*parts.state.Now(), record)) {
        return MakeError(Kind::kConflict, "CHANGED_MEANWHILE",
                         record.cause + " was changed again while the plan was carried out",
                         "Look at 'signet certificate list', then at 'signet service plan'.");
      }
      return parts.identities.Rollback(*own, record.cause, keystore::Overrides(), std::nullopt);
    };
    Result<keystore::ChangeResult> back =
        co_await RunOn(parts_.change_lane, std::move(job), kChangeLimit);
    if (!back) co_return std::move(back).error();
    co_return ToJson(back.value());
  };
  RequestContext context = OwnContext();
  const std::string digest = Sha256Hex(operation + record.cause);
  Result<json::value> back = co_await parts_.changes.Run(std::move(context), "certificate.rollback",
                                                         digest, std::move(work));
  if (!back) co_return std::move(back).error();
  co_return Ok();
}

// What a crash leaves of the plan. That it cannot be written is no reason to leave it half done.
boost::asio::awaitable<void> ChangePlan::Note(std::string operation,
                                              std::vector<std::string> services,
                                              api::ApplyAnswer& answer) {
  keystore::ApplyRecord record;
  record.services = std::move(services);
  record.operation = std::move(operation);
  record.rolled_back = answer.rolled_back;
  auto write = [&state = parts_.state, text = json::serialize(ToJson(record))]() -> Status {
    keystore::Transaction transaction;
    transaction.Put(state.layout().Applying(), text);
    SIGNET_TRY(state.store().Commit(transaction, kStoreLimit));
    return Ok();
  };
  const Status written = co_await RunOn(parts_.control_lane, std::move(write), kChangeLimit);
  if (!written)
    answer.findings.push_back({Severity::kWarning, "PLAN_NOT_NOTED", written.error().detail, ""});
}

boost::asio::awaitable<void> ChangePlan::Forget() {
  if (!parts_.state.Now()->applying) co_return;
  auto write = [&state = parts_.state]() -> Status {
    keystore::Transaction transaction;
    transaction.Delete(state.layout().Applying());
    SIGNET_TRY(state.store().Commit(transaction, kStoreLimit));
    return Ok();
  };
  const Status written = co_await RunOn(parts_.control_lane, std::move(write), kChangeLimit);
  if (!written)
    Log(LogLevel::kError, "the end of a plan was not noted: " + written.error().ToString());
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
  Changes::Work work = [this, left](std::shared_ptr<keystore::Operation> operation)
      -> boost::asio::awaitable<Result<json::value>> {
    std::vector<ControlCenter::Slot*> slots = parts_.center.Owing();
    std::erase_if(slots, [&](const ControlCenter::Slot* slot) {
      return std::find(left.services.begin(), left.services.end(),
                       ControlCenter::ConfigOf(*slot).name) == left.services.end();
    });
    const std::string hash = PlanOf(parts_.center, parts_.names.node, slots).hash;
    Result<api::ApplyAnswer> answer = co_await ApplyThese(operation, slots, hash, left.rolled_back);
    if (!answer) co_return std::move(answer).error();
    co_return ToJson(answer.value());
  };
  RequestContext context = OwnContext();
  const std::string digest = Sha256Hex(left.operation);
  Result<json::value> done =
      co_await parts_.changes.Run(std::move(context), "service.apply", digest, std::move(work));
  if (!done) Log(LogLevel::kError, "the plan could not go on: " + done.error().ToString());
}

}  // namespace signet::services
