// Guards the PIN against guessing: not every token does (SoftHSM takes any number of wrong PINs).
#pragma once

#include <cstdint>

#include "hsm/token_owner.h"
#include "platform/clock.h"
#include "platform/error.h"

namespace signet::hsm {

// After n wrong PINs in a row the next one waits min(2^(n-1), 900) seconds of wall-clock time, so
// that a restart does not shorten it; a clock that steps back cannot lengthen it beyond that. Not
// thread-safe: its owner serialises logins.
class PinThrottle {
 public:
  static Result<PinThrottle> Load(ThrottleStore& store, Clock& clock);

  std::uint64_t failures() const { return entry_.failures; }
  // Seconds until another PIN may be tried; 0 now.
  std::int64_t Wait() const;
  // kTokenLocked PIN_THROTTLED while Wait() is not 0.
  Status Check() const;
  // Durable when they return. Counted in memory even when storing fails.
  Status Failed();
  Status Succeeded();

 private:
  PinThrottle(ThrottleStore& store, Clock& clock, ThrottleStore::Entry entry)
      : store_(&store), clock_(&clock), entry_(entry) {}

  ThrottleStore* store_;
  Clock* clock_;
  ThrottleStore::Entry entry_;
};

}  // namespace signet::hsm
