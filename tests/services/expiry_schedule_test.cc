// SPEC M2: when the expiry monitor runs, against the rule worked out another way.
#include "services/monitor/expiry_schedule.h"

#include <gmock/gmock.h>

#include <random>

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using Earliest = std::optional<WallTime>;

WallTime At(const char* text) { return ParseTime(text).value(); }
const WallTime kStart = At("2026-11-23T08:15:00Z");

TEST(ExpirySchedule, AStartSchedulesTheNextRunADayLater) {
  const auto schedule = StartSchedule(std::nullopt, kStart, std::nullopt);
  EXPECT_EQ(schedule.next_run, kStart + 24h);
  EXPECT_FALSE(schedule.last_run);
  EXPECT_FALSE(IsDue(schedule, kStart + 24h - 1s));
  EXPECT_TRUE(IsDue(schedule, kStart + 24h));
}

TEST(ExpirySchedule, ARestartSchedulesTheNextRunADayAfterItself) {
  auto schedule = AfterRun(StartSchedule(std::nullopt, kStart, {}), kStart + 24h, {});
  EXPECT_EQ(schedule.next_run, kStart + 48h);
  schedule = StartSchedule(schedule, kStart + 40h, {});
  EXPECT_EQ(schedule.next_run, kStart + 64h);
  EXPECT_EQ(schedule.last_run, kStart + 24h);
}

TEST(ExpirySchedule, TheIntervalStaysADayDownToAndBeyondAWeekBeforeTheEnd) {
  for (const seconds left :
       {seconds(365 * 24h), seconds(30 * 24h), seconds(8 * 24h), seconds(7 * 24h),
        seconds(7 * 24h - 1s), seconds(3 * 24h), seconds(48h)}) {
    const auto schedule =
        AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, kStart + 24h + left);
    EXPECT_EQ(schedule.next_run, kStart + 48h) << left.count();
  }
}

TEST(ExpirySchedule, WithinADayOfTheEndAndBeyondItRunsByTheHour) {
  for (const seconds left :
       {seconds(24h), seconds(23h), seconds(1s), seconds(0), seconds(-1), seconds(-400 * 24h)}) {
    const auto schedule =
        AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, kStart + 24h + left);
    EXPECT_EQ(schedule.next_run, kStart + 25h) << left.count();
  }
}

TEST(ExpirySchedule, TheLastDayIsNotSleptThrough) {
  // At the run a certificate lasts 30 hours: the last day begins in six.
  const auto schedule = AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, kStart + 54h);
  EXPECT_EQ(schedule.next_run, kStart + 30h);
  // 24 hours and a half: the last day begins sooner than a run by the hour would be.
  EXPECT_EQ(AfterRun(schedule, kStart + 30h, kStart + 54h + 30min).next_run, kStart + 31h);
}

TEST(ExpirySchedule, ACertificateThatComesOrGoesIsTakenIntoAccount) {
  auto schedule = StartSchedule(std::nullopt, kStart, std::nullopt);
  schedule = Reschedule(schedule, kStart + 10h, kStart + 20h);
  EXPECT_TRUE(IsDue(schedule, kStart + 10h));
  schedule = AfterRun(schedule, kStart + 10h, kStart + 20h);
  EXPECT_EQ(schedule.next_run, kStart + 11h);
  EXPECT_EQ(Reschedule(schedule, kStart + 10h + 30min, std::nullopt).next_run, kStart + 34h);
}

TEST(ExpirySchedule, ARunThatTheMachineSleptThroughIsOwedAndNotMadeUpForAtTheStart) {
  auto schedule = AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, {});
  const WallTime up = kStart + 24h + 72h;
  schedule = StartSchedule(schedule, up, {});
  EXPECT_FALSE(IsDue(schedule, up));
  EXPECT_EQ(schedule.next_run, up + 24h);
  EXPECT_EQ(Overdue(schedule, up), seconds(48h));
  EXPECT_EQ(Overdue(schedule, up + 5h), seconds(53h));
  schedule = AfterRun(schedule, up + 24h, {});
  EXPECT_FALSE(Overdue(schedule, up + 100h));
}

TEST(ExpirySchedule, WhoStartsItEveryMorningIsTold) {
  auto schedule = AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, {});
  for (int day = 1; day <= 10; ++day) {
    schedule = StartSchedule(schedule, kStart + 24h + day * 23h, {});
    EXPECT_EQ(Overdue(schedule, kStart + 24h + day * 23h).has_value(), day > 1) << day;
  }
  EXPECT_EQ(Overdue(schedule, kStart + 24h + 230h), seconds(206h));
}

TEST(ExpirySchedule, AStartInTimeOwesNothing) {
  auto schedule = AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, {});
  schedule = StartSchedule(schedule, kStart + 30h, {});
  EXPECT_FALSE(Overdue(schedule, kStart + 30h));
  EXPECT_FALSE(Overdue(schedule, kStart + 53h));
}

