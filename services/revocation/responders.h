// Which servers failed and are left alone for a while. Places are "host:port" of responders, and
// URLs of lists. Durations are of the steady clock, so that setting the wall clock neither ends nor
// prolongs them.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"
#include "services/revocation/status_api.h"

namespace signet::services {

// Thread-safe.
class Responders {
 public:
  // One exchange. Of those that were under way together, one failure counts.
  struct Turn {
    std::string place;
    std::uint64_t generation = 0;
  };

  explicit Responders(const Clock& clock) : clock_(clock) {}

  // kUnavailable RESPONDER_BACKS_OFF: not now; the detail says when, and what failed.
  Result<Turn> Begin(const std::string& place) const;
  void Succeeded(const Turn& turn);
  void Failed(const Turn& turn, const std::string& failure,
              std::optional<std::chrono::seconds> retry_after);
  // All are asked again at once: a person who mended something wants to know.
  void Forget();
  // Now, where it does not back off.
  WallTime NextTry(const std::string& place) const;
  std::vector<StatusFigures::BackingOff> BackingOff() const;

 private:
  struct Sick {
    std::uint64_t generation = 0;
    std::int64_t failures = 0;
    SteadyTime next_try{};
    std::string failure;
  };
  WallTime WallOf(SteadyTime time) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Sick> sick_;  // a success erases
  std::uint64_t generations_ = 0;
};

// What is waited after so many failures: a minute, doubled to an hour, a tenth more or less.
std::chrono::seconds WaitAfter(std::int64_t failures);

}  // namespace signet::services
