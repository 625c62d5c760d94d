#include "services/control/plan_answer.h"

#include "platform/encoding.h"
#include "services/control/plan_rules.h"
#include "services/joined.h"

namespace signet::services {

namespace {

using keystore::OwedRecord;

std::string Action(const ControlledService& service) {
  if (service.driver == DriverKind::kUnmanaged) return "by hand";
  return std::string(ServiceVerbName(TakeUpVerb(service)));
}

Finding NothingOwed() {
  return {Severity::kInfo, "NOTHING_OWED", "every service has taken up what was changed", ""};
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

api::ApplyAnswer NothingToDo(const std::string& operation) {
  api::ApplyAnswer answer;
  answer.operation = operation;
  answer.ok = answer.proved = true;
  answer.findings = {NothingOwed()};
  return answer;
}

api::ApplyStep StepOf(const ControlledService& service, const std::vector<OwedRecord>& owed) {
  api::ApplyStep step;
  step.service = service.name;
  step.action = Action(service);
  for (const OwedRecord& record : owed) step.causes.push_back(record.cause);
  return step;
}

std::string AddSeen(const Result<TakenUp>& taken, api::ApplyStep& step) {
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

void Succeed(const std::vector<OwedRecord>& owed, const TakenUp& taken, api::ApplyStep& step) {
  const bool shown = ServedOf(owed, taken.looks).size() == owed.size();
  step.outcome = shown ? "proved" : "done";
  if (shown || taken.looks.empty()) return;
  std::vector<std::string> hidden;
  for (const OwedRecord& record : owed) {
    if (ServedOf({record}, taken.looks).empty()) hidden.push_back(record.cause);
  }
  step.detail = "its endpoints serve what they should; " + Joined(hidden) +
                " is nothing that a handshake with them shows";
}

void Keep(api::ApplyStep step, api::ApplyAnswer& answer) {
  answer.ok = answer.ok && IsFine(step);
  answer.proved = answer.proved && step.outcome == "proved";
  NoteTrouble(step, answer.findings);
  answer.steps.push_back(std::move(step));
}

void Conclude(std::vector<std::string> left, api::ApplyAnswer& answer) {
  if (!left.empty()) {
    answer.findings.push_back(
        {Severity::kWarning, "PLAN_STOPPED",
         "the daemon was asked to end; at its next start it goes on with " + Joined(left), ""});
  }
  if (!left.empty() || !answer.rolled_back.empty()) answer.ok = answer.proved = false;
  answer.left = std::move(left);
}

}  // namespace signet::services
