// Events are told from any thread, kept in order, and waited for without a look at the disk.
#include "services/events.h"

#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <thread>

#include "keystore/node_log.h"
#include "tests/keystore/scratch.h"
#include "tests/services/forwarding_log.h"

namespace signet::services {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FailingLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  Result<std::int64_t> AddEvent(const keystore::EventRow& event) override {
    ++asked;
    if (fails) return MakeError(Kind::kUnavailable, "STORAGE_FULL", "no space", "Make room.");
    return ForwardingLog::AddEvent(event);
  }
  Result<std::vector<keystore::EventRow>> Events(std::int64_t after, std::size_t limit) override {
    ++reads;
    return ForwardingLog::Events(after, limit);
  }
  std::atomic<bool> fails{false};
  std::atomic<int> asked{0}, reads{0};
};

class EventsTest : public ::testing::Test {
 protected:
  void Settle() {
    // A long queue is written in several jobs; two rounds without a delivery mean that none is
    // left.
    for (int quiet = 0; quiet < 2; ++quiet) {
      const std::uint64_t before = events.Position();
      std::promise<void> done;
      ASSERT_TRUE(lane.TryPost([&] { done.set_value(); }));
      done.get_future().wait();
      if (events.Position() != before) quiet = -1;
    }
  }
  std::vector<std::string> Stored() {
    std::vector<std::string> texts;
    const auto rows = real->Events(0, 10'000).value();
    for (const auto& row : rows) texts.push_back(row.text);
    return texts;
  }
  template <class T>
  T Run(asio::awaitable<T> work) {
    std::optional<T> result;
    auto body = [&]() -> asio::awaitable<void> { result.emplace(co_await std::move(work)); };
    asio::co_spawn(loop, body, asio::detached);
    loop.restart();
    loop.run();
    return std::move(*result);
  }
  // For how long a wait took.
  asio::awaitable<milliseconds> Waited(EventListener& listener, std::uint64_t position,
                                       Duration limit) {
    const auto begin = std::chrono::steady_clock::now();
    co_await listener.Wait(position, limit);
    co_return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
  }
  // The lane stands still until the promise is kept.
  std::shared_ptr<std::promise<void>> Block() {
    auto gate = std::make_shared<std::promise<void>>();
    auto begun = std::make_shared<std::promise<void>>();
    EXPECT_TRUE(lane.TryPost([gate, begun] {
      begun->set_value();
      gate->get_future().wait();
    }));
    begun->get_future().wait();
    return gate;
  }

  keystore::Scratch scratch;
  keystore::StandingClock clock;
  std::unique_ptr<keystore::NodeLog> real =
      keystore::NodeLog::Open(scratch.File("node.db"), true, clock).value();
  FailingLog log{*real};
  asio::io_context loop{1};
  Lane lane{"store", 1, 64};
  Events events{log, lane, clock};
};

TEST_F(EventsTest, WhatIsToldIsStoredInOrderAndDelivered) {
  for (int i = 0; i < 100; ++i) {
    json::object details;
    details["number"] = i;
    events.Tell("token", "event " + std::to_string(i), std::move(details));
  }
  Settle();
  const auto stored = Stored();
  ASSERT_THAT(stored, SizeIs(100));
  const auto heard = events.Since(0);
  ASSERT_THAT(heard.events, SizeIs(100));
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(stored[i], "event " + std::to_string(i));
    EXPECT_EQ(heard.events[i].sequence, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(heard.events[i].details.at("number"), json::value(static_cast<int>(i)));
  }
  EXPECT_EQ(events.Kept().newest, 100);
  EXPECT_EQ(events.Kept().oldest, 1);
  EXPECT_EQ(heard.position, 100u);
}

TEST_F(EventsTest, ThreadsMayTellAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) events.Tell("token", std::to_string(t * 1000 + i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  Settle();
  const auto stored = Stored();
  ASSERT_THAT(stored, SizeIs(200));
  // Each thread's own order stays.
  std::map<int, int> last;
  for (const std::string& text : stored) {
    const int number = std::stoi(text);
    const auto [at, fresh] = last.try_emplace(number / 1000, number);
    if (!fresh) {
      EXPECT_GT(number, std::exchange(at->second, number));
    }
  }
}

TEST_F(EventsTest, AKindThatIsNotInTheTableIsNotTold) {
  events.Tell("gossip", "x");
  for (const std::string_view kind : kEventKinds) events.Tell(std::string(kind), "y");
  Settle();
  EXPECT_THAT(Stored(), SizeIs(std::size(kEventKinds)));
}

TEST_F(EventsTest, WhatCannotBeStoredIsDeliveredWithoutASequence) {
  events.Tell("token", "before");
  Settle();
  log.fails = true;
  events.Tell("token", "lost");
  Settle();
  log.fails = false;
  events.Tell("token", "after");
  Settle();
  EXPECT_THAT(Stored(), ElementsAre("before", "after"));
  const auto heard = events.Since(0);
  ASSERT_THAT(heard.events, SizeIs(3));
  EXPECT_EQ(heard.events[1].text, "lost");
  EXPECT_EQ(heard.events[1].sequence, 0);
  EXPECT_EQ(heard.events[2].sequence, 2);
}

TEST_F(EventsTest, TellNeverWaitsAndTheQueueIsBounded) {
  const auto gate = Block();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3000; ++i) events.Tell("token", std::to_string(i));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(events.Position(), 3000u - 1024u) << "what found no place is delivered at once";
  gate->set_value();
  Settle();
  EXPECT_EQ(events.Position(), 3000u);
  EXPECT_THAT(Stored(), SizeIs(1024));
  EXPECT_EQ(Stored().back(), "1023");
}

TEST_F(EventsTest, ALaneThatTakesNothingLosesNoEventForThoseWhoListen) {
  ASSERT_TRUE(lane.Stop(std::chrono::seconds(5)));
  events.Tell("token", "late");
  const auto heard = events.Since(0);
  ASSERT_THAT(heard.events, SizeIs(1));
  EXPECT_EQ(heard.events[0].sequence, 0);
}

TEST_F(EventsTest, MemoryHoldsTheNewestAndSaysWhatIsGone) {
  for (int i = 0; i < 300; ++i) events.Tell("token", std::to_string(i));
  Settle();
  const auto heard = events.Since(0);
  EXPECT_TRUE(heard.missed);
  EXPECT_THAT(heard.events, SizeIs(256));
  EXPECT_EQ(heard.events.front().text, "44");
  EXPECT_FALSE(events.Since(44).missed);
  EXPECT_THAT(events.Since(300).events, IsEmpty());
}

TEST_F(EventsTest, TextAndDetailsFromOutsideAreBounded) {
  json::object details;
  details["much"] = std::string(100'000, 'x');
  events.Tell("operation", "a\r\nb" + std::string(100'000, 'x'), std::move(details));
  Settle();
  const auto row = real->Events(0, 1).value().at(0);
  EXPECT_LT(row.text.size(), 2000u);
  EXPECT_EQ(row.text.find('\n'), std::string::npos);
  EXPECT_EQ(row.details, R"({"tooLarge":true})");
}

TEST_F(EventsTest, AWaitEndsWithTheNextEventAndReadsNothing) {
  EventListener listener(events);
  std::thread teller([&] {
    std::this_thread::sleep_for(milliseconds(100));
    events.Tell("token", "now");
  });
  const int reads = log.reads;
  const auto took = Run(Waited(listener, events.Position(), std::chrono::seconds(30)));
  teller.join();
  EXPECT_LT(took, milliseconds(10'000));
  EXPECT_GE(took, milliseconds(90));
  EXPECT_EQ(log.reads, reads);
  EXPECT_EQ(events.Since(0).events.at(0).text, "now");
}

TEST_F(EventsTest, AWaitEndsWithItsTimeOrAtOnceWhenThereIsSomething) {
  EventListener listener(events);
  EXPECT_GE(Run(Waited(listener, 0, milliseconds(60))), milliseconds(55));
  events.Tell("token", "one");
  Settle();
  EXPECT_LT(Run(Waited(listener, 0, std::chrono::seconds(30))), milliseconds(5000));
}

TEST_F(EventsTest, EndEndsTheWaitAndEachOneAfterIt) {
  EventListener listener(events);
  std::thread ender([&] {
    std::this_thread::sleep_for(milliseconds(50));
    listener.End();
  });
  EXPECT_LT(Run(Waited(listener, 0, std::chrono::seconds(60))), milliseconds(20'000));
  ender.join();
  EXPECT_TRUE(listener.ended());
  EXPECT_LT(Run(Waited(listener, 0, std::chrono::seconds(60))), milliseconds(5000));
}

TEST_F(EventsTest, ALoopThatGoesAwayTakesItsWaitsAlong) {
  auto gone = std::make_unique<asio::io_context>(1);
  EventListener listener(events);
  auto wait = [&]() -> asio::awaitable<void> { co_await listener.Wait(0, std::chrono::hours(1)); };
  asio::co_spawn(*gone, wait, asio::detached);
  gone->poll();
  gone.reset();
  events.Tell("token", "nobody is there");
  Settle();
  EXPECT_EQ(events.Position(), 1u);
}

TEST_F(EventsTest, PagesAndTheirBounds) {
  for (int i = 0; i < 5; ++i) events.Tell("token", std::to_string(i));
  Settle();
  RequestContext context;
  api::EventListRequest request;
  request.after = 3;
  auto page = Run(events.List(context, request)).value();
  ASSERT_THAT(page.items, SizeIs(2));
  EXPECT_EQ(page.items[0].sequence, 4);
  EXPECT_EQ(page.oldest, 1);
  EXPECT_EQ(page.newest, 5);
  request.after = -1;
  EXPECT_EQ(Run(events.List(context, request)).error().word, "CURSOR_INVALID");
  request.after.reset();
  request.limit = 1001;
  EXPECT_EQ(Run(events.List(context, request)).error().word, "LIMIT_INVALID");
}

TEST_F(EventsTest, ASuccessorGoesOnWhereTheFormerProcessEnded) {
  events.Tell("token", "before");
  Settle();
  Events successor(log, lane, clock);
  EXPECT_EQ(successor.Kept().newest, 1);
  successor.Tell("token", "after");
  Settle();
  EXPECT_EQ(successor.Since(0).events.at(0).sequence, 2);
}

}  // namespace
}  // namespace signet::services
