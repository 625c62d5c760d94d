// What a StatusSource remembers, how it leaves alone who failed, and how many it asks at a time.
#include <atomic>
#include <future>
#include <map>

#include "tests/services/status_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using keystore::x509::OcspStatus;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StatusMemory : public StatusWorld {
 protected:
  StatusAnswer Ask(const StatusRules& rules, const std::string& about = "leaf") {
    return sources_.source.Ask(About(about), rules);
  }
  Sources sources_{clock_};
};
using StatusBackOff = StatusMemory;
using StatusRounds = StatusWorld;

// ---- the cache

TEST_F(StatusMemory, AFreshAnswerIsNotAskedForAgainUnlessItIsWantedAnew) {
  const StatusRules rules = At("/live/good");
  const StatusAnswer first = Ask(rules);
  clock_.Advance(23h);
  const StatusAnswer again = Ask(rules);
  EXPECT_EQ(again.asked, first.asked);
  EXPECT_EQ(Asked(), 1u);
  EXPECT_EQ(sources_.source.Look().cache_hits, 1);
  StatusRules anew = rules;
  anew.anew = true;
  EXPECT_EQ(Ask(anew).asked, clock_.Now());
  EXPECT_EQ(Asked(), 2u);
}

TEST_F(StatusMemory, AnAnswerIsKeptUntilTheFirstOfNextUpdateMaxAgeAndCacheControl) {
  struct Case {
    std::string path;
    std::chrono::seconds kept;
  };
  for (const Case& c :
       {Case{"/live/good", 24h}, Case{"/live/short-lived", 1h},
        Case{"/age/max-age=600/live/good", 600s}, Case{"/age/max-age=999999/live/good", 24h},
        Case{"/age/no-store/live/good", 0s}}) {
    EXPECT_EQ(AskOnce(At(c.path)).fresh_until, clock_.Now() + c.kept) << c.path;
  }
  const StatusRules rules = At("/age/max-age=600/live/good");
  Ask(rules);
  clock_.Advance(599s);
  Ask(rules);
  EXPECT_EQ(Asked(), 6u);
  clock_.Advance(1s);
  Ask(rules);
  EXPECT_EQ(Asked(), 7u);
}

TEST_F(StatusMemory, AnAnswerOfAnotherResponderOrIssuerIsNotTaken) {
  EXPECT_EQ(Brief(Ask(At("/live/good"))), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Ask(At("/live/revoked"))), "revoked: OCSP_REVOKED");
  EXPECT_EQ(Brief(sources_.source.Ask({Player("leaf"), Player("root")}, At("/live/good"))),
            "unknown: OCSP_WRONG_ISSUER");
}

// A list that comes once a week, or an answer that somebody on the way kept.
TEST_F(StatusMemory, AGoodFromBeforeTheRevocationIsNotTaken) {
  StatusRules rules;
  EXPECT_EQ(Brief(Ask(rules, "revoked-once")), "revoked: OCSP_REVOKED");
  rules.anew = true;
  EXPECT_EQ(Brief(Ask(rules, "revoked-once")), "revoked: OCSP_REVOKED");
  EXPECT_EQ(Asked("older.crl"), 1u);
  // Who never heard of the revocation takes the list's word.
  EXPECT_EQ(Brief(AskOnce(rules, "revoked-once")), "good: CRL_GOOD");
}

TEST_F(StatusMemory, AGoodWithoutNextUpdateHoldsForAsLongAsAnswersMay) {
  StatusRules rules;
  const StatusAnswer good = Ask(rules, "good-once");
  ASSERT_EQ(Brief(good), "good: OCSP_GOOD");
  ASSERT_FALSE(good.next_update);
  rules.anew = true;
  clock_.Advance(1h);
  const StatusAnswer later = Ask(rules, "good-once");
  EXPECT_EQ(later.status, OcspStatus::kUnknown);
  EXPECT_EQ(later.good_until, good.asked + rules.max_age);
}

