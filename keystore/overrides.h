// Findings that an administrator may override by name (SPEC K2): who does so says why.
#pragma once

#include <string>
#include <vector>

#include "keystore/plan.h"

namespace signet::keystore {

struct Overrides {
  std::vector<std::string> words;  // ids of findings
  std::string reason;
};

// Turns the errors that are named into warnings that tell the reason, and adds a step for each, so
// that the plan and the audit show it. kUsage FORCE_WITHOUT_REASON; kRefused FORCE_NOT_POSSIBLE
// (this finding protects the invariant, or nobody could use the result), FORCE_UNFOUNDED (there is
// no such error).
Status Override(const Overrides& overrides, Plan& plan);

}  // namespace signet::keystore
