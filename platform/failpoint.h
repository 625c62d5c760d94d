// Named places where a test makes the process die, to prove recovery. Compiled in by
// SIGNET_FAILPOINTS only.
#pragma once

namespace signet {
#ifdef SIGNET_FAILPOINTS
// Kills the process (SIGKILL) when the environment variable SIGNET_FAILPOINT is "<name>" or
// "<name>:<n>" and this is the n-th time (default 1) that the name is passed. With
// SIGNET_FAILPOINT_LOG=<file> each name passed is appended to that file (one line), so that a test
// can discover the steps of an operation.
void Failpoint(const char* name);
#else
inline void Failpoint(const char*) {}
#endif
}  // namespace signet
