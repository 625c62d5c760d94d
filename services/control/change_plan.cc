#include "services/control/change_plan.h"

#include <algorithm>

#include "keystore/x509/certificate.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/logging.h"
#include "services/control/plan_answer.h"
#include "services/control/plan_rules.h"
#include "services/control/plan_step.h"

namespace signet::services {

namespace {

using keystore::OwedRecord;

constexpr Duration kProbeLimit = std::chrono::seconds(10);
constexpr Duration kChangeLimit = std::chrono::minutes(2);
constexpr Duration kStepLimit = std::chrono::hours(24);  // services have limits of their own

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
  const Turn turn(*this, operation->id);
  if (!turn.taken()) co_return turn.Refusal();
  const std::vector<ControlCenter::Slot*> slots = parts_.center.Owing();
  Course course;
  course.hash = PlanOf(parts_.center, parts_.names.node, slots).hash;
  if (request.plan && *request.plan != course.hash) {
    co_return MakeError(Kind::kConflict, "PLAN_STALE",
                        "this is not the plan " + EscapeLine(*request.plan, 16) +
                            "… any more: other restarts are owed now",
                        "Look at the present plan (signet service plan) and apply that one.");
  }
  for (const ControlCenter::Slot* slot : slots)
    course.left.push_back(ControlCenter::ConfigOf(*slot).name);
  co_return co_await Carry(operation, course);
}

void ChangePlan::AddOwing(Course& course, const std::string& except) const {
  for (const ControlCenter::Slot* slot : parts_.center.Owing()) {
    const std::string& name = ControlCenter::ConfigOf(*slot).name;
    const bool known = std::find(course.left.begin(), course.left.end(), name) != course.left.end();
    if (!known && name != except) course.left.push_back(name);
  }
}

boost::asio::awaitable<api::ApplyAnswer> ChangePlan::Carry(
    std::shared_ptr<keystore::Operation> operation, Course& course) {
  course.operation = operation->id;
  if (course.left.empty() && course.answer.rolled_back.empty()) {
    operation->detail = "nothing is owed";
    co_await Forget();
    co_return NothingToDo(operation->id);
  }
  co_await Steps(course);
  for (const api::ApplyStep& step : course.answer.steps)
    operation->detail +=
        (operation->detail.empty() ? "" : ", ") + step.service + " " + step.outcome;
  if (!course.left.empty()) operation->detail += "; stopped before " + course.left.front();
  co_return course.answer;
}

boost::asio::awaitable<void> ChangePlan::Steps(Course& course) {
  const WallTime begun = parts_.clock.Now();
  api::ApplyAnswer& answer = course.answer;
  answer.changed = answer.ok = answer.proved = true;
  answer.operation = course.operation;
  while (!course.left.empty() && !stopping_) {
    const std::string name = course.left.front();
    co_await Note(course, {});
    Failpoint("apply.noted");
    {
      const std::lock_guard lock(mutex_);
      doing_ = name + " (" + std::to_string(answer.steps.size() + 1) + " of " +
               std::to_string(answer.steps.size() + course.left.size()) + ")";
    }
    const std::size_t put_back = answer.rolled_back.size();
    std::optional<api::ApplyStep> step = co_await Do(*parts_.center.Find(name), course);
    if (!step) break;
    tell_("proof", name + ": " + step->outcome + (step->detail.empty() ? "" : ", ") + step->detail,
          {{"operation", course.operation}, {"step", ToJson(*step)}});
    Keep(std::move(*step), answer);
    course.left.erase(course.left.begin());
    // What others had taken up of it, or come to owe by it. This one has it already, or cannot.
    if (answer.rolled_back.size() > put_back) AddOwing(course, name);
    Failpoint("apply.step-done");
  }
  Conclude(course.left, answer);
  // A copy: a token that hangs may keep the job beyond this wait.
  auto sign = [&receipts = parts_.receipts, operation = course.operation, hash = course.hash, begun,
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
  if (course.left.empty()) co_await Forget();
}

// Nothing when the daemon was asked to end before the step came to its end.
boost::asio::awaitable<std::optional<api::ApplyStep>> ChangePlan::Do(ControlCenter::Slot& slot,
                                                                     Course& course) {
  const std::vector<OwedRecord> owed = parts_.center.OwedOf(slot);
  auto job = [&center = parts_.center, &slot, owed] { return TakeUpCurrent(center, slot, owed); };
  api::ApplyStep step = StepOf(ControlCenter::ConfigOf(slot), owed);
  Result<TakenUp> taken = co_await RunOn(parts_.control_lane, std::move(job), kStepLimit);
  const std::string trouble = AddSeen(taken, step);
  if (taken && !taken.value().skipped.empty()) {
    step.outcome = "skipped";
    step.detail = taken.value().skipped;
    co_return step;
  }
  if (trouble.empty()) {
    Succeed(owed, taken.value(), step);
    co_return step;
  }
  if (stopping_) co_return std::nullopt;
  step.outcome = "failed";
  step.detail = trouble;
  if (!taken) co_return step;
  step.output = taken.value().lines;
  std::vector<OwedRecord> asked;
  for (const OwedRecord& record : owed) {
    if (taken.value().worsened.contains(record.cause)) asked.push_back(record);
  }
  const bool back = co_await PutBack(slot, course, asked, step);
  if (back) step.outcome = "rolled back";
  co_return step;
}

// The former identities of what changed become current again, and are proved as the new ones were.
boost::asio::awaitable<bool> ChangePlan::PutBack(ControlCenter::Slot& slot, Course& course,
                                                 std::vector<OwedRecord> asked,
                                                 api::ApplyStep& step) {
  const auto snapshot = parts_.state.Now();
  std::erase_if(asked, [&](const OwedRecord& record) { return !CanGoBack(*snapshot, record); });
  if (asked.empty()) {
    step.detail += "; nothing is put back, for no former identity would be served in its place";
    co_return false;
  }
  // What is known of the token may be older than what went wrong.
  auto probe = [&token = parts_.token] { return token.Probe(); };
  std::ignore = co_await RunOn(parts_.control_lane, std::move(probe), kProbeLimit);
  if (parts_.token.Info().state != hsm::TokenState::kOperational) {
    step.detail += "; nothing is put back, for without the token no identity can be served";
    step.remedy = "Bring the token back ('signet token status'), then 'signet service apply'.";
    co_return false;
  }
  std::vector<std::string> going;
  for (const OwedRecord& record : asked) going.push_back(record.cause);
  co_await Note(course, going);
  std::size_t put_back = 0;
  for (const OwedRecord& record : asked) {
    const Status back = co_await GoBack(course.operation, record);
    if (back) {
      ++put_back;
      course.answer.rolled_back.push_back(record.cause);
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
  const std::string trouble = AddSeen(again, step);
  if (!trouble.empty()) {
    step.detail += "; with the former identity it failed too: " + trouble;
    co_return false;
  }
  step.detail += was_looked_at ? "; the former identity is back, and is served"
                               : "; the former identity is back in place";
  co_return put_back == asked.size();
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
  RequestContext context = SystemContext("service.apply", kChangeLimit);
  const std::string digest = Sha256Hex(operation + record.cause);
  Result<json::value> back = co_await parts_.changes.Run(std::move(context), "certificate.rollback",
                                                         digest, std::move(work));
  if (!back) co_return std::move(back).error();
  co_return Ok();
}

// What a crash leaves of the plan; `going`: purposes that are about to be put back. That it cannot
// be written is no reason to leave the plan half done.
boost::asio::awaitable<void> ChangePlan::Note(Course& course, std::vector<std::string> going) {
  keystore::ApplyRecord record;
  record.operation = course.operation;
  record.services = course.left;
  record.rolled_back = course.answer.rolled_back;
  record.rolled_back.insert(record.rolled_back.end(), going.begin(), going.end());
  auto write = [&state = parts_.state, record] { return keystore::Owed(state).Note(record); };
  const Status written = co_await RunOn(parts_.control_lane, std::move(write), kChangeLimit);
  if (!written)
    course.answer.findings.push_back(
        {Severity::kWarning, "PLAN_NOT_NOTED", written.error().detail, ""});
}

boost::asio::awaitable<void> ChangePlan::Forget() {
  auto write = [&state = parts_.state] { return keystore::Owed(state).Forget(); };
  const Status written = co_await RunOn(parts_.control_lane, std::move(write), kChangeLimit);
  if (!written)
    Log(LogLevel::kError, "the end of a plan was not noted: " + written.error().ToString());
}

// What is left of it, among what is still owed. Once something was put back, all that owes owes it
// to that as well.
ChangePlan::Course ChangePlan::Remainder(const keystore::ApplyRecord& left) const {
  Course course;
  const auto snapshot = parts_.state.Now();
  for (const std::string& purpose : left.rolled_back) {
    const auto row = snapshot->identities.find(purpose);
    const bool is_back = row != snapshot->identities.end() && row->second.value.current &&
                         row->second.value.current->restored;
    if (is_back) course.answer.rolled_back.push_back(purpose);
  }
  AddOwing(course, "");
  if (course.answer.rolled_back.empty()) {
    std::erase_if(course.left, [&](const std::string& name) {
      return std::find(left.services.begin(), left.services.end(), name) == left.services.end();
    });
  }
  std::vector<ControlCenter::Slot*> slots;
  for (const std::string& name : course.left) slots.push_back(parts_.center.Find(name));
  course.hash = PlanOf(parts_.center, parts_.names.node, slots).hash;
  return course;
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
    const Turn turn(*this, operation->id);
    if (!turn.taken()) co_return turn.Refusal();
    Course course = Remainder(left);
    const api::ApplyAnswer answer = co_await Carry(operation, course);
    co_return ToJson(answer);
  };
  RequestContext context = SystemContext("service.apply", kChangeLimit);
  const std::string digest = Sha256Hex(left.operation);
  Result<json::value> done =
      co_await parts_.changes.Run(std::move(context), "service.apply", digest, std::move(work));
  if (!done) Log(LogLevel::kError, "the plan could not go on: " + done.error().ToString());
}

}  // namespace signet::services
