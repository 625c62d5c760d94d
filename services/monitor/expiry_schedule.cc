#include "services/monitor/expiry_schedule.h"

#include <algorithm>

namespace signet::services {
namespace {

WallTime NextRun(WallTime from, std::optional<WallTime> earliest) {
  const WallTime usual = from + kExpiryInterval;
  if (!earliest) return usual;
  const WallTime urgent = std::max<WallTime>(from + kUrgentInterval, *earliest - kUrgentBefore);
  return std::min(usual, urgent);
}

WallTime Base(const ExpirySchedule& schedule) {
  return std::max(schedule.started, schedule.last_run.value_or(schedule.started));
}

}  // namespace

ExpirySchedule StartSchedule(const std::optional<ExpirySchedule>& before, WallTime now,
                             std::optional<WallTime> earliest) {
  ExpirySchedule schedule;
  if (before) {
    schedule.last_run = before->last_run;
    // Starts move the next run, but not when one was owed: else who starts it every morning would
    // never see a run, nor a word about it.
    WallTime owed = before->next_run;
    if (before->last_run) owed = std::min<WallTime>(owed, *before->last_run + kExpiryInterval);
    if (before->missed) owed = std::min(owed, *before->missed);
    if (owed < now) schedule.missed = owed;
  }
  schedule.started = now;
  // A last run in what is now the future: the clock went back meanwhile.
  if (schedule.last_run) schedule.last_run = std::min(*schedule.last_run, now);
  schedule.next_run = NextRun(now, earliest);
  return schedule;
}

ExpirySchedule Reschedule(ExpirySchedule schedule, WallTime now, std::optional<WallTime> earliest) {
  schedule.started = std::min(schedule.started, now);
  if (schedule.last_run) schedule.last_run = std::min(*schedule.last_run, now);
  schedule.next_run = NextRun(Base(schedule), earliest);
  return schedule;
}

ExpirySchedule AfterRun(ExpirySchedule schedule, WallTime now, std::optional<WallTime> earliest) {
  schedule.last_run = now;
  schedule.missed.reset();
  return Reschedule(std::move(schedule), now, earliest);
}

std::optional<std::chrono::seconds> Overdue(const ExpirySchedule& schedule, WallTime now) {
  if (!schedule.missed || *schedule.missed >= now) return std::nullopt;
  return now - *schedule.missed;
}

}  // namespace signet::services
