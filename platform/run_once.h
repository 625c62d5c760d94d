// Runs a program to its end and hands back what it wrote: for tools of other makers that are asked
// something. signet-run starts it, as it starts services (supervisor.h), so it gets nothing of
// signetd, reads nothing, and ends with signetd.
#pragma once

#include <cstddef>
#include <string>

#include "platform/command_run.h"

namespace signet {

struct RunOutput {
  // Standard output and error of all that it started, in one, raw.
  std::string output;
  std::string ended;  // empty: it exited with 0; else "exited with 3", "killed by SIGSEGV"
};

// Blocks until the program and all that it started have ended; what it leaves behind is ended.
// Thread-safe. `most`: octets of output. Errors: those of Supervisor::Start, kTimeout COMMAND_SLOW
// after `limit` and kRefused OUTPUT_TOO_LARGE; then all that it started is ended first, which takes
// a second more where it ignores SIGTERM.
Result<RunOutput> RunOnce(const std::string& helper_path, const ProcessSpec& spec, Duration limit,
                          std::size_t most);

}  // namespace signet
