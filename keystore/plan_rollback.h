// Plans about former certificates: going back to one (SPEC B4), and its end.
#pragma once

#include "keystore/overrides.h"

namespace signet::keystore {

struct RollbackPlan : Plan {
  const Purpose* purpose = nullptr;
};

// What is current and what is kept change places; the same again goes forward. kRefused
// NOTHING_TO_ROLL_BACK; with findings: ROLLBACK_EXPIRED, and what became of the former chain.
Result<RollbackPlan> PlanRollback(const PlanInput& in, const std::string& purpose,
                                  const Overrides& overrides);

// Until when a former certificate is kept; none when there is none.
std::optional<WallTime> RollbackUntil(const PlanInput& in, const std::string& purpose);

struct RetirePlan : Plan {
  std::vector<std::string> purposes;  // whose former certificate's time is over
};
RetirePlan PlanRetire(const PlanInput& in);

}  // namespace signet::keystore