// Anybody's certificate may name as its list what lies where a CA's responder is.
TEST_F(StatusMemory, AListThatIsNoneSilencesNoResponder) {
  for (const char* odd : {"with-html-list", "with-failing-list", "with-cut-list"})
    EXPECT_EQ(Ask({}, odd).status, OcspStatus::kUnknown) << odd;
  EXPECT_EQ(Brief(Ask(At("/live/good"))), "good: OCSP_GOOD");
}

TEST_F(StatusMemory, WhoMendedSomethingIsAnsweredAtOnce) {
  StatusRules rules = At("/http/503/1200");
  rules.anew = true;
  Ask(rules);
  EXPECT_EQ(Brief(Ask(rules)), "unknown: RESPONDER_BACKS_OFF");
  EXPECT_EQ(Asked("/http/503"), 1u);
  sources_.source.ForgetFailures();
  EXPECT_EQ(Brief(Ask(rules)), "unknown: RESPONDER_FAILED");
  EXPECT_EQ(Asked("/http/503"), 2u);
}

TEST_F(StatusMemory, WhatIsOfAFutureByTheClockOfNowIsNotTaken) {
  const StatusRules rules = At("/file/good");
  Ask(rules);
  clock_.Step(-1h);
  Ask(rules);
  EXPECT_EQ(Asked(), 2u);
  clock_.Step(-11h - 6min);  // before thisUpdate
  EXPECT_EQ(Brief(Ask(rules)), "unknown: OCSP_FUTURE");
  clock_.Step(49h);  // beyond nextUpdate
  EXPECT_EQ(Brief(Ask(rules)), "unknown: OCSP_STALE");
}

TEST_F(StatusMemory, ARevocationIsNotReplacedByUnknown) {
  const StatusQuestion question = About("with-responder");
  StatusRules rules{.responder = here_ + "/live/revoked"};
  EXPECT_EQ(Brief(sources_.source.Ask(question, rules)), "revoked: OCSP_REVOKED");
  server_.Signal(SIGSTOP);
  rules.anew = true;
  const StatusAnswer kept = sources_.source.Ask(question, rules);
  server_.Signal(SIGCONT);
  EXPECT_EQ(Brief(kept), "revoked: OCSP_REVOKED");
  EXPECT_GT(kept.fresh_until, clock_.Now());
}

TEST_F(StatusMemory, WhatIsUnknownByItselfIsAskedForAgainLaterAndLater) {
  const StatusRules rules = At("/file/other-serial");
  std::chrono::seconds last{};
  for (std::size_t round = 1; round <= 9; ++round) {
    const StatusAnswer answer = Ask(rules);
    EXPECT_EQ(Brief(answer), "unknown: OCSP_WRONG_ID");
    EXPECT_EQ(Asked(), round);
    const auto wait = answer.fresh_until - clock_.Now();
    EXPECT_GE(wait, round < 7 ? last : 54min) << round;
    EXPECT_LE(wait, 67min);
    last = wait;
    clock_.Advance(wait / 2);
    EXPECT_EQ(Ask(rules).asked, answer.asked);  // remembered
    clock_.Advance(wait);
  }
  EXPECT_GT(last, 50min);
}

