// SPEC R1, R2: what is asked of whom, and what is believed, with responders that are right, wrong,
// slow and gone (ABUSE 103, 107-112; "Faults": OCSP responder).
#include "services/revocation/status_source.h"

#include "keystore/x509/revocation_urls.h"
#include "tests/services/status_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using keystore::x509::OcspStatus;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

using StatusOrder = StatusWorld;
using StatusLies = StatusWorld;
using StatusDelegates = StatusWorld;

// ---- who is asked

TEST_F(StatusOrder, TheCertificatesOwnResponderIsAsked) {
  const StatusAnswer answer = AskOnce({}, "with-responder");
  EXPECT_EQ(Brief(answer), "good: OCSP_GOOD") << answer.detail;
  EXPECT_EQ(answer.source, "OCSP " + here_ + "/live/good");
  EXPECT_EQ(answer.asked, clock_.Now());
  EXPECT_EQ(answer.this_update, clock_.Now() - 12h);
  EXPECT_EQ(answer.next_update, clock_.Now() + 36h);
  EXPECT_EQ(answer.fresh_until, clock_.Now() + 24h);
}

TEST_F(StatusOrder, AConfiguredResponderTakesThePlaceOfTheCertificatesOwn) {
  const StatusAnswer answer = AskOnce(At("/live/revoked"), "with-responder");
  EXPECT_EQ(Brief(answer), "revoked: OCSP_REVOKED");
  EXPECT_EQ(answer.revoked_at, clock_.Now() - 24h);
  EXPECT_EQ(Asked("/live/good"), 0u);
}

TEST_F(StatusOrder, WhoSaysUnknownIsFollowedByTheNextResponderAndThenByTheLists) {
  EXPECT_EQ(Brief(AskOnce({}, "with-two-responders")), "good: OCSP_GOOD");
  const StatusAnswer answer = AskOnce({}, "with-both");
  EXPECT_EQ(Brief(answer), "good: CRL_GOOD");
  EXPECT_EQ(answer.source, "CRL " + here_ + "/list/whole.crl");
  EXPECT_EQ(Asked("/live/unknown"), 2u);
  EXPECT_EQ(Brief(AskOnce({}, "with-dead-first")), "good: CRL_GOOD");
  EXPECT_EQ(Brief(AskOnce(At("/live/unknown"), "with-list")), "good: CRL_GOOD");
}

TEST_F(StatusOrder, ListsAreAskedWhereNoResponderIsNamed) {
  EXPECT_EQ(Brief(AskOnce({}, "with-list")), "good: CRL_GOOD");
  const StatusAnswer answer = AskOnce({}, "revoked-by-list");
  EXPECT_EQ(Brief(answer), "revoked: CRL_REVOKED");
  EXPECT_EQ(answer.revoked_at, ParseTime("2026-02-01T00:00:00Z").value());
  EXPECT_EQ(Brief(AskOnce({}, "with-bad-list")), "unknown: CRL_SIGNATURE_INVALID");
}

TEST_F(StatusOrder, WhoNamesNobodyHasAWordOfItsOwn) {
  for (const std::string name : {"leaf", "with-point-of-another"}) {
    const StatusAnswer answer = AskOnce({}, name);
    EXPECT_EQ(Brief(answer), "unknown: NO_STATUS_SOURCE");
    EXPECT_THAT(answer.source, IsEmpty());
  }
  EXPECT_EQ(Asked(), 0u);
}

TEST_F(StatusOrder, OddUrlsAreLeftOutAndTheRestIsAsked) {
  EXPECT_EQ(Brief(AskOnce({}, "with-odd-urls")), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(AskOnce({.responder = "file:///etc/passwd"})), "unknown: RESPONDER_NOT_ALLOWED");
  EXPECT_EQ(Brief(AskOnce({.responder = "http://\x1b[2J/"})), "unknown: RESPONDER_NOT_ALLOWED");
  using keystore::x509::CrlUrls;
  using keystore::x509::OcspUrls;
  EXPECT_THAT(OcspUrls(Player("with-many-urls")),
              ::testing::ElementsAre("http://h0.test/", "http://h1.test/", "http://h2.test/",
                                     "http://h3.test/"));
  EXPECT_THAT(CrlUrls(Player("with-many-urls")), SizeIs(4));
  EXPECT_THAT(OcspUrls(Player("with-long-url")), ::testing::ElementsAre("https://z.test/"));
}

