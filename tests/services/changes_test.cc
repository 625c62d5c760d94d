// Every change is journalled before, audited after, and done once for one idempotency key.
#include "services/changes.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "keystore/node_log.h"
#include "services/events.h"
#include "tests/keystore/scratch.h"
#include "tests/services/forwarding_log.h"

namespace signet::services {
namespace {

namespace asio = boost::asio;
using keystore::AuditRecord;
using keystore::NodeLog;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Forwards to a real log, until it is told that the disk is full.
class FullDiskLog final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  bool begin_fails = false, finish_fails = false;

  Result<keystore::JournalEntry> Begin(const keystore::ChangeOrigin& origin) override {
    if (begin_fails) return Full();
    return ForwardingLog::Begin(origin);
  }
  Status Finish(const keystore::JournalEntry& entry, const std::string& outcome,
                const std::string& detail, const std::optional<std::string>& result) override {
    if (finish_fails) return Full();
    return ForwardingLog::Finish(entry, outcome, detail, result);
  }

 private:
  static Error Full() {
    return MakeError(Kind::kUnavailable, "AUDIT_UNAVAILABLE", "the disk is full", "Make room.");
  }
};

class ChangesTest : public ::testing::Test {
 protected:
  RequestContext From(const std::string& actor = "uid:1 (ada)", const std::string& key = "") {
    RequestContext context;
    context.actor = actor;
    context.role = Role::kAdministrator;
    context.origin = "socket";
    context.idempotency_key = key;
    return context;
  }
  // Work that counts, and answers with that count.
  Changes::Work Counting() {
    return [this](std::shared_ptr<keystore::Operation> operation)
               -> asio::awaitable<Result<json::value>> {
      last = operation->id;
      operation->detail = "made it";
      co_return json::value(++count);
    };
  }
  Changes::Work Failing(Error error, bool leave = false) {
    return [this, error, leave](std::shared_ptr<keystore::Operation> operation)
               -> asio::awaitable<Result<json::value>> {
      last = operation->id;
      operation->leave_for_recovery = leave;
      co_return error;
    };
  }
  Result<json::value> Run(RequestContext context, Changes::Work work,
                          const std::string& digest = "d1",
                          const std::string& method = "test.change") {
    std::optional<Result<json::value>> result;
    auto body = [&]() -> asio::awaitable<void> {
      result = co_await changes.Run(context, method, digest, work);
    };
    asio::co_spawn(loop, body, asio::detached);
    loop.restart();
    loop.run();
    return std::move(*result);
  }
  static std::string Word(const Result<json::value>& result) {
    if (result) return "done";
    EXPECT_FALSE(result.error().remedy.empty());
    return result.error().word;
  }
  std::vector<std::string> Outcomes() {
    std::vector<std::string> outcomes;
    const auto records = real->Audit(0, 100).value();
    for (const AuditRecord& record : records) outcomes.push_back(record.outcome);
    return outcomes;
  }
  std::vector<std::string> Pending() {
    std::vector<std::string> ids;
    const auto entries = real->Pending().value();
    for (const auto& entry : entries) ids.push_back(entry.id);
    return ids;
  }

  keystore::Scratch scratch;
  keystore::StandingClock clock;
  std::unique_ptr<NodeLog> real = NodeLog::Open(scratch.File("node.db"), true, clock).value();
  FullDiskLog log{*real};
  asio::io_context loop;
  Lane lane{"store", 1, 64};
  std::vector<std::string> forgotten;
  Events events{log, lane, clock};
  Changes changes{log, lane, clock, [this](const std::string& id) { forgotten.push_back(id); },
                  [this](const EndedChange& change) { TellEnd(events, change); }};
  int count = 0;
  std::string last;
};

TEST_F(ChangesTest, ChangeIsAuditedWithActorMethodDigestAndOutcome) {
  EXPECT_EQ(Run(From(), Counting()).value(), json::value(1));
  const auto records = real->Audit(0, 10).value();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].origin.actor, "uid:1 (ada)");
  EXPECT_EQ(records[0].origin.role, "administrator");
  EXPECT_EQ(records[0].origin.method, "test.change");
  EXPECT_EQ(records[0].origin.digest, "d1");
  EXPECT_EQ(records[0].outcome, "done");
  EXPECT_EQ(records[0].detail, "made it");
  EXPECT_EQ(records[0].operation, last);
  EXPECT_THAT(Pending(), IsEmpty());
  EXPECT_THAT(forgotten, ElementsAre(last));
}