TEST_F(StatusMemory, AGoodAnswerOutlivesLiesButNotTheRespondersOwnWord) {
  const StatusQuestion question = About("leaf");
  StatusRules rules = At("/live/replay");
  rules.anew = true;
  EXPECT_EQ(Brief(sources_.source.Ask(question, rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(sources_.source.Ask(question, rules)), "unknown: OCSP_NONCE_WRONG");
  rules.anew = false;
  EXPECT_EQ(Brief(sources_.source.Ask(question, rules)), "good: OCSP_GOOD");
}

TEST_F(StatusMemory, AListIsFetchedOnceForManyCertificatesAndKeptWhileItHolds) {
  const auto questions = AboutMany("listed-", 24);
  for (const StatusAnswer& answer : sources_.source.AskAll(questions, {})) {
    EXPECT_EQ(Brief(answer), "good: CRL_GOOD");
  }
  EXPECT_EQ(Asked(), 1u);
  EXPECT_EQ(sources_.source.Look().lists, 1u);
  clock_.Advance(23h);
  EXPECT_EQ(Brief(Ask({}, "listed-0")), "good: CRL_GOOD");  // its answer is, the list is
  EXPECT_EQ(Asked(), 1u);
  clock_.Advance(2h);
  EXPECT_EQ(Brief(Ask({}, "listed-1")), "unknown: CRL_STALE");  // as the file is
  EXPECT_EQ(Asked(), 2u);
  EXPECT_EQ(Brief(AskOnce({.anew = true}, "listed-2")), "unknown: CRL_STALE");
}

TEST_F(StatusMemory, AListThatProvesNothingIsNotKept) {
  EXPECT_EQ(Brief(Ask({}, "with-bad-list")), "unknown: CRL_SIGNATURE_INVALID");
  clock_.Advance(10min);
  EXPECT_EQ(Brief(Ask({}, "with-bad-list")), "unknown: CRL_SIGNATURE_INVALID");
  EXPECT_EQ(Asked("forged.crl"), 2u);
}

// ---- back-off

TEST_F(StatusBackOff, WhoFailsIsLeftAloneForLongerAndLonger) {
  const StatusRules rules = At("/http/500");
  std::chrono::seconds last{};
  for (std::size_t round = 1; round <= 8; ++round) {
    const StatusAnswer answer = Ask(rules);
    EXPECT_EQ(Brief(answer), "unknown: RESPONDER_FAILED");
    EXPECT_EQ(Asked(), round);
    const auto wait = answer.fresh_until - clock_.Now();
    EXPECT_GE(wait, round < 7 ? std::max<std::chrono::seconds>(last, 54s) : 54min);
    EXPECT_LE(wait, 67min);
    last = wait;
    clock_.Advance(wait - 1s);
    const StatusAnswer early = Ask(rules, "other");  // the whole server, not one certificate
    EXPECT_EQ(Brief(early), "unknown: RESPONDER_BACKS_OFF");
    EXPECT_THAT(early.detail,
                AllOf(HasSubstr("HTTP status 500"), HasSubstr(FormatTime(answer.fresh_until))));
    EXPECT_EQ(early.fresh_until, answer.fresh_until);
    EXPECT_THAT(early.source, IsEmpty());
    clock_.Advance(1s);
  }
  const auto figures = sources_.source.Look();
  EXPECT_THAT(figures.backing_off, IsEmpty());  // its time has come
}

TEST_F(StatusBackOff, ASuccessClearsIt) {
  for (int i = 0; i < 4; ++i) {
    Ask(At("/http/503"));
    clock_.Advance(20min);
  }
  EXPECT_EQ(Brief(Ask(At("/live/good"))), "good: OCSP_GOOD");
  const StatusAnswer answer = Ask(At("/http/503"));
  EXPECT_LT(answer.fresh_until, clock_.Now() + 2min);
}

TEST_F(StatusBackOff, RetryAfterIsRespectedUpToAnHour) {
  EXPECT_EQ(Ask(At("/http/503/1200")).fresh_until, clock_.Now() + 20min);
  clock_.Advance(19min);
  EXPECT_EQ(Brief(Ask(At("/http/503/1200"), "other")), "unknown: RESPONDER_BACKS_OFF");
  EXPECT_EQ(Asked(), 1u);
  EXPECT_EQ(AskOnce(At("/http/429/99999")).fresh_until, clock_.Now() + 1h);
}

TEST_F(StatusBackOff, TheCacheAnswersMeanwhileAndTheWallClockChangesNothing) {
  EXPECT_EQ(Brief(Ask(At("/live/good"))), "good: OCSP_GOOD");
  Ask(At("/http/500"), "other");
  EXPECT_EQ(Brief(Ask(At("/live/good"))), "good: OCSP_GOOD");
  StatusRules anew = At("/live/good");
  anew.anew = true;
  EXPECT_EQ(Brief(Ask(anew)), "unknown: RESPONDER_BACKS_OFF");
  clock_.Step(2h);
  EXPECT_EQ(Brief(Ask(anew)), "unknown: RESPONDER_BACKS_OFF");
  EXPECT_EQ(Asked(), 2u);
  const auto figures = sources_.source.Look();
  ASSERT_THAT(figures.backing_off, SizeIs(1));
  EXPECT_EQ(figures.backing_off.front().responder, host(here_));
  EXPECT_EQ(figures.backing_off.front().failures, 1);
}

TEST_F(StatusBackOff, OfManyThatFailTogetherOneFailureCounts) {
  const auto answers = sources_.source.AskAll(AboutMany("quick-", 24), At("/slow/100/http/500"));
  EXPECT_LE(Asked(), 4u);
  const auto figures = sources_.source.Look();
  ASSERT_THAT(figures.backing_off, SizeIs(1));
  EXPECT_EQ(figures.backing_off.front().failures, 1);
  for (const StatusAnswer& answer : answers) EXPECT_EQ(answer.status, OcspStatus::kUnknown);
}

TEST_F(StatusBackOff, OneServerDoesNotSpeakForAnother) {
  Ask({.responder = there_ + "/http/500"});
  EXPECT_EQ(Brief(Ask(At("/live/good"))), "good: OCSP_GOOD");
}

// ---- many at a time

TEST_F(StatusRounds, AnswersComeInTheQuestionsOrder) {
  Sources sources(clock_);
  std::vector<StatusQuestion> questions;
  std::vector<std::string> expected;
  for (int i = 0; i < 8; ++i) {
    for (const auto& [name, brief] : std::vector<std::pair<std::string, std::string>>{
             {"quick-" + std::to_string(i), "good: OCSP_GOOD"},
             {"revoked-by-list", "revoked: CRL_REVOKED"},
             {"leaf", "unknown: NO_STATUS_SOURCE"},
             {"with-both", "good: CRL_GOOD"}}) {
      questions.push_back(About(name));
      expected.push_back(brief);
    }
  }
  std::vector<std::string> told;
  for (const auto& answer : sources.source.AskAll(questions, {})) told.push_back(Brief(answer));
  EXPECT_EQ(told, expected);
  EXPECT_THAT(sources.source.AskAll({}, {}), IsEmpty());
}

// "Faults": other targets' checks go on.
TEST_F(StatusRounds, ASlowResponderDoesNotHoldUpOthers) {
  Sources sources(clock_, 4);
  std::vector<StatusQuestion> questions = AboutMany("slow-", 8);
  const auto quick = AboutMany("quick-", 24);
  questions.insert(questions.end(), quick.begin(), quick.end());
  for (const StatusAnswer& answer : sources.source.AskAll(questions, {})) {
    EXPECT_EQ(Brief(answer), "good: OCSP_GOOD");
  }
  // Two of four threads wait 400 ms for the slow one. While they do, the quick ones are through.
  const std::string output = server_.Output();
  const std::size_t last_quick = output.rfind("asked here");
  std::size_t slow_before = 0;
  for (std::size_t at = output.find("asked there"); at < last_quick;
       at = output.find("asked there", at + 1)) {
    ++slow_before;
  }
  EXPECT_LE(slow_before, 4u);
}

TEST_F(StatusRounds, ASlowResponderDoesNotHoldUpAnotherCaller) {
  Sources sources(clock_, 4);
  std::thread slow([&] { sources.source.AskAll(AboutMany("slow-", 24), {}); });
  EXPECT_TRUE(testing::Eventually([&] { return Asked("there") >= 2; }, testing::Seconds(10)));
  sources.source.AskAll(AboutMany("quick-", 12), {});
  EXPECT_LT(Asked("there"), 24u);  // which takes 2.4 s at least
  slow.join();
  EXPECT_EQ(Asked(), 36u);
}

TEST_F(StatusRounds, OneThatIsAloneHasAllThreadsAndNoMoreThanThere) {
  Sources sources(clock_, 8);
  sources.source.AskAll(AboutMany("slow-", 24), {});
  EXPECT_GT(MostAtOnce("there"), 4);
  EXPECT_LE(MostAtOnce("there"), 8);
}

TEST_F(StatusRounds, ALaneThatStopsLeavesNobodyWaiting) {
  Sources sources(clock_, 2);
  std::vector<StatusAnswer> answers;
  std::thread asking([&] { answers = sources.source.AskAll(AboutMany("slow-", 24), {}); });
  EXPECT_TRUE(testing::Eventually([&] { return Asked() >= 2; }, testing::Seconds(10)));
  EXPECT_TRUE(sources.lane.Stop(10s));
  asking.join();
  ASSERT_THAT(answers, SizeIs(24));
  EXPECT_EQ(Brief(answers.back()), "unknown: STATUS_NOT_ASKED");
}

TEST_F(StatusRounds, ALaneThatIsFullOfOthersWorkIsNotWaitedFor) {
  Lane lane("status", 1, 1);
  StatusSource source({clock_, lane, &LoopbackAllowed});
  std::promise<void> done;
  std::shared_future<void> end = done.get_future().share();
  std::promise<void> begun;
  ASSERT_TRUE(lane.TryPost([&] {
    begun.set_value();
    end.wait();
  }));
  begun.get_future().wait();
  ASSERT_TRUE(lane.TryPost([] {}));
  for (const StatusAnswer& answer : source.AskAll(AboutMany("quick-", 3), {})) {
    EXPECT_EQ(Brief(answer), "unknown: STATUS_NOT_ASKED");
    EXPECT_EQ(answer.fresh_until, clock_.Now());
  }
  done.set_value();
  EXPECT_TRUE(lane.Stop(10s));
}

TEST_F(StatusRounds, ALaneWithLittleRoomIsEnough) {
  Lane lane("status", 4, 1);
  StatusSource source({clock_, lane, &LoopbackAllowed});
  for (const StatusAnswer& answer : source.AskAll(AboutMany("quick-", 24), {})) {
    EXPECT_EQ(Brief(answer), "good: OCSP_GOOD");
  }
}

TEST_F(StatusRounds, ManyCallersAtOnceAreServed) {
  Sources sources(clock_, 4);
  std::atomic<int> good = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&, i] {
      StatusRules rules{.anew = i % 2 == 0};
      for (const auto& name : {"quick-", "listed-"}) {
        for (const auto& answer : sources.source.AskAll(AboutMany(name, 8), rules)) {
          good += answer.status == OcspStatus::kGood;
        }
      }
      good += sources.source.Ask(About("with-responder"), rules).status == OcspStatus::kGood;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 6 * 17);
}

TEST_F(StatusRounds, FiguresCountWhatWasToldByWhom) {
  Sources sources(clock_, 2);
  sources.source.AskAll(AboutMany("quick-", 3), {});
  sources.source.Ask(About("with-both"), {});
  sources.source.Ask(About("with-both"), {});
  std::map<std::string, std::int64_t> counts;
  const StatusFigures figures = sources.source.Look();
  for (const auto& outcome : figures.outcomes)
    counts[outcome.kind + " " + outcome.word] = outcome.count;
  EXPECT_EQ(counts, (std::map<std::string, std::int64_t>{
                        {"ocsp OCSP_GOOD", 3}, {"ocsp OCSP_UNKNOWN", 1}, {"crl CRL_GOOD", 1}}));
  EXPECT_EQ(figures.cache_hits, 1);
  EXPECT_EQ(figures.answers, 4u);
  EXPECT_EQ(figures.lists, 1u);
  EXPECT_GT(figures.list_octets, 100u);
}

}  // namespace
}  // namespace signet::services