// ABUSE 103
TEST_F(StatusOrder, TheAddressPolicyIsAskedBeforeEachConnection) {
  Lane lane("status", 1, 8);
  StatusSource source({clock_, lane, [] { return AddressPolicy(); }});
  const StatusAnswer answer = source.Ask(About("with-both"), {});
  EXPECT_EQ(Brief(answer), "unknown: RESPONDER_NOT_ALLOWED");
  EXPECT_THAT(answer.detail, AllOf(HasSubstr("ADDRESS_NOT_ALLOWED"), HasSubstr("whole.crl")));
  EXPECT_EQ(Asked(), 0u);
}

// RFC 5019 §5, RFC 6960 §A.1
TEST_F(StatusOrder, AShortQuestionWithoutNonceIsAGetAndAllOthersArePosts) {
  StatusRules rules = At("/live/good");
  rules.nonce = false;
  EXPECT_EQ(Brief(AskOnce(rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Asked("GET /live/good/M"), 1u);
  EXPECT_EQ(Brief(AskOnce(At("/live/good"))), "good: OCSP_GOOD");
  EXPECT_EQ(Asked("POST /live/good"), 1u);
  rules.responder += "?" + std::string(200, 'x');
  EXPECT_EQ(Brief(AskOnce(rules)), "good: OCSP_GOOD");
  rules.responder = here_ + "/live/good/" + std::string(200, 'x');
  EXPECT_EQ(Brief(AskOnce(rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Asked("POST"), 3u);
}

// ---- what is believed

// ABUSE 108: a prepared answer has no nonce; a replayed one has another.
TEST_F(StatusLies, AMissingNonceIsAcceptedAndAReplayedOneIsNot) {
  Sources sources(clock_);
  StatusRules rules = At("/live/replay");
  rules.anew = true;
  EXPECT_EQ(Brief(sources.source.Ask(About("leaf"), rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(sources.source.Ask(About("leaf"), rules)), "unknown: OCSP_NONCE_WRONG");
  EXPECT_EQ(Brief(AskOnce(At("/file/good"))), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(AskOnce(At("/file/nonce-wrong"))), "unknown: OCSP_NONCE_WRONG");
}

struct Lie {
  const char* path;
  const char* word;
  bool ill = false;  // the server backs off
};
// ABUSE 107, 109 to 112. The rest of make_ocsp.py is judged in ocsp_test.cc.
constexpr Lie kLies[] = {
    {"/file/other-serial", "OCSP_WRONG_ID"},
    {"/file/other-issuer-key", "OCSP_WRONG_ID"},
    {"/file/other-hash", "OCSP_WRONG_ID"},
    {"/file/of-twin", "OCSP_SIGNATURE_INVALID"},
    {"/file/future", "OCSP_FUTURE"},
    {"/file/stale", "OCSP_STALE"},
    {"/file/stale-revoked", "OCSP_STALE"},
    {"/file/produced-after-next", "OCSP_TIMES_INVALID"},
    {"/file/by-stranger", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/revoked-by-stranger", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/by-delegate-of-root", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/by-delegate-no-usage", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/by-delegate-expired", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/by-sub-ca", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/by-leaf", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/designated", "OCSP_RESPONDER_UNAUTHORISED"},
    {"/file/tampered-signature", "OCSP_SIGNATURE_INVALID"},
    {"/file/tampered-status", "OCSP_SIGNATURE_INVALID"},
    {"/file/sha1", "OCSP_SIGNATURE_WEAK"},
    {"/file/good-then-unknown", "OCSP_CONTRADICTORY"},
    {"/file/critical", "OCSP_CRITICAL_EXTENSION"},
    {"/file/unknown", "OCSP_UNKNOWN"},
    {"/file/status-unauthorized", "OCSP_REFUSED"},
    {"/file/status-try-later", "OCSP_TRY_LATER", true},
    {"/file/status-internal-error", "OCSP_RESPONDER_FAILED", true},
    {"/file/html", "OCSP_MALFORMED", true},
    {"/file/gzip", "OCSP_MALFORMED", true},
    {"/file/trailing", "OCSP_MALFORMED", true},
    {"/odd/empty", "OCSP_MALFORMED", true},
    {"/odd/html", "OCSP_MALFORMED", true},
    {"/odd/huge", "RESPONDER_FAILED", true},
    {"/odd/bomb", "RESPONDER_FAILED", true},
    {"/odd/close", "RESPONDER_FAILED", true},
    {"/odd/early", "RESPONDER_FAILED", true},
    {"/odd/no-http", "RESPONDER_FAILED", true},
    {"/odd/loop", "RESPONDER_FAILED", true},
    {"/odd/inside", "RESPONDER_NOT_ALLOWED"},
    {"/http/500", "RESPONDER_FAILED", true},
    {"/http/503", "RESPONDER_FAILED", true},
    {"/http/404", "RESPONDER_FAILED"},
};

TEST_F(StatusLies, AreNeverGoodAndSayWhy) {
  for (const Lie& lie : kLies) {
    Sources sources(clock_, 1);
    const StatusAnswer answer = sources.source.Ask(About("leaf"), At(lie.path));
    EXPECT_EQ(Brief(answer), std::string("unknown: ") + lie.word) << lie.path << answer.detail;
    EXPECT_EQ(answer.source, "OCSP " + here_ + lie.path);
    EXPECT_GT(answer.fresh_until, clock_.Now() + 30s) << lie.path;
    EXPECT_LT(answer.fresh_until, clock_.Now() + 2min) << lie.path;
    EXPECT_THAT(sources.source.Look().backing_off, SizeIs(lie.ill ? 1 : 0)) << lie.path;
  }
}

// ABUSE 103, 112
TEST_F(StatusLies, ListsThatAreNoneAreNeverGood) {
  for (const Lie& lie :
       {Lie{"stale", "CRL_STALE"}, Lie{"html", "CRL_MALFORMED", true},
        Lie{"huge", "RESPONDER_FAILED", true}, Lie{"missing", "RESPONDER_FAILED"},
        Lie{"failing", "RESPONDER_FAILED", true}, Lie{"cut", "RESPONDER_FAILED", true},
        Lie{"inside", "RESPONDER_NOT_ALLOWED"}}) {
    Sources sources(clock_, 1);
    const auto answer = sources.source.Ask(About("with-" + std::string(lie.path) + "-list"), {});
    EXPECT_EQ(Brief(answer), std::string("unknown: ") + lie.word) << lie.path << answer.detail;
    EXPECT_THAT(sources.source.Look().backing_off, SizeIs(lie.ill ? 1 : 0)) << lie.path;
    EXPECT_EQ(sources.source.Look().cache_hits, 0);
  }
}

// ABUSE 111
TEST_F(StatusLies, OfTwoContradictoryStatementsTheRevocationWins) {
  EXPECT_EQ(Brief(AskOnce(At("/file/good-then-revoked"))), "revoked: OCSP_CONTRADICTORY");
}

TEST_F(StatusLies, ADesignatedResponderIsBelievedWhereItIsDesignated) {
  Sources sources(clock_);
  StatusRules rules = At("/file/designated");
  rules.designated = {Player("designated")};
  EXPECT_EQ(Brief(sources.source.Ask(About("leaf"), rules)), "good: OCSP_GOOD");
  rules.designated.clear();  // and no longer: what it said is not remembered either
  EXPECT_EQ(Brief(sources.source.Ask(About("leaf"), rules)),
            "unknown: OCSP_RESPONDER_UNAUTHORISED");
}

// ABUSE 109
TEST_F(StatusLies, WithoutNextUpdateAnAnswerIsAsOldAsTheRulesAllow) {
  StatusRules rules = At("/live/no-next");
  EXPECT_EQ(Brief(AskOnce(rules)), "good: OCSP_GOOD");
  rules.max_age = 11h;
  EXPECT_EQ(Brief(AskOnce(rules)), "unknown: OCSP_STALE");
  rules.responder = here_ + "/live/good";  // says itself until when it holds
  EXPECT_EQ(Brief(AskOnce(rules)), "good: OCSP_GOOD");
}

TEST_F(StatusLies, WhoDripsOrIsSilentIsLeftInTime) {
  for (const std::string path : {"/odd/drip", "/odd/silent"}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(Brief(AskOnce(At(path))), "unknown: RESPONDER_TIMED_OUT") << path;
    EXPECT_LT(std::chrono::steady_clock::now() - start, 9s);
  }
}

TEST_F(StatusLies, WhoIsDownOrHasNoNameIsUnreachable) {
  const std::string dead = "http://127.0.0.1:" + std::to_string(testing::FreePort()) + "/";
  EXPECT_EQ(Brief(AskOnce({.responder = dead})), "unknown: RESPONDER_UNREACHABLE");
  EXPECT_EQ(Brief(AskOnce({.responder = "http://no-such-host.invalid/"})),
            "unknown: RESPONDER_UNREACHABLE");
}

// ---- delegates, RFC 6960 §4.2.2.2.1; ABUSE 110

TEST_F(StatusDelegates, OneThatIsToBeCheckedMustBeGoodItself) {
  EXPECT_EQ(Brief(AskOnce(At("/live/by-no-check"))), "good: OCSP_GOOD");
  EXPECT_EQ(Asked("whole.crl"), 0u);
  EXPECT_EQ(Brief(AskOnce(At("/live/by-checked"))), "good: OCSP_GOOD");
  EXPECT_EQ(Asked("whole.crl"), 1u);
  EXPECT_EQ(Brief(AskOnce(At("/live/by-by-ca"))), "good: OCSP_GOOD");
}

TEST_F(StatusDelegates, ARevokedOneIsNotBelieved) {
  const StatusAnswer answer = AskOnce(At("/live/by-revoked"));
  EXPECT_EQ(Brief(answer), "unknown: OCSP_DELEGATE_REVOKED");
  EXPECT_THAT(answer.detail, HasSubstr("CN=Revoked"));
}

TEST_F(StatusDelegates, NobodyVouchesForHimselfNorForEachOther) {
  EXPECT_EQ(Brief(AskOnce(At("/live/by-uncheckable"))), "unknown: OCSP_DELEGATE_UNCHECKED");
  EXPECT_EQ(Brief(AskOnce(At("/live/by-self-vouching"))), "unknown: OCSP_DELEGATE_UNCHECKED");
  EXPECT_EQ(Brief(AskOnce(At("/live/by-vouching-a"))), "unknown: OCSP_DELEGATE_UNCHECKED");
  EXPECT_LT(Asked(), 8u);
}

TEST_F(StatusDelegates, WhatTheyCannotProveTheListsMay) {
  EXPECT_EQ(Brief(AskOnce(At("/live/by-uncheckable"), "with-list")), "good: CRL_GOOD");
}

TEST_F(StatusDelegates, OneIsAskedForOnceForManyCertificates) {
  Sources sources(clock_);
  StatusRules rules = At("/live/by-checked");
  rules.anew = true;
  for (const StatusAnswer& answer : sources.source.AskAll(AboutMany("quick-", 24), rules)) {
    EXPECT_EQ(Brief(answer), "good: OCSP_GOOD");
  }
  EXPECT_EQ(Asked("whole.crl"), 1u);
}

}  // namespace
}  // namespace signet::services
