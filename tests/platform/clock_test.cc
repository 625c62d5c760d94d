#include "platform/clock.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>

namespace signet {
namespace {

using namespace std::chrono_literals;

std::string RoundTrip(std::string_view text) {
  const auto time = ParseTime(text);
  return time ? FormatTime(time.value()) : time.error().word;
}

TEST(Time, RoundTrips) {
  for (const char* text :
       {"2026-11-22T20:13:39Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
        "2024-02-29T12:00:00Z", "1969-12-31T23:59:59Z", "2000-02-29T00:00:00Z"}) {
    EXPECT_EQ(RoundTrip(text), text);
  }
  EXPECT_EQ(ParseTime("1970-01-01T00:00:00Z").value().time_since_epoch(), 0s);
}

TEST(Time, FractionsAreDroppedAndOffsetsApplied) {
  EXPECT_EQ(RoundTrip("2026-11-22T20:13:39.999999999Z"), "2026-11-22T20:13:39Z");
  EXPECT_EQ(RoundTrip("1969-12-31T23:59:59.9Z"), "1969-12-31T23:59:59Z");
  EXPECT_EQ(RoundTrip("2026-01-01T00:30:00+01:00"), "2025-12-31T23:30:00Z");
  EXPECT_EQ(RoundTrip("2025-12-31T23:30:00-00:45"), "2026-01-01T00:15:00Z");
  EXPECT_EQ(RoundTrip("2026-01-01T00:00:00-00:00"), "2026-01-01T00:00:00Z");
}

TEST(Time, EverythingElseIsRefused) {
  for (const char* text : {"",
                           "2026",
                           "2026-11-22",
                           "2026-11-22T20:13:39",
                           "2026-11-22 20:13:39Z",
                           "2026-11-22t20:13:39z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-02-29T00:00:00Z",
                           "2100-02-29T00:00:00Z",
                           "2026-04-31T00:00:00Z",
                           "2026-01-01T24:00:00Z",
                           "2026-01-01T00:60:00Z",
                           "2026-01-01T00:00:60Z",
                           "2026-01-01T00:00:00.Z",
                           "2026-01-01T00:00:00Zx",
                           "2026-01-01T00:00:00+0100",
                           "2026-01-01T00:00:00+24:00",
                           "2026-01-01T00:00:00+01:60",
                           "2026-01-01T00:00:00+01:00x",
                           "2026-1-01T00:00:00Z",
                           "+2026-01-01T00:00:00Z",
                           "-001-01-01T00:00:00Z",
                           "0000-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           " 2026-01-01T00:00:00Z",
                           "2026-01-01T0 :00:00Z",
                           "2026-01-01T00:00:00.1.2Z",
                           "99999-01-01T00:00:00Z"}) {
    EXPECT_EQ(RoundTrip(text), "NOT_A_TIME") << text;
  }
  EXPECT_EQ(ParseTime("x").error().kind, Kind::kUsage);
}

TEST(Time, TimesBeyondTheFormatAreClamped) {
  EXPECT_EQ(FormatTime(WallTime::max()), "9999-12-31T23:59:59Z");
  EXPECT_EQ(FormatTime(WallTime::min()), "0000-01-01T00:00:00Z");
}

TEST(SystemClock, TimersFireInOrder) {
  const auto clock = MakeSystemClock();
  std::latch all(3);
  std::mutex mutex;
  std::vector<int> order;
  const auto note = [&](int i) {
    const std::lock_guard lock(mutex);
    order.push_back(i);
    all.count_down();
  };
  const auto late = clock->After(60ms, [&] { note(3); });
  const auto soon = clock->After(5ms, [&] { note(1); });
  const auto middle = clock->After(30ms, [&] { note(2); });
  all.wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(SystemClock, ATimerThatDiesDoesNotFire) {
  const auto clock = MakeSystemClock();
  std::atomic<bool> fired = false;
  auto timer = clock->After(10ms, [&] { fired = true; });
  timer.reset();
  std::this_thread::sleep_for(30ms);
  EXPECT_FALSE(fired);
  const auto never = clock->After(Duration::max(), [&] { fired = true; });
  std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(fired);
}

TEST(SystemClock, ATimerWaitsForItsRunningCallback) {
  const auto clock = MakeSystemClock();
  std::latch started(1);
  std::atomic<bool> ended = false;
  auto timer = clock->After(0s, [&] {
    started.count_down();
    std::this_thread::sleep_for(30ms);
    ended = true;
  });
  started.wait();
  timer.reset();
  EXPECT_TRUE(ended);
}

TEST(SystemClock, ACallbackMayDropItsOwnTimerAndSetAnother) {
  const auto clock = MakeSystemClock();
  std::latch done(1);
  std::mutex mutex;
  std::unique_ptr<Timer> timer;
  const std::lock_guard hold(mutex);
  std::unique_ptr<Timer> second;
  std::latch ready(1);
  timer = clock->After(0s, [&] {
    ready.wait();
    timer.reset();
    second = clock->After(0s, [&] { done.count_down(); });
  });
  ready.count_down();
  done.wait();
}

TEST(SystemClock, ATimerMayOutliveTheClock) {
  auto clock = MakeSystemClock();
  std::atomic<bool> fired = false;
  auto timer = clock->After(1h, [&] { fired = true; });
  clock.reset();
  timer.reset();
  EXPECT_FALSE(fired);
}

}  // namespace
}  // namespace signet
