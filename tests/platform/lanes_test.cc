#include "platform/lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <latch>
#include <thread>

namespace signet {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

std::string ThreadName() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

asio::awaitable<void> WhereDoIRun(Lane& lane, std::string& in_job, std::thread::id& job_thread,
                                  std::thread::id& after) {
  auto job = [&]() -> Status {
    in_job = ThreadName();
    job_thread = std::this_thread::get_id();
    return Ok();
  };
  const Status done = co_await RunOn(lane, std::move(job), 5s);
  EXPECT_TRUE(done);
  after = std::this_thread::get_id();
}

TEST(Lanes, JobRunsOnTheLaneAndTheCoroutineResumesOnItsOwnExecutor) {
  asio::io_context io;
  Lane lane("a-lane-with-a-very-long-name", 2, 8);
  std::string in_job;
  std::thread::id job_thread;
  std::thread::id after;
  asio::co_spawn(io, WhereDoIRun(lane, in_job, job_thread, after), asio::detached);
  io.run();
  EXPECT_EQ(in_job, "a-lane-with-a-v");
  EXPECT_EQ(after, std::this_thread::get_id());
  EXPECT_NE(job_thread, after);
}

asio::awaitable<void> Ask(Lane& lane, std::function<Result<int>()> job, Duration limit,
                          std::optional<Result<int>>& answer) {
  answer.emplace(co_await RunOn(lane, std::move(job), limit));
}

std::optional<Result<int>> RunOne(Lane& lane, std::function<Result<int>()> job, Duration limit) {
  asio::io_context io;
  std::optional<Result<int>> answer;
  asio::co_spawn(io, Ask(lane, std::move(job), limit, answer), asio::detached);
  io.run();
  return answer;
}

TEST(Lanes, ResultsAndErrorsOfTheJobComeBack) {
  Lane lane("work", 1, 8);
  auto answer = RunOne(
      lane, [] { return 42; }, 5s);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(answer->value(), 42);
  answer = RunOne(
      lane, []() -> Result<int> { return MakeError(Kind::kRefused, "NO", "no"); }, 5s);
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().word, "NO");
}

TEST(Lanes, AnExceptionOfAJobIsReportedAsADefect) {
  Lane lane("work", 1, 8);
  auto answer = RunOne(
      lane, []() -> Result<int> { throw std::runtime_error("x"); }, 5s);
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().kind, Kind::kInternal);
  lane.TryPost([] { throw std::runtime_error("x"); });
  EXPECT_TRUE(RunOne(
                  lane, [] { return 1; }, 5s)
                  ->has_value());
}

TEST(Lanes, AFullLaneAnswersAtOnce) {
  std::latch release(1);
  std::latch started(1);
  Lane lane("work", 1, 1);
  ASSERT_TRUE(lane.TryPost([&] {
    started.count_down();
    release.wait();
  }));
  started.wait();
  ASSERT_TRUE(lane.TryPost([] {}));
  EXPECT_EQ(lane.Waiting(), 1u);
  EXPECT_FALSE(lane.TryPost([] {}));
  const auto answer = RunOne(
      lane, [] { return 1; }, 5s);
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().kind, Kind::kExhausted);
  EXPECT_EQ(answer->error().word, "LANE_FULL");
  EXPECT_FALSE(answer->error().remedy.empty());
  release.count_down();
}

TEST(Lanes, ATimeOutAbandonsTheWaitNotTheWork) {
  std::latch release(1);
  std::atomic<bool> finished = false;
  {
    Lane lane("work", 1, 8);
    const auto answer = RunOne(
        lane,
        [&]() -> Result<int> {
          release.wait();
          finished = true;
          return 7;
        },
        20ms);
    ASSERT_TRUE(answer && !*answer);
    EXPECT_EQ(answer->error().kind, Kind::kTimeout);
    EXPECT_EQ(answer->error().word, "OPERATION_TIMED_OUT");
    EXPECT_FALSE(finished);
    // The io_context of the waiter is gone by now; the job ends into nothing.
    release.count_down();
  }
  EXPECT_TRUE(finished);
}

TEST(Lanes, AJobThatWaitsInTheQueueStillRunsAfterItsTimeOut) {
  std::latch release(1);
  std::atomic<bool> ran = false;
  {
    Lane lane("work", 1, 8);
    ASSERT_TRUE(lane.TryPost([&] { release.wait(); }));
    const auto answer = RunOne(
        lane,
        [&] {
          ran = true;
          return 1;
        },
        10ms);
    EXPECT_EQ(answer->error().word, "OPERATION_TIMED_OUT");
    release.count_down();
  }
  EXPECT_TRUE(ran);
}

asio::awaitable<void> WaitForCancel(Lane& lane, std::function<Result<int>()> job, bool& answered,
                                    bool& thrown) {
  try {
    const auto result = co_await RunOn(lane, std::move(job), 10s);
    answered = result.has_value();
    auto again = [] { return Result<int>(1); };
    (void)co_await RunOn(lane, std::move(again), 10s);
  } catch (const boost::system::system_error& error) {
    thrown = error.code() == asio::error::operation_aborted;
  }
}