TEST(ExpirySchedule, AClockThatGoesBackDoesNotSilenceIt) {
  auto schedule = AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, {});
  const WallTime past = kStart - 10 * 365 * 24h;
  schedule = Reschedule(schedule, past, {});
  EXPECT_EQ(schedule.next_run, past + 24h);
  // An hour back is an hour more.
  schedule = AfterRun(StartSchedule({}, kStart, {}), kStart + 24h, {});
  EXPECT_EQ(Reschedule(schedule, kStart + 23h, {}).next_run, kStart + 47h);
  EXPECT_EQ(StartSchedule(schedule, past, {}).next_run, past + 24h);
}

TEST(ExpirySchedule, AClockThatJumpsAheadGivesOneRun) {
  auto schedule = StartSchedule(std::nullopt, kStart, std::nullopt);
  const WallTime future = kStart + 10 * 365 * 24h;
  EXPECT_TRUE(IsDue(Reschedule(schedule, future, {}), future));
  schedule = AfterRun(schedule, future, {});
  EXPECT_EQ(schedule.next_run, future + 24h);
}

// The year 2038, when 32 bits of seconds end; 2049 and 2050, when certificates change the form of
// their dates; the last day of 9999, which means "no end" (RFC 5280 section 4.1.2.5).
TEST(ExpirySchedule, HoldsAtTheEndsOfCalendars) {
  for (const char* text :
       {"2038-01-19T03:14:07Z", "2038-01-19T03:14:08Z", "2049-12-31T23:59:59Z",
        "2050-01-01T00:00:00Z", "2100-02-28T23:00:00Z", "9999-12-30T12:00:00Z"}) {
    const WallTime now = At(text);
    EXPECT_EQ(AfterRun(StartSchedule({}, now, {}), now, now + 30 * 24h).next_run, now + 24h)
        << text;
    EXPECT_EQ(AfterRun(StartSchedule({}, now, {}), now, now + 12h).next_run, now + 1h) << text;
    EXPECT_EQ(AfterRun(StartSchedule({}, now, {}), now, now - 9000 * 24h).next_run, now + 1h);
  }
  const WallTime last = At("9999-12-31T23:59:59Z");
  EXPECT_EQ(StartSchedule({}, kStart, last).next_run, kStart + 24h);
  EXPECT_EQ(AfterRun(StartSchedule({}, last - 2h, {}), last - 2h, last).next_run, last - 1h);
}

// The rule second by second, as a sentence and not as arithmetic on a plan: is a run due now?
struct Minder {
  WallTime base;  // start or last run
  bool Due(WallTime now, Earliest earliest) const {
    const seconds since = now - base;
    if (since >= 24h) return true;
    const bool last_day = earliest && *earliest - now <= 24h;
    return last_day && since >= 1h;
  }
};

// A year in steps of a minute, three times, with starts, and certificates that end and are replaced
// in the middle of it.
TEST(ExpirySchedule, AYearOfRunsIsWhatTheRuleSaysMinuteByMinute) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    std::mt19937 random(seed);
    const auto pick = [&](int below) {
      return std::uniform_int_distribution<int>(0, below - 1)(random);
    };
    std::vector<WallTime> starts, ends;
    for (int i = 0; i < 12; ++i) {
      starts.push_back(kStart + std::chrono::minutes(pick(365 * 24 * 60)));
      ends.push_back(kStart + std::chrono::minutes(pick(365 * 24 * 60)));
    }
    std::ranges::sort(starts);
    std::ranges::sort(ends);
    std::vector<WallTime> planned, expected;
    auto schedule = StartSchedule(std::nullopt, kStart, ends.front());
    Minder minder{kStart};
    std::size_t next_start = 0, current = 0;
    for (WallTime now = kStart; now < kStart + 365 * 24h; now += 1min) {
      // Replaced five hours after its end.
      if (current < ends.size() && now == ends[current] + 5h) ++current;
      const Earliest earliest = current < ends.size() ? Earliest(ends[current]) : Earliest();
      if (next_start < starts.size() && now == starts[next_start]) {
        while (next_start < starts.size() && now == starts[next_start]) ++next_start;
        schedule = StartSchedule(schedule, now, earliest);
        minder.base = now;
      }
      schedule = Reschedule(schedule, now, earliest);
      if (IsDue(schedule, now)) {
        planned.push_back(now);
        schedule = AfterRun(schedule, now, earliest);
      }
      if (minder.Due(now, earliest)) {
        expected.push_back(now);
        minder.base = now;
      }
    }
    EXPECT_EQ(planned, expected) << seed;
    EXPECT_GT(expected.size(), 365u + 12 * 20) << "a year with last days in it";
  }
}

}  // namespace
}  // namespace signet::services
