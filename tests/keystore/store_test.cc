#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "keystore/store/sqlite_store.h"
#include "tests/keystore/scratch.h"

namespace signet::keystore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr Duration kSoon = std::chrono::seconds(10);

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(true); }
  void Open(bool create) {
    store_.reset();
    auto opened = OpenSqliteStore(scratch_.File("state.db"), create);
    ASSERT_TRUE(opened) << opened.error().ToString();
    store_ = std::move(opened).value();
  }
  Revision Put(const std::string& key, const std::string& value) {
    Transaction transaction;
    transaction.Put(key, value);
    return Commit(transaction).value_or(0);
  }
  Revision Delete(const std::string& key) {
    Transaction transaction;
    transaction.Delete(key);
    return Commit(transaction).value_or(0);
  }
  std::optional<Revision> Commit(const Transaction& transaction) {
    auto result = store_->Commit(transaction, kSoon);
    EXPECT_TRUE(result) << result.error().ToString();
    return result ? result.value() : std::nullopt;
  }
  std::optional<Record> Get(const std::string& key) { return store_->Get(key, kSoon).value(); }
  std::vector<std::string> Keys(const std::string& prefix, const std::string& after = "",
                                std::size_t limit = 0) {
    std::vector<std::string> keys;
    const Range range = store_->List(prefix, after, limit, kSoon).value();
    for (const Record& record : range.records) {
      keys.push_back(record.key);
    }
    return keys;
  }
  Revision Now() { return store_->List("none/", "", 1, kSoon).value().revision; }

  Scratch scratch_;
  std::unique_ptr<Store> store_;
};

// A sink that remembers "revision: key=value".
struct Seen {
  std::vector<std::pair<Revision, std::string>> events;
  WatchSink Sink() {
    return [this](Revision revision, const std::vector<Event>& list) {
      std::string text;
      for (const Event& event : list) {
        EXPECT_EQ(event.modified, revision);
        text += event.key + "=" + event.value.value_or("(deleted)") + " ";
      }
      events.emplace_back(revision, text);
    };
  }
};

TEST_F(StoreTest, RecordKeepsItsCreationAndItsLastChange) {
  const Revision first = Put("a", "1");
  const Revision second = Put("a", "2");
  EXPECT_EQ(second, first + 1);
  const std::optional<Record> record = Get("a");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->value, "2");
  EXPECT_EQ(record->created, first);
  EXPECT_EQ(record->modified, second);
  EXPECT_FALSE(Get("b"));
}

TEST_F(StoreTest, DeletedAndMadeAgainRecordIsANewOne) {
  Put("a", "1");
  Delete("a");
  EXPECT_FALSE(Get("a"));
  const Revision again = Put("a", "2");
  EXPECT_EQ(Get("a")->created, again);
}

TEST_F(StoreTest, CommitHappensOnlyWhenEveryCompareHolds) {
  const Revision a = Put("a", "1");
  Transaction stale;
  stale.Expect("a", a);
  stale.Expect("b", a);
  stale.Put("a", "2");
  EXPECT_FALSE(Commit(stale));
  EXPECT_EQ(Get("a")->value, "1");
  EXPECT_EQ(Now(), a);

  Transaction create;
  create.Expect("b", 0);
  create.Put("b", "new");
  EXPECT_TRUE(Commit(create));
  EXPECT_FALSE(Commit(create)) << "the key exists now";
}

TEST_F(StoreTest, NothingChangedLeavesTheRevision) {
  const Revision now = Put("a", "1");
  EXPECT_EQ(Delete("absent"), now);
  Transaction compare;
  compare.Expect("a", now);
  EXPECT_EQ(Commit(compare), now);
  EXPECT_EQ(Now(), now);
}

TEST_F(StoreTest, ListIsInKeyOrderUnderThePrefixOnly) {
  for (const char* key : {"n/b", "n/a", "n", "o/a", "n/a/x", "m/z", "n/\xff\xff"}) Put(key, "v");
  EXPECT_THAT(Keys("n/"), ElementsAre("n/a", "n/a/x", "n/b", "n/\xff\xff"));
  EXPECT_THAT(Keys("n/", "n/a"), ElementsAre("n/a/x", "n/b", "n/\xff\xff"));
  EXPECT_THAT(Keys("n/\xff"), ElementsAre("n/\xff\xff"));
  EXPECT_THAT(Keys("n/", "a"), ElementsAre("n/a", "n/a/x", "n/b", "n/\xff\xff"));
  EXPECT_THAT(Keys("n/", "o"), IsEmpty());
  EXPECT_EQ(Keys("").size(), 7u);
}