TEST(Lanes, CancellationWaitsForTheWorkAndIsSeenAtTheNextWait) {
  asio::io_context io;
  asio::cancellation_signal signal;
  std::latch release(1);
  Lane lane("work", 1, 8);
  bool answered = false;
  bool thrown = false;
  asio::co_spawn(io,
                 WaitForCancel(
                     lane,
                     [&] {
                       release.wait();
                       return 1;
                     },
                     answered, thrown),
                 asio::bind_cancellation_slot(signal.slot(), asio::detached));
  asio::steady_timer timer(io, 20ms);
  timer.async_wait([&](boost::system::error_code) {
    signal.emit(asio::cancellation_type::all);
    release.count_down();
  });
  io.run();
  EXPECT_TRUE(answered);
  EXPECT_TRUE(thrown);
}

asio::awaitable<void> Race(Lane& lane, std::function<Result<int>()> job, bool& ended) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(co_await asio::this_coro::executor, 5ms);
  auto work = RunOn(lane, std::move(job), 10s);
  (void)co_await (std::move(work) || timer.async_wait(asio::use_awaitable));
  ended = true;
}

TEST(Lanes, AHopMayLoseARaceAgainstATimer) {
  asio::io_context io;
  Lane lane("work", 1, 8);
  bool ended = false;
  asio::co_spawn(io,
                 Race(
                     lane,
                     [] {
                       std::this_thread::sleep_for(30ms);
                       return 1;
                     },
                     ended),
                 asio::detached);
  io.run();
  EXPECT_TRUE(ended);
}

TEST(Lanes, AnIoContextMayDieWhileItsCoroutineWaits) {
  std::latch release(1);
  Lane lane("work", 1, 8);
  std::optional<Result<int>> answer;
  {
    asio::io_context io;
    asio::co_spawn(io,
                   Ask(
                       lane,
                       [&] {
                         release.wait();
                         return 1;
                       },
                       10s, answer),
                   asio::detached);
    io.poll();
  }
  release.count_down();
  EXPECT_TRUE(lane.Stop(5s));
  EXPECT_FALSE(answer);
}

asio::awaitable<void> Hammer(Lane& lane, int rounds, Duration limit, std::atomic<int>& done,
                             std::atomic<int>& failed) {
  for (int i = 0; i < rounds; ++i) {
    auto job = [i] { return Result<int>(i); };
    const auto result = co_await RunOn(lane, std::move(job), limit);
    if (result) {
      EXPECT_EQ(result.value(), i);
      ++done;
    } else {
      ++failed;
    }
  }
}

TEST(Lanes, DeadlinesThatMeetTheEndOfTheJobCompleteOnce) {
  asio::io_context io;
  Lane lane("work", 2, 4);  // often full, which must not meet the deadline either
  std::atomic<int> done = 0;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 16; ++i) {
    // No strand: two threads run this io_context, so that job and deadline really meet.
    asio::co_spawn(io, Hammer(lane, 300, std::chrono::microseconds(i * 10), done, failed),
                   asio::detached);
  }
  std::thread second([&] { io.run(); });
  io.run();
  second.join();
  EXPECT_EQ(done + failed, 16 * 300);
}

TEST(Lanes, AHopIsCheap) {
  asio::io_context io(1);
  Lane lane("work", 2, 64);
  std::atomic<int> done = 0;
  std::atomic<int> failed = 0;
  constexpr int kRounds = 2000;
  for (int i = 0; i < 8; ++i) {
    asio::co_spawn(io, Hammer(lane, kRounds, 5s, done, failed), asio::detached);
  }
  const auto start = std::chrono::steady_clock::now();
  io.run();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(done, 8 * kRounds);
  EXPECT_EQ(failed, 0);
  RecordProperty("hops_per_second", static_cast<int>(8 * kRounds / spent.count()));
}

TEST(Lanes, TheDestructorRunsWhatIsQueued) {
  std::atomic<int> ran = 0;
  {
    Lane lane("work", 2, 100);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(lane.TryPost([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 50);
}

TEST(Lanes, StopWaitsForWhatRunsAndRefusesWhatIsNew) {
  std::atomic<bool> ran = false;
  Lane lane("work", 1, 8);
  ASSERT_TRUE(lane.TryPost([&] {
    std::this_thread::sleep_for(20ms);
    ran = true;
  }));
  EXPECT_TRUE(lane.Stop(10s));
  EXPECT_TRUE(ran);
  EXPECT_FALSE(lane.TryPost([] {}));
  EXPECT_TRUE(lane.Stop(1s));
}

TEST(Lanes, AThreadThatHangsIsLeftBehind) {
  auto release = std::make_shared<std::latch>(1);
  auto ended = std::make_shared<std::latch>(1);
  auto queued_ran = std::make_shared<std::atomic<bool>>(false);
  {
    Lane lane("work", 1, 8);
    ASSERT_TRUE(lane.TryPost([release, ended] {
      release->wait();
      ended->count_down();
    }));
    while (lane.Waiting() != 0) std::this_thread::yield();
    ASSERT_TRUE(lane.TryPost([queued_ran] { *queued_ran = true; }));
    EXPECT_FALSE(lane.Stop(10ms));
  }
  release->count_down();
  ended->wait();
  EXPECT_FALSE(*queued_ran);
}

}  // namespace
}  // namespace signet
