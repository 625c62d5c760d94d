// "Cisco Certificate Expiry Monitor" (SPEC M2): a service inside the daemon that looks at every
// certificate by the schedule of expiry_schedule.h. A start of the daemon is a start of the
// service.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "keystore/node.h"
#include "platform/clock.h"
#include "platform/lanes.h"
#include "services/events.h"
#include "services/monitor/expiry_look.h"
#include "services/monitor/expiry_schedule.h"

namespace signet::keystore {
class NodeLog;
class State;
}  // namespace signet::keystore

namespace signet::services {

inline constexpr std::string_view kExpiryMonitorName = "Cisco Certificate Expiry Monitor";

// Thread-safe. Looks on the store lane; timers are the clock's, so a test drives it. Refers to the
// parts, which outlive it; Stop before the lane goes away.
class ExpiryMonitor {
 public:
  struct Parts {
    const keystore::Catalogue& catalogue;
    const keystore::NodeNames& names;
    keystore::NodeLog& log;  // last and next run survive in it
    keystore::State& state;
    Events& events;
    Clock& clock;
    Lane& lane;
    // For how many days before its end a certificate is warned of.
    std::function<std::chrono::days()> start;
    // Hears of each run, on the lane; in words for people, what came of it. Empty: nobody does.
    std::function<std::string(const ExpiryLook& look, WallTime now)> ran = {};
    // What else there is to look at, asked for each look. Empty: nothing.
    std::function<OtherPlaces(WallTime now)> others = {};
  };
  // Reads what a former process left. Not started yet.
  explicit ExpiryMonitor(Parts parts);
  ~ExpiryMonitor();

  void Start();    // nothing when it runs
  void Stop();     // nothing runs from now on; said by the status until the next start
  void Restart();  // the next run is 24 h after now, or as the schedule says

  struct RunReport {
    ExpiryLook look;
    std::string came;  // what `ran` said
    WallTime next_run{};
  };
  // A run at once, from a job of the lane; the schedule counts from it. kConflict MONITOR_STOPPED.
  Result<RunReport> RunNow();

  struct Status {
    bool running = false;
    WallTime since{};  // of the start or stop; of this process, before either
    std::optional<WallTime> last_run, next_run;
    std::optional<std::chrono::seconds> overdue;  // for how long a run has been owed
    std::size_t checked = 0;                      // certificates, at the last look
    std::size_t expired = 0, unknown = 0;         // of these; see ExpiryLook
    std::array<std::size_t, 3> levels{};          // the same
    std::optional<keystore::LscCount> lscs;       // the same
    // EXPIRED and EXPIRES_SOON of the last look; MONITOR_STOPPED, MONITOR_OVERDUE.
    Findings warnings;
  };
  // Never blocks.
  Status Look() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace signet::services
