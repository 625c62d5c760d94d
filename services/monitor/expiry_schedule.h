// When "Cisco Certificate Expiry Monitor" runs (SPEC M2). Pure: no clock, no store.
#pragma once

#include <boost/describe.hpp>
#include <optional>

#include "platform/clock.h"
#include "platform/json.h"

namespace signet::services {

inline constexpr auto kExpiryInterval = std::chrono::hours(24);
inline constexpr auto kUrgentInterval = std::chrono::hours(1);
inline constexpr auto kUrgentBefore = std::chrono::hours(24);  // the end of a certificate

// Of a started service. All in wall time, for certificates end in it.
struct ExpirySchedule : LenientRecord {
  WallTime started{};
  std::optional<WallTime> last_run;
  WallTime next_run{};
  // When a run was due that did not happen, because the machine was down or starts put it off; none
  // once one happened.
  std::optional<WallTime> missed;
};
BOOST_DESCRIBE_STRUCT(ExpirySchedule, (LenientRecord), (started, last_run, next_run, missed))

// The rule. The service runs 24 h after its start or its last run, whichever is later; that stays
// so down to and beyond 7 days before the end of a certificate. As soon as one has ended or ends
// within a day, it runs every hour instead: thus at the latest an hour after the last run, though
// not before that day begins. `earliest`: the earliest end among the certificates looked at.

// A start, of the service or of the machine: nothing runs before its interval is over, even if a
// run was missed. `before`: what was planned when it stopped, if it ever ran.
ExpirySchedule StartSchedule(const std::optional<ExpirySchedule>& before, WallTime now,
                             std::optional<WallTime> earliest);
// Brings `next_run` up to date with certificates and clock. A clock that went back begins a new
// interval, so that the next run is never further away than one.
ExpirySchedule Reschedule(ExpirySchedule schedule, WallTime now, std::optional<WallTime> earliest);
// A run took place. A clock that jumped ahead made one run due, not one for each interval.
ExpirySchedule AfterRun(ExpirySchedule schedule, WallTime now, std::optional<WallTime> earliest);

inline bool IsDue(const ExpirySchedule& schedule, WallTime now) { return now >= schedule.next_run; }
// For how long a run has been owed; none when none is.
std::optional<std::chrono::seconds> Overdue(const ExpirySchedule& schedule, WallTime now);

}  // namespace signet::services
