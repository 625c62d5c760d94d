// What the monitor costs: status of many certificates at a slow responder, sweeps over certificates
// of endpoints, a recheck of all chains, and what others wait meanwhile. `--small` is for a first
// try: its figures mean nothing.
#include <cstring>

#include "tools/bench/monitor_parts.h"

using namespace signet::tools::bench;  // a program's own main

int main(int argc, char** argv) {
  MonitorSizes sizes;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    if (std::strcmp(argv[i], "--small") == 0) {
      sizes = {.questions = 100, .lscs = 5'000, .chains = 500};
    } else {
      rest.push_back(argv[i]);
    }
  }
  const Options options = ReadOptions(static_cast<int>(rest.size()), rest.data(), {.rounds = 5});
  PrintMachine();
  // The sweep first: its memory is that of this process.
  MeasureSweep(options, sizes);
  MeasureStatus(options, sizes);
  MeasureRecheck(options, sizes);
  MeasureLatency(options, sizes);
  return 0;
}
