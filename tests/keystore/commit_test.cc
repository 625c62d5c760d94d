// The commit point of operations, and the format of the state.
#include <gmock/gmock.h>

#include "keystore/committer.h"
#include "keystore/format.h"
#include "tests/keystore/open_store.h"

namespace signet::keystore {
namespace {

using ::testing::HasSubstr;
using Fault = LossyStore::Fault;

class CommitterTest : public ::testing::Test {
 protected:
  CommitterTest()
      : state(State::Open(store.lossy, store.layout).value()), committer(*state, *clock) {
    operation.id = "000000000000000000000001";
    record.method = "test.change";
    record.detail = "what was done";
    record.destroy = {"aa"};
    transaction.Expect("/signet/x", 0);
    transaction.Put("/signet/x", "{}");
  }
  std::string Word(const Status& status) { return status ? "committed" : status.error().word; }

  OpenStore store;
  std::unique_ptr<State> state;
  std::unique_ptr<Clock> clock = MakeSystemClock();
  Committer committer;
  Operation operation;
  OperationRecord record;
  Transaction transaction;
};

TEST_F(CommitterTest, OperationLeavesItsRecordWithItsChange) {
  EXPECT_FALSE(committer.Find(operation.id).value());
  ASSERT_EQ(Word(committer.Commit(operation, transaction, record)), "committed");
  EXPECT_EQ(store.Get("/signet/x"), "{}");
  const auto found = committer.Find(operation.id).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->detail, "what was done");
  EXPECT_EQ(found->destroy, record.destroy);
}

TEST_F(CommitterTest, MovedRecordIsAConflictAndNothingIsWritten) {
  store.Put("/signet/x", "{\"other\":1}");
  const Status committed = committer.Commit(operation, transaction, record);
  EXPECT_EQ(Word(committed), "STATE_CHANGED");
  EXPECT_FALSE(committed.error().remedy.empty());
  EXPECT_FALSE(operation.leave_for_recovery);
  EXPECT_FALSE(committer.Find(operation.id).value());
}

TEST_F(CommitterTest, LostAnswerOfACommittedChangeIsFoundOut) {
  store.lossy.Next(Fault::kLoseAnswer);
  EXPECT_EQ(Word(committer.Commit(operation, transaction, record)), "committed");
  EXPECT_FALSE(operation.leave_for_recovery);
  EXPECT_EQ(store.Get("/signet/x"), "{}");
}

TEST_F(CommitterTest, RefusedCommitIsAnErrorAndNothingIsLeft) {
  store.lossy.Next(Fault::kRefuse);
  EXPECT_EQ(Word(committer.Commit(operation, transaction, record)), "STORE_BUSY");
  EXPECT_FALSE(operation.leave_for_recovery);
  EXPECT_FALSE(store.Get("/signet/x"));
}

TEST_F(CommitterTest, WhatCannotBeFoundOutIsLeftForRecovery) {
  store.lossy.Next(Fault::kLoseAnswerAndGet);
  EXPECT_EQ(Word(committer.Commit(operation, transaction, record)), "STORE_BUSY");
  EXPECT_TRUE(operation.leave_for_recovery);
}

TEST_F(CommitterTest, ForgottenRecordGoesWithTheNextCommit) {
  ASSERT_EQ(Word(committer.Commit(operation, transaction, record)), "committed");
  committer.Forget(operation.id);
  EXPECT_TRUE(committer.Find(operation.id).value());
  Operation next;
  next.id = "000000000000000000000002";
  store.lossy.Next(Fault::kRefuse);
  EXPECT_EQ(Word(committer.Commit(next, {}, record)), "STORE_BUSY");
  store.lossy.Next(Fault::kNone);
  EXPECT_EQ(Word(committer.Commit(next, {}, record)), "committed");
  EXPECT_FALSE(committer.Find(operation.id).value());
  EXPECT_TRUE(committer.Find(next.id).value());
}

class FormatTest : public ::testing::Test {
 protected:
  std::string Open(std::int64_t target, const std::vector<Migration>& steps = {},
                   const char* product = "imp", const char* cluster = "blue") {
    const Status opened = OpenFormat(*store.sqlite, product, cluster, steps, target);
    if (opened) return "opened";
    EXPECT_FALSE(opened.error().remedy.empty());
    last = opened.error();
    return last.word;
  }
  FormatRecord Stamp() {
    return FromJson<FormatRecord>(ParseJson(store.Get(Layout::Format()).value()).value()).value();
  }
  static Migration Step(std::int64_t from, bool works = true) {
    return {from, "step " + std::to_string(from),
            [from, works](Store&, Transaction& transaction) -> Status {
              transaction.Put("/signet/step" + std::to_string(from), "{}");
              if (!works) return MakeError(Kind::kUnavailable, "BROKEN", "the step broke");
              return Ok();
            }};
  }
  OpenStore store;
  Error last;
};

TEST_F(FormatTest, FreshStateIsStamped) {
  EXPECT_EQ(Open(kFormatVersion, Migrations()), "opened");
  EXPECT_EQ(Stamp().version, kFormatVersion);
  EXPECT_EQ(Stamp().product, "imp");
  EXPECT_EQ(Stamp().cluster, "blue");
  const Revision before = store.Now();
  EXPECT_EQ(Open(kFormatVersion, Migrations()), "opened");
  EXPECT_EQ(store.Now(), before);
}

TEST_F(FormatTest, OlderStateIsMigratedStepByStep) {
  ASSERT_EQ(Open(1), "opened");
  EXPECT_EQ(Open(3, {Step(2), Step(1)}), "opened");
  EXPECT_EQ(Stamp().version, 3);
  EXPECT_TRUE(store.Get("/signet/step1"));
  EXPECT_TRUE(store.Get("/signet/step2"));
}

TEST_F(FormatTest, FailingMigrationChangesNothing) {
  ASSERT_EQ(Open(1), "opened");
  const Revision before = store.Now();
  EXPECT_EQ(Open(2, {Step(1, false)}), "MIGRATION_FAILED");
  EXPECT_THAT(last.detail, HasSubstr("the step broke"));
  EXPECT_EQ(store.Now(), before);
  EXPECT_EQ(Stamp().version, 1);
  EXPECT_EQ(Open(1), "opened");
}

TEST_F(FormatTest, FailureOfALaterStepKeepsWhatEarlierStepsCommitted) {
  ASSERT_EQ(Open(1), "opened");
  EXPECT_EQ(Open(3, {Step(1), Step(2, false)}), "MIGRATION_FAILED");
  EXPECT_EQ(Stamp().version, 2);
  EXPECT_FALSE(store.Get("/signet/step2"));
  EXPECT_EQ(Open(3, {Step(1), Step(2)}), "opened");
}

TEST_F(FormatTest, MissingStepIsRefused) {
  ASSERT_EQ(Open(1), "opened");
  EXPECT_EQ(Open(3, {Step(2)}), "MIGRATION_FAILED");
  EXPECT_EQ(Stamp().version, 1);
}

TEST_F(FormatTest, NewerStateIsRefusedWithTheReason) {
  ASSERT_EQ(Open(2), "opened");
  EXPECT_EQ(Open(1), "STATE_TOO_NEW");
  EXPECT_THAT(last.detail, HasSubstr("format 2"));
  EXPECT_EQ(Stamp().version, 2);
}

TEST_F(FormatTest, StateOfAnotherProductOrClusterIsRefused) {
  ASSERT_EQ(Open(1), "opened");
  EXPECT_EQ(Open(1, {}, "cucm"), "STATE_OF_ANOTHER");
  EXPECT_EQ(Open(1, {}, "imp", "green"), "STATE_OF_ANOTHER");
  EXPECT_EQ(Open(1), "opened");
}

}  // namespace
}  // namespace signet::keystore
