// Events of a node, and what its services remember.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

#include <thread>

#include "keystore/node_log.h"
#include "tests/keystore/scratch.h"

namespace signet::keystore {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class NodeEventsTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(true); }
  void Open(bool create) {
    log_.reset();
    auto opened = NodeLog::Open(path_, create, clock_);
    ASSERT_TRUE(opened) << opened.error().ToString();
    log_ = std::move(opened).value();
  }
  std::int64_t Add(const std::string& text) {
    const EventRow row{77, clock_.Now(), "token", text, R"({"state":"locked"})"};
    return log_->AddEvent(row).value();
  }
  // As many as are kept, and `more`, without waiting for the disk each time.
  void Fill(std::int64_t more) {
    log_.reset();
    SQLite::Database(path_, SQLite::OPEN_READWRITE)
        .exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
              std::to_string(kKeptEvents + more) +
              ") INSERT INTO event SELECT i, i, 'token', 'old', '{}' FROM n");
    Open(false);
  }
  std::int64_t Rows() {
    return SQLite::Database(path_, SQLite::OPEN_READWRITE)
        .execAndGet("SELECT count(*) FROM event")
        .getInt64();
  }

  Scratch scratch_;
  const std::string path_ = scratch_.File("node.db");
  StandingClock clock_;
  std::unique_ptr<NodeLog> log_;
};

TEST_F(NodeEventsTest, EventsAreCountedFromOneInTheOrderOfTheirComing) {
  EXPECT_EQ(log_->EventsKept().value().newest, 0);
  EXPECT_THAT(log_->Events(0, 10).value(), IsEmpty());
  EXPECT_EQ(Add("first"), 1);
  // A clock that goes back does not change the order.
  clock_.Move(std::chrono::hours(-5));
  EXPECT_EQ(Add("second"), 2);
  const auto events = log_->Events(0, 10).value();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].sequence, 1);
  EXPECT_EQ(events[0].text, "first");
  EXPECT_EQ(events[1].sequence, 2);
  EXPECT_EQ(events[1].kind, "token");
  EXPECT_EQ(events[1].details, R"({"state":"locked"})");
  EXPECT_EQ(events[1].time, clock_.Now());
}

TEST_F(NodeEventsTest, EventsAreReadInPages) {
  for (int i = 0; i < 7; ++i) Add("event");
  EXPECT_THAT(log_->Events(0, 3).value(), SizeIs(3));
  const auto page = log_->Events(3, 100).value();
  ASSERT_THAT(page, SizeIs(4));
  EXPECT_EQ(page[0].sequence, 4);
  EXPECT_THAT(log_->Events(7, 100).value(), IsEmpty());
  EXPECT_THAT(log_->Events(1'000'000, 100).value(), IsEmpty());
}

TEST_F(NodeEventsTest, TheNewestTenThousandAreKeptAndNoNumberComesTwice) {
  Fill(0);
  EXPECT_EQ(log_->EventsKept().value().oldest, 1);
  EXPECT_EQ(Add("one more"), kKeptEvents + 1);
  EXPECT_EQ(log_->EventsKept().value().oldest, 2);
  EXPECT_EQ(log_->EventsKept().value().newest, kKeptEvents + 1);
  EXPECT_EQ(Add("and one"), kKeptEvents + 2);
  EXPECT_EQ(Rows(), kKeptEvents);
  EXPECT_EQ(log_->Events(0, 1).value().at(0).sequence, 3);
}

TEST_F(NodeEventsTest, WhatIsOverIsRemovedAtOnceAlsoWhenItIsMuch) {
  Fill(500);
  Add("one more");
  EXPECT_EQ(Rows(), kKeptEvents);
}

TEST_F(NodeEventsTest, EventsAndTheirNumbersOutliveTheProcess) {
  Add("before");
  Open(false);
  EXPECT_EQ(Add("after"), 2);
  const auto events = log_->Events(0, 10).value();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].text, "before");
}

TEST_F(NodeEventsTest, AnAcknowledgedEventOutlivesAKill) {
  log_.reset();
  const auto numbers = KillWhileWriting(20, [&](int pipe) {
    const auto log = NodeLog::Open(path_, false, clock_).value();
    for (;;) Acknowledge(pipe, log->AddEvent({0, clock_.Now(), "token", "t", "{}"}).value());
  });
  ASSERT_GE(numbers.size(), 20u);
  Open(false);
  const auto events = log_->Events(0, 1000).value();
  ASSERT_GE(events.size(), numbers.size());
  for (std::size_t i = 0; i < events.size(); ++i)
    EXPECT_EQ(events[i].sequence, static_cast<std::int64_t>(i) + 1);
}

TEST_F(NodeEventsTest, TextFromOutsideBecomesOneLine) {
  Add("CN=x\r\nid: 5\x1b[31m\n\n");
  const std::string text = log_->Events(0, 1).value().at(0).text;
  EXPECT_EQ(text.find_first_of("\r\n\x1b"), std::string::npos) << text;
}

TEST_F(NodeEventsTest, ThreadsGetNumbersWithoutHoles) {
  const auto work = [&] {
    for (int i = 0; i < 40; ++i) Add("event");
  };
  std::thread one(work), two(work);
  one.join();
  two.join();
  const auto events = log_->Events(0, 1000).value();
  ASSERT_THAT(events, SizeIs(80));
  EXPECT_EQ(events.back().sequence, 80);
}

TEST_F(NodeEventsTest, ALogOfTheFormerFormatGetsItsTables) {
  ASSERT_TRUE(log_->Note({"a", "r", "o", "m", "d", ""}, "denied:X", "kept"));
  log_.reset();
  SQLite::Database(path_, SQLite::OPEN_READWRITE)
      .exec("DROP TABLE event; DROP TABLE memory; PRAGMA user_version=2");
  Open(false);
  EXPECT_EQ(Add("first"), 1);
  EXPECT_THAT(log_->Audit(0, 10).value(), SizeIs(1));
}

TEST_F(NodeEventsTest, WhatAServiceRemembersIsReplacedAsAWholeAndOutlivesTheProcess) {
  EXPECT_FALSE(log_->Recall("monitor").value());
  ASSERT_TRUE(log_->Remember("monitor", "one"));
  ASSERT_TRUE(log_->Remember("monitor", "two"));
  ASSERT_TRUE(log_->Remember("other", ""));
  Open(false);
  EXPECT_EQ(log_->Recall("monitor").value(), "two");
  EXPECT_EQ(log_->Recall("other").value(), "");
}

}  // namespace
}  // namespace signet::keystore
