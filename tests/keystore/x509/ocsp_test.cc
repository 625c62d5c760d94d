// What a response proves, on the true ones and the lies of tests/support/make_ocsp.py.
#include "keystore/x509/ocsp.h"

#include <gtest/gtest.h>

#include "tests/keystore/x509/certs.h"

namespace signet::keystore::x509 {
namespace {

constexpr auto kHour = std::chrono::hours(1);

std::string Response(const std::string& name) { return ReadTestFile("ocsp/" + name + ".ocsp"); }
Certificate Player(const std::string& name) { return Cert("ocsp/" + name); }
std::string Nonce(char first = 0) {
  std::string nonce;
  for (char c = 0; c < 32; ++c) nonce += static_cast<char>(first + c);
  return nonce;
}
OcspRules Rules() {
  OcspRules rules;
  rules.now = MidTerm();
  return rules;
}
OcspJudgement Judge(const std::string& name, const OcspRules& rules = Rules(),
                    const std::string& about = "leaf", const std::string& issuer = "ca") {
  return JudgeOcsp(Response(name), Player(about), Player(issuer), rules);
}
// "good: OCSP_GOOD"
std::string Brief(const OcspJudgement& judgement) {
  return std::string(OcspStatusName(judgement.status)) + ": " + judgement.word;
}

struct Row {
  const char* file;
  const char* brief;
};
void ExpectAll(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    const OcspJudgement judgement = Judge(row.file);
    EXPECT_EQ(Brief(judgement), row.brief) << row.file << ": " << judgement.detail;
    EXPECT_NE(judgement.detail, "") << row.file;
    EXPECT_EQ(EscapeLine(judgement.detail), judgement.detail) << row.file;
    EXPECT_EQ(judgement.remedy.empty(), judgement.status == OcspStatus::kGood) << row.file;
  }
}

// SPEC R2: the issuing CA, a delegate of it, whatever the hash of the id.
TEST(Ocsp, WhatTheCaOrItsDelegateSignedAndIsFreshIsBelieved) {
  ExpectAll({{"good", "good: OCSP_GOOD"},
             {"good-by-key", "good: OCSP_GOOD"},
             {"good-sha256-id", "good: OCSP_GOOD"},
             {"good-two-ids", "good: OCSP_GOOD"},
             {"good-among-others", "good: OCSP_GOOD"},
             {"good-nonce", "good: OCSP_GOOD"},
             {"good-delegate", "good: OCSP_GOOD"},
             {"good-delegate-by-key", "good: OCSP_GOOD"},
             {"good-delegate-to-be-checked", "good: OCSP_GOOD"},
             {"good-delegate-non-repudiation", "good: OCSP_GOOD"},
             {"not-critical", "good: OCSP_GOOD"},
             {"version-written-out", "good: OCSP_GOOD"},
             {"revoked", "revoked: OCSP_REVOKED"},
             {"revoked-compromised", "revoked: OCSP_REVOKED"},
             {"on-hold", "revoked: OCSP_ON_HOLD"},
             {"unknown", "unknown: OCSP_UNKNOWN"}});
}

// SPEC R3 rests on these: when, why, who said so.
TEST(Ocsp, ARevocationTellsWhenAndWhy) {
  const OcspJudgement judgement = Judge("revoked-compromised");
  EXPECT_EQ(judgement.revoked_at, At("2026-05-31T00:00:00Z"));
  EXPECT_EQ(judgement.reason, "keyCompromise");
  EXPECT_EQ(judgement.signer, "issuing CA");
  EXPECT_EQ(judgement.this_update, At("2026-05-31T12:00:00Z"));
  EXPECT_EQ(judgement.next_update, At("2026-06-02T12:00:00Z"));
  EXPECT_EQ(judgement.produced_at, At("2026-05-31T13:00:00Z"));
  EXPECT_EQ(Judge("on-hold").reason, "certificateHold");
  EXPECT_EQ(Judge("revoked").reason, "");
}

TEST(Ocsp, OfSeveralStatementsTheNarrowestTimesAreTold) {
  const OcspJudgement judgement = Judge("good-two-ids");
  EXPECT_EQ(judgement.this_update, At("2026-05-31T11:00:00Z"));
  EXPECT_EQ(judgement.next_update, At("2026-06-02T11:00:00Z"));
}

TEST(Ocsp, ADelegateWhoseOwnStatusIsToBeAskedForIsNamed) {
  EXPECT_EQ(Judge("good-delegate").signer, "delegate CN=Delegate");
  EXPECT_FALSE(Judge("good-delegate").delegate);
  const OcspJudgement judgement = Judge("good-delegate-to-be-checked");
  ASSERT_TRUE(judgement.delegate);
  EXPECT_EQ(judgement.delegate->fields().subject, "CN=Unchecked");
}

// ABUSE 107
TEST(Ocsp, AResponseAboutAnotherSerialIssuerOrHashSaysNothing) {
  ExpectAll({{"other-serial", "unknown: OCSP_WRONG_ID"},
             {"other-issuer-name", "unknown: OCSP_WRONG_ID"},
             {"other-issuer-key", "unknown: OCSP_WRONG_ID"},
             {"other-hash", "unknown: OCSP_WRONG_ID"},
             {"of-twin", "unknown: OCSP_SIGNATURE_INVALID"}});
}

TEST(Ocsp, WithAnotherCaThanTheIssuerNothingIsJudged) {
  EXPECT_EQ(Brief(Judge("good", Rules(), "leaf", "root")), "unknown: OCSP_WRONG_ISSUER");
  EXPECT_EQ(Brief(Judge("of-twin", Rules(), "leaf", "twin")), "unknown: OCSP_WRONG_ISSUER");
}

// ABUSE 108
TEST(Ocsp, ANonceThatWasSentMustComeBack) {
  OcspRules rules = Rules();
  rules.nonce = Nonce();
  EXPECT_EQ(Brief(Judge("good-nonce", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("nonce-wrong", rules)), "unknown: OCSP_NONCE_WRONG");
  EXPECT_EQ(Brief(Judge("nonce-twice", rules)), "unknown: OCSP_MALFORMED");
  EXPECT_EQ(Brief(Judge("good", rules)), "unknown: OCSP_NONCE_MISSING");
  EXPECT_EQ(Brief(Judge("revoked", rules)), "unknown: OCSP_NONCE_MISSING");
  rules.nonce_required = false;
  EXPECT_EQ(Brief(Judge("good", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("nonce-wrong", rules)), "unknown: OCSP_NONCE_WRONG");
  rules.nonce = Nonce().substr(0, 31);
  EXPECT_EQ(Brief(Judge("good-nonce", rules)), "unknown: OCSP_NONCE_WRONG");
}

// ABUSE 109
TEST(Ocsp, AResponseFromAnotherTimeSaysNothing) {
  ExpectAll({{"future", "unknown: OCSP_FUTURE"},
             {"produced-in-future", "unknown: OCSP_FUTURE"},
             {"year-9999", "unknown: OCSP_TIMES_INVALID"},
             {"stale", "unknown: OCSP_STALE"},
             {"stale-revoked", "unknown: OCSP_STALE"},
             {"no-next", "unknown: OCSP_STALE"},
             {"produced-after-next", "unknown: OCSP_TIMES_INVALID"},
             {"produced-before-this", "unknown: OCSP_TIMES_INVALID"},
             {"next-before-this", "unknown: OCSP_TIMES_INVALID"},
             {"fractions", "unknown: OCSP_MALFORMED"},
             {"no-such-day", "unknown: OCSP_MALFORMED"}});
}

TEST(Ocsp, ClocksMayDifferByTheTolerance) {
  OcspRules rules = Rules();
  for (const char* file : {"future", "stale", "produced-in-future", "produced-before-this"}) {
    rules.tolerance = kHour;
    EXPECT_EQ(Brief(Judge(file, rules)), "good: OCSP_GOOD") << file;
    rules.tolerance = kHour - std::chrono::seconds(1);
    EXPECT_EQ(Judge(file, rules).status, OcspStatus::kUnknown) << file;
  }
}

// ABUSE 108, 109: what a cache may hold on to.
TEST(Ocsp, TheGreatestAgeBoundsWhatIsKept) {
  OcspRules rules = Rules();
  rules.tolerance = std::chrono::seconds(0);
  rules.max_age = 12 * kHour;  // to the second
  EXPECT_EQ(Brief(Judge("no-next", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("good", rules)), "good: OCSP_GOOD");
  rules.max_age = 12 * kHour - std::chrono::seconds(1);
  EXPECT_EQ(Brief(Judge("no-next", rules)), "unknown: OCSP_STALE");
  EXPECT_EQ(Brief(Judge("good", rules)), "unknown: OCSP_STALE");
}

// SPEC R2, ABUSE 110
TEST(Ocsp, OnlyTheIssuingCaAndItsDelegatesMaySpeak) {
  constexpr const char* kNo = "unknown: OCSP_RESPONDER_UNAUTHORISED";
  ExpectAll({{"by-stranger", kNo},
             {"revoked-by-stranger", kNo},
             {"by-nobody", kNo},
             {"by-root", kNo},
             {"by-twin", "unknown: OCSP_SIGNATURE_INVALID"},
             {"by-twin-embedded", kNo},
             {"by-delegate-of-root", kNo},
             {"by-delegate-of-twin", kNo},
             {"by-delegate-of-delegate", kNo},
             {"by-leaf", kNo},
             {"by-delegate-any-usage", kNo},
             {"by-delegate-no-usage", kNo},
             {"by-delegate-expired", kNo},
             {"by-delegate-to-come", kNo},
             {"by-delegate-too-young", kNo},
             {"by-delegate-key-usage", kNo},
             {"by-sub-ca", kNo},
             {"by-delegate-critical", kNo},
             {"by-delegate-sha1", kNo},
             {"by-delegate-short", kNo},
             {"by-forged-delegate", kNo}});
  EXPECT_EQ(Judge("by-sub-ca").detail, "the responder 'CN=Sub CA' is a CA, not a delegate");
}

// ABUSE 110
TEST(Ocsp, NobodyVouchesForItself) {
  constexpr const char* kNo = "unknown: OCSP_RESPONDER_UNAUTHORISED";
  EXPECT_EQ(Brief(Judge("about-itself", Rules(), "ca", "root")), kNo);
  EXPECT_EQ(Brief(Judge("leaf-about-itself", Rules(), "eager", "ca")), kNo);
  EXPECT_EQ(Brief(Judge("root-about-itself", Rules(), "root", "root")), kNo);
  OcspRules rules = Rules();
  rules.designated = {Player("ca"), Player("eager")};
  EXPECT_EQ(Brief(Judge("about-itself", rules, "ca", "root")), kNo);
  EXPECT_EQ(Brief(Judge("leaf-about-itself", rules, "eager", "ca")), kNo);
}

// SPEC R2: a certificate in tomcat-trust, stored as ocsp-responder.
TEST(Ocsp, ADesignatedResponderMaySpeakWhenItsCertificateSaysSo) {
  EXPECT_EQ(Brief(Judge("designated")), "unknown: OCSP_RESPONDER_UNAUTHORISED");
  OcspRules rules = Rules();
  rules.designated = {Player("plain"), Player("designated")};
  EXPECT_EQ(Brief(Judge("designated", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Judge("designated", rules).signer, "designated CN=Designated");
  EXPECT_EQ(Brief(Judge("designated-without-usage", rules)),
            "unknown: OCSP_RESPONDER_UNAUTHORISED");
  EXPECT_EQ(Brief(Judge("good", rules)), "good: OCSP_GOOD");
}

// ABUSE 112
TEST(Ocsp, ASignatureThatIsWrongOrWeakProvesNothing) {
  ExpectAll({{"tampered-signature", "unknown: OCSP_SIGNATURE_INVALID"},
             {"tampered-status", "unknown: OCSP_SIGNATURE_INVALID"},
             {"no-signature", "unknown: OCSP_SIGNATURE_INVALID"},
             {"key-of-another", "unknown: OCSP_SIGNATURE_INVALID"},
             {"sha1", "unknown: OCSP_SIGNATURE_WEAK"}});
  EXPECT_EQ(Brief(Judge("short-key", Rules(), "short-leaf", "short-ca")),
            "unknown: OCSP_SIGNATURE_WEAK");
}

TEST(Ocsp, WeakSignaturesAreForFormerTimes) {
  OcspRules rules = Rules();
  rules.rigour = Rigour::kLegacy;
  EXPECT_EQ(Brief(Judge("sha1", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("by-delegate-sha1", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("by-delegate-short", rules)), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("short-key", rules, "short-leaf", "short-ca")), "good: OCSP_GOOD");
  EXPECT_EQ(Brief(Judge("tampered-signature", rules)), "unknown: OCSP_SIGNATURE_INVALID");
  EXPECT_EQ(Brief(Judge("by-delegate-critical", rules)), "unknown: OCSP_RESPONDER_UNAUTHORISED");
}

// ABUSE 111
TEST(Ocsp, RevokedWinsOverGoodAndDoubtOverGood) {
  ExpectAll({{"good-then-revoked", "revoked: OCSP_CONTRADICTORY"},
             {"revoked-then-good", "revoked: OCSP_CONTRADICTORY"},
             {"good-then-revoked-by-other-id", "revoked: OCSP_CONTRADICTORY"},
             {"on-hold-then-revoked", "revoked: OCSP_REVOKED"},
             {"good-then-unknown", "unknown: OCSP_CONTRADICTORY"},
             {"good-then-stale", "unknown: OCSP_STALE"}});
}

// ABUSE 111
TEST(Ocsp, ACriticalExtensionThatIsNotKnownMakesItUnknown) {
  ExpectAll({{"critical", "unknown: OCSP_CRITICAL_EXTENSION"},
             {"critical-revoked", "unknown: OCSP_CRITICAL_EXTENSION"},
             {"critical-statement", "unknown: OCSP_CRITICAL_EXTENSION"},
             {"critical-certificate-issuer", "unknown: OCSP_CRITICAL_EXTENSION"}});
}

// ABUSE 112
TEST(Ocsp, TheRespondersOwnErrorsAreTold) {
  ExpectAll({{"status-malformed-request", "unknown: OCSP_REQUEST_MALFORMED"},
             {"status-internal-error", "unknown: OCSP_RESPONDER_FAILED"},
             {"status-try-later", "unknown: OCSP_TRY_LATER"},
             {"status-sig-required", "unknown: OCSP_REQUEST_UNSIGNED"},
             {"status-unauthorized", "unknown: OCSP_REFUSED"},
             {"status-unassigned", "unknown: OCSP_MALFORMED"},
             {"success-without-response", "unknown: OCSP_MALFORMED"}});
}

// ABUSE 103 (what is fetched is bounded), 112
TEST(Ocsp, WhatIsNoResponseInDerIsRefused) {
  ExpectAll({{"empty", "unknown: OCSP_MALFORMED"},
             {"html", "unknown: OCSP_MALFORMED"},
             {"gzip", "unknown: OCSP_MALFORMED"},
             {"pem", "unknown: OCSP_MALFORMED"},
             {"trailing", "unknown: OCSP_MALFORMED"},
             {"status-trailing", "unknown: OCSP_MALFORMED"},
             {"ber-outside", "unknown: OCSP_MALFORMED"},
             {"ber-inside", "unknown: OCSP_MALFORMED"},
             {"ber-name", "unknown: OCSP_MALFORMED"},
             {"another-type", "unknown: OCSP_MALFORMED"},
             {"version-2", "unknown: OCSP_MALFORMED"},
             {"about-nothing", "unknown: OCSP_MALFORMED"},
             {"about-many", "unknown: OCSP_TOO_LARGE"},
             {"many-certificates", "unknown: OCSP_TOO_LARGE"},
             {"large", "unknown: OCSP_TOO_LARGE"}});
}

// ABUSE 112
TEST(Ocsp, NeitherATruncatedNorAChangedResponseIsGood) {
  const std::string whole = Response("good-delegate");
  const Certificate leaf = Player("leaf");
  const Certificate ca = Player("ca");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto judged = JudgeOcsp(std::string_view(whole).substr(0, size), leaf, ca, Rules());
    EXPECT_EQ(Brief(judged), "unknown: OCSP_MALFORMED") << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(JudgeOcsp(changed, leaf, ca, Rules()).status, OcspStatus::kUnknown) << at;
  }
}

TEST(Ocsp, WhatNobodyMaySayIsNotTold) {
  const OcspJudgement judgement = Judge("revoked-by-stranger");
  EXPECT_FALSE(judgement.revoked_at || judgement.this_update || judgement.produced_at);
  EXPECT_EQ(judgement.signer, "");
}

std::string Signer(const std::string& name, const OcspSignerRules& rules) {
  const Status judged = JudgeOcspSigner(Response(name), rules);
  return judged ? "accepted" : judged.error().word;
}

TEST(OcspSigner, NeedsAPathFromTheCaThatIsNamedToWhatIsTrusted) {
  OcspSignerRules rules;
  rules.now = MidTerm();
  rules.trusted = {Player("root")};
  EXPECT_EQ(Signer("good", rules), "OCSP_RESPONDER_UNAUTHORISED");
  rules.untrusted = {Player("ca")};
  EXPECT_EQ(Signer("good", rules), "accepted");
  EXPECT_EQ(Signer("stale", rules), "accepted");
  EXPECT_EQ(Signer("good-delegate", rules), "accepted");
  EXPECT_EQ(Signer("good-among-others", rules), "OCSP_RESPONDER_UNAUTHORISED");
  EXPECT_EQ(Signer("tampered-signature", rules), "OCSP_SIGNATURE_INVALID");
  EXPECT_EQ(Signer("empty", rules), "OCSP_MALFORMED");
  rules.trusted = {Player("twin")};
  EXPECT_EQ(Signer("good", rules), "OCSP_RESPONDER_UNTRUSTED");
  rules.now = At("2040-01-01T00:00:00Z");
  rules.trusted = {Player("root")};
  EXPECT_EQ(Signer("good", rules), "OCSP_RESPONDER_UNAUTHORISED");
}

TEST(OcspSigner, AnIntermediateEndsAPathWhereThatIsAllowed) {
  OcspSignerRules rules;
  rules.now = MidTerm();
  rules.trusted = {Player("ca")};
  EXPECT_EQ(Signer("good-delegate", rules), "OCSP_RESPONDER_UNTRUSTED");
  rules.partial_chain = true;
  EXPECT_EQ(Signer("good-delegate", rules), "accepted");
}

TEST(OcspSigner, WithoutCheckOfItsUsageStillNeedsAPath) {
  OcspSignerRules rules;
  rules.now = MidTerm();
  rules.trusted = {Player("root")};
  rules.untrusted = {Player("ca")};
  EXPECT_EQ(Signer("by-delegate-no-usage", rules), "OCSP_RESPONDER_UNAUTHORISED");
  rules.no_certificate_checks = true;
  EXPECT_EQ(Signer("by-delegate-no-usage", rules), "accepted");
  EXPECT_EQ(Signer("by-stranger", rules), "OCSP_RESPONDER_UNTRUSTED");
  EXPECT_EQ(Signer("by-forged-delegate", rules), "OCSP_RESPONDER_UNTRUSTED");
  EXPECT_EQ(Signer("tampered-status", rules), "OCSP_RESPONDER_UNAUTHORISED");
}

TEST(OcspRequest, ANonceHasAtMost128Octets) {
  const Certificate leaf = Player("leaf");
  const Certificate ca = Player("ca");
  EXPECT_TRUE(MakeOcspRequest(leaf, ca, std::string(128, 'n')));
  const auto refused = MakeOcspRequest(leaf, ca, std::string(129, 'n'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().word, "NONCE_INVALID");
  EXPECT_EQ(MakeOcspRequest(leaf, Player("root"), "").error().word, "OCSP_WRONG_ISSUER");
}

// RFC 5019 §2.1: the same octets for the same certificate, so that caches on the way may answer.
TEST(OcspRequest, WithoutANonceItIsAlwaysTheSame) {
  const auto one = MakeOcspRequest(Player("leaf"), Player("ca"), "");
  const auto two = MakeOcspRequest(Player("leaf"), Player("ca"), "");
  EXPECT_EQ(one.value(), two.value());
  EXPECT_LT(one.value().size(), 255u - 100u);
}

}  // namespace
}  // namespace signet::keystore::x509
