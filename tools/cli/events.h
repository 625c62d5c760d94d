// `signet events`: what happened, and what happens.
#pragma once

#include "platform/error.h"
#include "tools/cli/parser.h"

namespace signet::tools {

// Prints; the exit code. With --follow it ends by a signal, or by an error: the daemon refuses, or
// was away for half a minute (kUnreachable); a restart is survived, and nothing is lost by it.
Result<int> ShowEvents(const Invocation& invocation);

}  // namespace signet::tools
