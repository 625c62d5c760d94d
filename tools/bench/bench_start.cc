// How soon an appliance that was made before serves, and what memory it holds when it idles.
#include <unistd.h>

#include <cstdio>

#include "tools/bench/support.h"

using namespace signet::tools::bench;  // a program's own main

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv, {.rounds = 10, .seconds = 5});
  const ScratchFolder scratch;
  { Daemon(scratch.Path("dev")).WaitUntilReady(); }
  PrintMachine();
  std::vector<double> starts;
  for (int round = 0; round < options.rounds; ++round)
    starts.push_back(Daemon(scratch.Path("dev")).start_seconds());
  const Daemon daemon(scratch.Path("dev"));
  sleep(static_cast<unsigned>(options.seconds));
  std::printf("start to ready line: %.3f s (median of %d; best %.3f, worst %.3f)\n", Median(starts),
              options.rounds, Quantile(starts, 0), Quantile(starts, 1));
  std::printf("resident when idle for %.0f s: %.1f MB (of these %.1f anonymous)\n", options.seconds,
              Memory(daemon.pid(), "VmRSS:"), Memory(daemon.pid(), "RssAnon:"));
}