TEST_F(ChangesTest, EachChangeThatEndsIsAnEventAndOneThatDoesNotIsNone) {
  EXPECT_EQ(Run(From(), Counting()).value(), json::value(1));
  const std::string operation = last;
  EXPECT_FALSE(Run(From(), Failing(MakeError(Kind::kRefused, "KEY_MISMATCH", "no", "Try."))));
  // Left for recovery, which tells of it.
  EXPECT_FALSE(Run(From(), Failing(MakeError(Kind::kTokenFailed, "GONE", "no", "Look."), true)));
  ASSERT_TRUE(lane.Stop(std::chrono::seconds(10)));
  const auto told = real->Events(0, 10).value();
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0].kind, "operation");
  EXPECT_EQ(told[0].text, "test.change by uid:1 (ada): done");
  EXPECT_EQ(json::parse(told[0].details), (json::value{{"operation", operation},
                                                       {"method", "test.change"},
                                                       {"actor", "uid:1 (ada)"},
                                                       {"outcome", "done"},
                                                       {"detail", "made it"}}));
  EXPECT_THAT(told[1].text, HasSubstr("failed:KEY_MISMATCH"));
}

TEST_F(ChangesTest, RefusedChangeIsAuditedWithItsWord) {
  EXPECT_EQ(Word(Run(From(), Failing(MakeError(Kind::kRefused, "KEY_MISMATCH", "no\nmatch",
                                               "Try another.")))),
            "KEY_MISMATCH");
  EXPECT_THAT(Outcomes(), ElementsAre("failed:KEY_MISMATCH"));
  EXPECT_THAT(real->Audit(0, 1).value()[0].detail, ::testing::Not(HasSubstr("\n")));
  EXPECT_THAT(Pending(), IsEmpty());
}

TEST_F(ChangesTest, RepeatedKeyGetsTheStoredAnswerAndNothingHappensTwice) {
  EXPECT_EQ(Run(From("ada", "k1"), Counting()).value(), json::value(1));
  EXPECT_EQ(Run(From("ada", "k1"), Counting()).value(), json::value(1));
  EXPECT_EQ(count, 1);
  EXPECT_THAT(Outcomes(), ElementsAre("done"));
}

TEST_F(ChangesTest, KeyBelongsToItsActor) {
  std::ignore = Run(From("ada", "k1"), Counting());
  EXPECT_EQ(Run(From("bob", "k1"), Counting()).value(), json::value(2));
}

TEST_F(ChangesTest, ChangesWithoutAKeyAreNotRemembered) {
  std::ignore = Run(From(), Counting());
  EXPECT_EQ(Run(From(), Counting()).value(), json::value(2));
}