TEST_F(StoreTest, ListWithALimitGoesOnAfterTheLastKey) {
  for (int i = 0; i < 10; ++i) Put("k/" + std::to_string(i), "v");
  const Range page = store_->List("k/", "", 4, kSoon).value();
  EXPECT_EQ(page.records.size(), 4u);
  EXPECT_TRUE(page.more);
  const Range rest = store_->List("k/", page.records.back().key, 6, kSoon).value();
  EXPECT_EQ(rest.records.front().key, "k/4");
  EXPECT_EQ(rest.records.size(), 6u);
  EXPECT_FALSE(rest.more);
}

TEST_F(StoreTest, KeysAndValuesAreBytes) {
  const std::string odd("x\0y'\"%_", 7);
  Put(odd, odd);
  EXPECT_EQ(Get(odd)->value, odd);
  EXPECT_THAT(Keys(odd), ElementsAre(odd));
}

TEST_F(StoreTest, TransactionOf128OperationsFitsAndOneMoreDoesNot) {
  Transaction transaction;
  for (int i = 0; i < 128; ++i) {
    transaction.Expect("k" + std::to_string(i), 0);
    transaction.Put("k" + std::to_string(i), "v");
  }
  EXPECT_TRUE(Commit(transaction));
  transaction.Put("one more", "v");
  const auto result = store_->Commit(transaction, kSoon);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "TRANSACTION_TOO_LARGE");
  EXPECT_FALSE(result.error().remedy.empty());
}

TEST_F(StoreTest, TransactionOfOneAndAHalfMebibytesFitsAndOneByteMoreDoesNot) {
  Transaction transaction;
  transaction.Put("k", std::string(kMaxRequestBytes - 1, 'x'));
  EXPECT_TRUE(Commit(transaction));
  transaction.writes[0].value->push_back('x');
  EXPECT_EQ(store_->Commit(transaction, kSoon).error().word, "TRANSACTION_TOO_LARGE");
}

TEST_F(StoreTest, KeyWrittenTwiceOrEmptyIsRefused) {
  Transaction twice;
  twice.Put("k", "1");
  twice.Delete("k");
  EXPECT_EQ(store_->Commit(twice, kSoon).error().word, "KEY_REPEATED");
  Transaction empty;
  empty.Put("", "1");
  EXPECT_EQ(store_->Commit(empty, kSoon).error().word, "KEY_INVALID");
}

TEST_F(StoreTest, DeadlineThatIsOverIsATimeOut) {
  EXPECT_EQ(store_->Get("a", Duration::zero()).error().kind, Kind::kTimeout);
  EXPECT_EQ(store_->Commit({}, -kSoon).error().kind, Kind::kTimeout);
  EXPECT_TRUE(store_->Get("a", Duration::max()));
}

TEST_F(StoreTest, WatchSeesWholeTransactionsUnderItsPrefix) {
  Put("a/1", "before");
  Seen seen;
  const auto watch = store_->Watch("a/", 0, seen.Sink()).value();
  Transaction transaction;
  transaction.Put("a/2", "x");
  transaction.Put("b/1", "other");
  transaction.Delete("a/1");
  transaction.Delete("a/absent");
  const Revision revision = *Commit(transaction);
  Put("b/2", "other");
  EXPECT_THAT(seen.events, ElementsAre(Pair(revision, "a/2=x a/1=(deleted) ")));
}

TEST_F(StoreTest, WatchFromARevisionReplaysWhatFollowedIt) {
  const Revision first = Put("a", "1");
  const Revision second = Put("a", "2");
  const Revision third = Delete("a");
  Open(false);  // history survives
  Seen seen;
  const auto watch = store_->Watch("", first, seen.Sink()).value();
  const Revision fourth = Put("b", "3");
  EXPECT_THAT(seen.events,
              ElementsAre(Pair(second, "a=2 "), Pair(third, "a=(deleted) "), Pair(fourth, "b=3 ")));
}

