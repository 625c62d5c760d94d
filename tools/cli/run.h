// The CLI as a whole: parse, ask, call, show.
#pragma once

namespace signet::tools {

// The exit code, 0 to 7 (INTERFACE: CLI).
int RunCli(int argc, const char* const* argv);

}  // namespace signet::tools
