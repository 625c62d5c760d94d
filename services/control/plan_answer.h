// What a plan says of itself: its steps before, what came of them after. Pure but for the center's
// own records.
#pragma once

#include <string>
#include <vector>

#include "services/control/control_center.h"
#include "services/control/plan_step.h"
#include "services/control_api.h"

namespace signet::services {

// Of what these services owe. The hash is empty when they owe nothing.
api::ServicePlan PlanOf(const ControlCenter& center, const std::string& node,
                        const std::vector<ControlCenter::Slot*>& slots);
api::ApplyAnswer NothingToDo(const std::string& operation);

// A step that nothing is known of yet.
api::ApplyStep StepOf(const ControlledService& service,
                      const std::vector<keystore::OwedRecord>& owed);
// Adds what was seen to the step; what is wrong with it, in a sentence, empty when nothing is.
std::string AddSeen(const Result<TakenUp>& taken, api::ApplyStep& step);
// Of a step that went well: "proved" where handshakes show all that was owed, else "done".
void Succeed(const std::vector<keystore::OwedRecord>& owed, const TakenUp& taken,
             api::ApplyStep& step);
// Adds a step that is over to the answer, with its findings.
void Keep(api::ApplyStep step, api::ApplyAnswer& answer);
// Brings the answer to its end: what was put back, and what is left.
void Conclude(std::vector<std::string> left, api::ApplyAnswer& answer);

}  // namespace signet::services
