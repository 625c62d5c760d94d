// `signet revocation check-responses --cases FILE`: judges OCSP responses that other projects made.
// Needs no daemon.
#pragma once

#include "platform/error.h"
#include "tools/cli/parser.h"

namespace signet::tools {

// Prints {"id","status":"good|revoked|unknown","word"} for each row of the kind `ocsp`, and
// {"id","verdict":"accept|reject","word"} for each of the kind `ocsp_sig` (INTERFACE: CLI). The
// row's members are those of the conformance suites (tools/README.md). The exit code as JudgeCases
// says.
Result<int> CheckResponseCases(const Invocation& invocation);

}  // namespace signet::tools
