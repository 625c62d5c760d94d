// Time, injectable: wall clock for dates, steady clock for durations, and timers that a test can
// drive.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "platform/error.h"

namespace signet {

using WallTime = std::chrono::sys_seconds;  // UTC, whole seconds
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// Dies: the callback will not start any more (one that runs is waited for, unless it is the caller
// itself).
class Timer {
 public:
  virtual ~Timer() = default;
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Now() const = 0;
  virtual SteadyTime Steady() const = 0;
  // Calls `callback` once, on the clock's own thread (or in the test's Advance), when `delay` of
  // steady time is over.
  virtual std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) = 0;
};

// The machine's clock, with one timer thread that starts with the first timer.
std::unique_ptr<Clock> MakeSystemClock();

// RFC 3339 in UTC with second resolution, "2026-11-22T20:13:39Z"; years 0000 to 9999.
std::string FormatTime(WallTime time);
// Parses exactly that form (a fraction of a second is accepted and dropped, offsets are applied).
// Kind kUsage.
Result<WallTime> ParseTime(std::string_view text);

}  // namespace signet