// Format 1 kept each value twice.
TEST_F(StoreTest, HistoryOfTheFirstFormatIsReplayed) {
  const Revision first = Put("a", "1");
  const Revision second = Put("a", "2");
  const Revision third = Put("b", "3");
  store_.reset();
  {
    SQLite::Database database(scratch_.File("state.db"), SQLite::OPEN_READWRITE);
    database.exec(
        "UPDATE history SET value = (SELECT value FROM kv WHERE kv.key = history.key) WHERE in_kv");
    database.exec("ALTER TABLE history DROP COLUMN in_kv");
    database.exec("PRAGMA user_version = 1");
  }
  Open(false);
  Seen seen;
  const auto watch = store_->Watch("", first, seen.Sink()).value();
  const Revision fourth = Put("b", "4");
  EXPECT_THAT(seen.events,
              ElementsAre(Pair(second, "a=2 "), Pair(third, "b=3 "), Pair(fourth, "b=4 ")));
  Seen again;
  const auto other = store_->Watch("", first, again.Sink()).value();
  EXPECT_EQ(again.events, seen.events);
}

TEST_F(StoreTest, WatchFromTheRevisionOfAnEmptyStoreSeesTheFirstChange) {
  const Revision empty = Now();
  EXPECT_GT(empty, 0);
  const Revision first = Put("a", "1");
  Seen seen;
  const auto watch = store_->Watch("", empty, seen.Sink()).value();
  EXPECT_THAT(seen.events, ElementsAre(Pair(first, "a=1 ")));
}

TEST_F(StoreTest, DeadWatchIsNotCalled) {
  Seen seen;
  auto watch = store_->Watch("", 0, seen.Sink()).value();
  watch.reset();
  Put("a", "1");
  EXPECT_THAT(seen.events, IsEmpty());
}

TEST_F(StoreTest, WatchWithoutGapOrRepetitionWhileOthersWrite) {
  constexpr int kWrites = 150;
  const Revision start = Now();
  const auto write = [&](const std::string& name) {
    for (int i = 0; i < kWrites; ++i) Put(name + "/" + std::to_string(i), "v");
  };
  std::thread one(write, "one"), two(write, "two");
  std::vector<Seen> seen(20);
  {
    std::vector<std::unique_ptr<Watch>> watches;
    for (Seen& each : seen) {
      watches.push_back(store_->Watch("", start, each.Sink()).value());
      static_cast<void>(Keys("one/"));
    }
    one.join();
    two.join();
  }
  for (const Seen& each : seen) {
    ASSERT_EQ(each.events.size(), 2u * kWrites);
    for (std::size_t i = 0; i < each.events.size(); ++i) {
      ASSERT_EQ(each.events[i].first, start + 1 + static_cast<Revision>(i));
    }
  }
}

TEST_F(StoreTest, TwoThreadsThatCountByCompareAndSwapLoseNothing) {
  constexpr int kEach = 100;
  Put("counter", "0");
  const auto count = [&] {
    for (int i = 0; i < kEach;) {
      const Record record = *Get("counter");
      Transaction transaction;
      transaction.Expect("counter", record.modified);
      transaction.Put("counter", std::to_string(std::stoi(record.value) + 1));
      if (Commit(transaction)) ++i;
    }
  };
  std::thread one(count), two(count);
  one.join();
  two.join();
  EXPECT_EQ(Get("counter")->value, std::to_string(2 * kEach));
}

TEST_F(StoreTest, HistoryOlderThanTenThousandRevisionsIsCompacted) {
  const Revision start = Now();
  for (int i = 0; i < 10'001; ++i) Put("k", std::to_string(i));
  Seen seen;
  const auto gone = store_->Watch("", start, seen.Sink());
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().word, "STORE_COMPACTED");
  EXPECT_FALSE(gone.error().remedy.empty());
  EXPECT_TRUE(store_->Watch("", start + 1, seen.Sink()));
  EXPECT_EQ(seen.events.size(), 10'000u);
}

TEST_F(StoreTest, HistoryOfLargeValuesIsCompactedBySize) {
  const Revision start = Now();
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 70; ++i) Put("k", large);
  Seen seen;
  EXPECT_EQ(store_->Watch("", start, seen.Sink()).error().word, "STORE_COMPACTED");
  EXPECT_TRUE(store_->Watch("", Now() - 60, seen.Sink()));
  EXPECT_LT(std::filesystem::file_size(scratch_.File("state.db")), 80u << 20);
}

}  // namespace
}  // namespace signet::keystore
