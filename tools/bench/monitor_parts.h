// The four parts of bench_monitor, a file each.
#pragma once

#include "keystore/lsc_register.h"
#include "tools/bench/support.h"

namespace signet::tools::bench {

// How large; the defaults are those of the targets.
struct MonitorSizes {
  std::size_t questions = 1'000;  // certificates at a slow responder
  std::size_t lscs = 100'000;     // of a sweep, and in the daemon's register
  std::size_t chains = 10'000;    // of a recheck
};

// Certificates at a responder with 50 ms, against what 16 threads need at best.
void MeasureStatus(const Options& options, const MonitorSizes& sizes);
// A look of the monitor at LSCs of which none, one in a hundred and all are due.
void MeasureSweep(const Options& options, const MonitorSizes& sizes);
// Every certificate's chain judged anew, and whose status is to be asked for worked out anew.
void MeasureRecheck(const Options& options, const MonitorSizes& sizes);
// What others wait for a daemon while its monitor sweeps, again and again.
void MeasureLatency(const Options& options, const MonitorSizes& sizes);

// What the register writes down of the `i`th endpoint, `due` in a hundred of which end soon.
keystore::LscEntry SweepEntry(std::size_t i, std::size_t due, WallTime now);
// Registers `count` of them; how many seconds that took.
double FillRegister(keystore::LscRegister& lscs, std::size_t count, std::size_t due, WallTime now);

std::string ReadAll(const std::string& path);

}  // namespace signet::tools::bench
