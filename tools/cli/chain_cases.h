// `signet chain check --cases FILE`: judges chains that other projects made, with the rules of an
// upload. Needs no daemon.
#pragma once

#include "platform/error.h"
#include "tools/cli/parser.h"

namespace signet::tools {

// Prints {"id","verdict":"accept|reject","findings":[…]} for each row (INTERFACE: CLI). The row's
// members are those of the conformance suites (tools/README.md). The exit code as JudgeCases says.
Result<int> CheckChainCases(const Invocation& invocation);

}  // namespace signet::tools