TEST_F(ChangesTest, KeyWithOtherContentIsRefused) {
  std::ignore = Run(From("ada", "k1"), Counting());
  EXPECT_EQ(Word(Run(From("ada", "k1"), Counting(), "d2")), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(Word(Run(From("ada", "k1"), Counting(), "d1", "other.change")),
            "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(count, 1);
}

TEST_F(ChangesTest, FailedChangeMayBeTriedAgainWithItsKey) {
  std::ignore = Run(From("ada", "k1"), Failing(MakeError(Kind::kRefused, "NO", "no", "Mend it.")));
  EXPECT_EQ(Run(From("ada", "k1"), Counting()).value(), json::value(1));
}

TEST_F(ChangesTest, SameKeyWhileItRunsIsRefused) {
  asio::steady_timer gate(loop, std::chrono::hours(1));
  Changes::Work slow =
      [&](std::shared_ptr<keystore::Operation>) -> asio::awaitable<Result<json::value>> {
    boost::system::error_code ignored;
    co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_return json::value("slow");
  };
  std::optional<Result<json::value>> first, second, other;
  const RequestContext ada = From("ada", "k1"), bob = From("bob", "k1");
  auto run_first = [&]() -> asio::awaitable<void> {
    first = co_await changes.Run(ada, "test.change", "d1", slow);
  };
  auto run_second = [&]() -> asio::awaitable<void> {
    while (Pending().empty()) {
      asio::steady_timer wait(loop, std::chrono::milliseconds(5));
      co_await wait.async_wait(asio::use_awaitable);
    }
    second = co_await changes.Run(ada, "test.change", "d1", Counting());
    other = co_await changes.Run(bob, "test.change", "d1", Counting());
    gate.cancel();
  };
  asio::co_spawn(loop, run_first, asio::detached);
  asio::co_spawn(loop, run_second, asio::detached);
  loop.run();
  EXPECT_EQ(Word(*second), "OPERATION_IN_PROGRESS");
  EXPECT_EQ(Word(*other), "done");
  EXPECT_EQ(first->value(), json::value("slow"));
  EXPECT_EQ(Run(ada, Counting()).value(), json::value("slow"));
}

TEST_F(ChangesTest, ChangeThatCannotBeAuditedDoesNotBegin) {
  log.begin_fails = true;
  EXPECT_EQ(Word(Run(From(), Counting())), "AUDIT_UNAVAILABLE");
  EXPECT_EQ(count, 0);
  log.begin_fails = false;
  EXPECT_EQ(Word(Run(From(), Counting())), "done");
}

TEST_F(ChangesTest, ChangeWhoseRecordIsLostSaysSoAndIsLeftForRecovery) {
  log.finish_fails = true;
  const auto result = Run(From("ada", "k1"), Counting());
  EXPECT_EQ(Word(result), "AUDIT_UNAVAILABLE");
  EXPECT_THAT(result.error().detail, HasSubstr("the change was made"));
  EXPECT_THAT(Pending(), ElementsAre(last));
  EXPECT_THAT(changes.Recoverable(), ElementsAre(last));
  EXPECT_THAT(forgotten, IsEmpty());
  changes.Recovered(last);
  EXPECT_THAT(changes.Recoverable(), IsEmpty());
}

TEST_F(ChangesTest, WorkThatCouldNotCleanUpKeepsItsRow) {
  const Error error = MakeError(Kind::kTokenFailed, "TOKEN_GONE", "gone", "Plug it in.");
  EXPECT_EQ(Word(Run(From(), Failing(error, true))), "TOKEN_GONE");
  EXPECT_THAT(Pending(), ElementsAre(last));
  EXPECT_THAT(changes.Recoverable(), ElementsAre(last));
  EXPECT_THAT(Outcomes(), IsEmpty());
}

TEST_F(ChangesTest, TimedOutChangeKeepsItsRowAndIsRecoveredOnlyWhenItsWorkMustBeOver) {
  const Error error = MakeError(Kind::kTimeout, "OPERATION_TIMED_OUT", "too late", "Look again.");
  EXPECT_EQ(Word(Run(From(), Failing(error))), "OPERATION_TIMED_OUT");
  EXPECT_THAT(Pending(), ElementsAre(last));
  EXPECT_THAT(changes.Recoverable(), IsEmpty());
  clock.Move(std::chrono::seconds(299));
  EXPECT_THAT(changes.Recoverable(), IsEmpty());
  clock.Move(std::chrono::seconds(1));
  EXPECT_THAT(changes.Recoverable(), ElementsAre(last));
}

TEST_F(ChangesTest, RefusalsAreAuditedOnceASecondForOneActorAndOutcome) {
  const Error denied = MakeError(Kind::kDenied, "ACCESS_DENIED", "no", "Ask.");
  const Error refused = MakeError(Kind::kTokenLocked, "TOKEN_LOCKED", "no", "Unlock.");
  auto note = [&](const std::string& actor, const Error& error) {
    asio::co_spawn(loop, changes.NoteRefused(From(actor), "test.change", "d", error),
                   asio::detached);
    loop.restart();
    loop.run();
  };
  for (int i = 0; i < 100; ++i) note("ada", denied);
  note("ada", refused);
  note("bob", denied);
  EXPECT_THAT(Outcomes(),
              ElementsAre("denied:ACCESS_DENIED", "refused:TOKEN_LOCKED", "denied:ACCESS_DENIED"));
  clock.Move(std::chrono::seconds(1));
  note("ada", denied);
  EXPECT_THAT(Outcomes(), SizeIs(4));
  EXPECT_EQ(real->VerifyAudit().value().first_bad, 0);
}

}  // namespace
}  // namespace signet::services
