// What a revocation list proves about one certificate, on the lists of tests/support/make_lists.py,
// and where certificates say that their status can be asked for.
#include "keystore/x509/crl_status.h"

#include <gtest/gtest.h>

#include "keystore/x509/revocation_urls.h"
#include "tests/keystore/x509/certs.h"
#include "tests/support/command.h"

namespace signet::keystore::x509 {
namespace {

using signet::testing::MustRun;
using signet::testing::ReadWhole;
using signet::testing::ScratchFolder;
using signet::testing::WriteWhole;

Certificate Player(const std::string& name) { return Cert("lists/" + name); }
std::string List(const std::string& name) { return ReadTestFile("lists/" + name + ".crl"); }
CrlRules Rules() {
  CrlRules rules;
  rules.now = MidTerm();
  return rules;
}
StatusJudgement Judge(const std::string& list, const std::string& about = "leaf",
                      const CrlRules& rules = Rules(), const std::string& issuer = "ca") {
  return JudgeCrl(List(list), Player(about), Player(issuer), rules);
}
std::string Brief(const StatusJudgement& judgement) {
  return std::string(OcspStatusName(judgement.status)) + ": " + judgement.word;
}

struct Row {
  const char* file;
  const char* brief;
};
void ExpectAll(std::initializer_list<Row> rows, const std::string& about = "leaf") {
  for (const Row& row : rows) {
    const StatusJudgement judgement = Judge(row.file, about);
    EXPECT_EQ(Brief(judgement), row.brief) << row.file << ": " << judgement.detail;
    EXPECT_NE(judgement.detail, "") << row.file;
    EXPECT_EQ(EscapeLine(judgement.detail), judgement.detail) << row.file;
    EXPECT_EQ(judgement.remedy.empty(), judgement.status == OcspStatus::kGood) << row.file;
  }
}

TEST(CrlStatus, AWholeFreshListOfTheIssuerIsBelieved) {
  ExpectAll({{"good", "good: CRL_GOOD"},
             {"good-others", "good: CRL_GOOD"},
             {"revoked", "revoked: CRL_REVOKED"},
             {"compromised", "revoked: CRL_REVOKED"},
             {"on-hold", "revoked: CRL_ON_HOLD"},
             {"hold-then-revoked", "revoked: CRL_REVOKED"},
             {"odd", "good: CRL_GOOD"},
             {"odd-entry", "good: CRL_GOOD"},
             {"version-1", "good: CRL_GOOD"}});
}

// SPEC R3 rests on these.
TEST(CrlStatus, ARevocationTellsWhenAndWhy) {
  const StatusJudgement judgement = Judge("compromised");
  EXPECT_EQ(judgement.revoked_at, At("2026-05-31T00:00:00Z"));
  EXPECT_EQ(judgement.reason, "keyCompromise");
  EXPECT_EQ(judgement.this_update, At("2026-05-31T12:00:00Z"));
  EXPECT_EQ(judgement.next_update, At("2026-06-02T12:00:00Z"));
  EXPECT_EQ(Judge("hold-then-revoked").reason, "superseded");
  EXPECT_EQ(Judge("revoked").reason, "");
}

// RFC 5280 §5.2.5, §6.3.3 (b)
TEST(CrlStatus, AListProvesSomethingForTheCertificatesOfItsScopeAlone) {
  ExpectAll({{"point", "good: CRL_GOOD"},
             {"user", "good: CRL_GOOD"},
             {"of-cas", "unknown: CRL_SCOPE"},
             {"attributes", "unknown: CRL_SCOPE"},
             {"indirect", "unknown: CRL_SCOPE"},
             {"entry-of-another-ca", "unknown: CRL_SCOPE"},
             {"point-of-others", "unknown: CRL_SCOPE"},
             {"point-for-reasons", "unknown: CRL_SCOPE"},
             {"point-relative", "unknown: CRL_SCOPE"},
             {"delta", "unknown: CRL_SCOPE"},
             {"delta-not-critical", "unknown: CRL_SCOPE"}});
  ExpectAll({{"user", "unknown: CRL_SCOPE"}, {"of-cas", "good: CRL_GOOD"}}, "sub");
  ExpectAll({{"good", "good: CRL_GOOD"}, {"point", "unknown: CRL_SCOPE"}}, "plain");
}

TEST(CrlStatus, AListForSomeReasonsProvesARevocationAndNothingElse) {
  ExpectAll({{"reasons", "unknown: CRL_SCOPE"}, {"reasons-revoked", "revoked: CRL_REVOKED"}});
}

TEST(CrlStatus, OldAndFutureListsProveNothing) {
  ExpectAll({{"stale", "unknown: CRL_STALE"},
             {"stale-revoked", "unknown: CRL_STALE"},
             {"future", "unknown: CRL_FUTURE"},
             {"next-before-this", "unknown: CRL_MALFORMED"},
             {"no-next", "unknown: CRL_STALE"}});
  CrlRules rules = Rules();
  rules.now = At("2026-06-02T12:05:00Z");  // within the tolerance
  EXPECT_EQ(Brief(Judge("good", "leaf", rules)), "good: CRL_GOOD");
  rules.now += std::chrono::seconds(1);
  EXPECT_EQ(Brief(Judge("good", "leaf", rules)), "unknown: CRL_STALE");
}

TEST(CrlStatus, AGreatestAgeHoldsForAllListsOrForThoseWithoutNextUpdate) {
  CrlRules rules = Rules();
  rules.max_age_without_next = std::chrono::hours(13);
  EXPECT_EQ(Brief(Judge("no-next", "leaf", rules)), "good: CRL_GOOD");
  rules.max_age_without_next = std::chrono::hours(11);
  EXPECT_EQ(Brief(Judge("no-next", "leaf", rules)), "unknown: CRL_STALE");
  EXPECT_EQ(Brief(Judge("good", "leaf", rules)), "good: CRL_GOOD");
  rules.max_age = std::chrono::hours(11);
  EXPECT_EQ(Brief(Judge("good", "leaf", rules)), "unknown: CRL_STALE");
  rules.max_age = std::chrono::hours(13);
  EXPECT_EQ(Brief(Judge("good", "leaf", rules)), "good: CRL_GOOD");
}

TEST(CrlStatus, NobodyButTheIssuersOwnKeySigns) {
  ExpectAll({{"forged", "unknown: CRL_SIGNATURE_INVALID"},
             {"forged-revoked", "unknown: CRL_SIGNATURE_INVALID"},
             {"by-root", "unknown: CRL_WRONG_ISSUER"},
             {"by-leaf", "unknown: CRL_WRONG_ISSUER"}});
  EXPECT_EQ(Brief(Judge("good", "leaf-other")), "unknown: CRL_WRONG_ISSUER");
  EXPECT_EQ(Brief(Judge("good", "leaf", Rules(), "root")), "unknown: CRL_WRONG_ISSUER");
  EXPECT_FALSE(Judge("forged-revoked").revoked_at || Judge("forged-revoked").this_update);
}

TEST(CrlStatus, TheIssuerMayDoSoAndItsSignatureIsNotWeak) {
  const auto of = [](const std::string& name, const CrlRules& rules = Rules()) {
    return Brief(Judge(name, "leaf-" + name, rules, "ca-" + name));
  };
  EXPECT_EQ(of("other"), "good: CRL_GOOD");
  EXPECT_EQ(of("mute"), "unknown: CRL_WRONG_ISSUER");
  EXPECT_EQ(of("expired"), "unknown: CRL_WRONG_ISSUER");
  EXPECT_EQ(of("sha1"), "unknown: CRL_SIGNATURE_WEAK");
  EXPECT_EQ(of("sha1-rsa"), "unknown: CRL_SIGNATURE_WEAK");
  EXPECT_EQ(of("short"), "unknown: CRL_SIGNATURE_WEAK");
  CrlRules legacy = Rules();
  legacy.rigour = Rigour::kLegacy;
  EXPECT_EQ(of("sha1", legacy), "good: CRL_GOOD");
  EXPECT_EQ(of("short", legacy), "good: CRL_GOOD");
}

// RFC 5280 §5.2, §5.3: the whole list must not be used.
TEST(CrlStatus, ACriticalExtensionThatIsNotKnownMakesItUnknown) {
  ExpectAll({{"critical", "unknown: CRL_CRITICAL_EXTENSION"},
             {"critical-revoked", "unknown: CRL_CRITICAL_EXTENSION"},
             {"critical-entry", "unknown: CRL_CRITICAL_EXTENSION"},
             {"critical-own-entry", "unknown: CRL_CRITICAL_EXTENSION"}});
}

TEST(CrlStatus, WhatIsNoListInDerIsRefused) {
  ExpectAll({{"trailing", "unknown: CRL_MALFORMED"},
             {"empty", "unknown: CRL_MALFORMED"},
             {"html", "unknown: CRL_MALFORMED"},
             {"remove", "unknown: CRL_MALFORMED"},
             {"version-1-extended", "unknown: CRL_MALFORMED"},
             {"version-3", "unknown: CRL_MALFORMED"},
             {"large", "unknown: CRL_TOO_LARGE"}});
}

TEST(CrlStatus, NeitherATruncatedNorAChangedListIsGood) {
  const std::string whole = List("good-others");
  const Certificate leaf = Player("leaf");
  const Certificate ca = Player("ca");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto judged = JudgeCrl(std::string_view(whole).substr(0, size), leaf, ca, Rules());
    EXPECT_EQ(Brief(judged), "unknown: CRL_MALFORMED") << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(JudgeCrl(changed, leaf, ca, Rules()).status, OcspStatus::kUnknown) << at;
  }
}

// Another maker's lists: openssl ca.
TEST(CrlStatus, ListsOfOpensslAreUnderstood) {
  const ScratchFolder folder;
  const std::string config = "[ca]\ndefault_ca=d\n[d]\ndatabase=" + (folder / "index") +
                             "\ndefault_md=sha256\ncrlnumber=" + (folder / "number") +
                             "\ndefault_crl_days=2\ncrl_extensions=x\n"
                             "[x]\nauthorityKeyIdentifier=keyid\n";
  WriteWhole(folder / "conf", config);
  WriteWhole(folder / "number", "01\n");
  const auto make = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words{"openssl",  "req",
                                   "-x509",    "-nodes",
                                   "-newkey",  "ec",
                                   "-pkeyopt", "ec_paramgen_curve:P-256",
                                   "-keyout",  folder / (name + ".key"),
                                   "-out",     folder / (name + ".pem"),
                                   "-days",    "30",
                                   "-subj",    "/CN=" + name};
    words.insert(words.end(), more.begin(), more.end());
    MustRun(words);
    auto certificate = Certificate::FromDer(
        MustRun({"openssl", "x509", "-in", folder / (name + ".pem"), "-outform", "DER"}));
    return std::move(certificate).value();
  };
  const Certificate ca = make("Tool CA", {});
  const Certificate leaf = make("leaf", {"-CA", folder / "Tool CA.pem", "-CAkey",
                                         folder / "Tool CA.key", "-set_serial", "0x1001"});
  CrlRules rules;
  rules.now = MakeSystemClock()->Now();
  const auto judge = [&](const std::string& index) {
    WriteWhole(folder / "index", index);
    MustRun({"openssl", "ca", "-config", folder / "conf", "-gencrl", "-cert",
             folder / "Tool CA.pem", "-keyfile", folder / "Tool CA.key", "-out", folder / "pem"});
    const std::string der = MustRun({"openssl", "crl", "-in", folder / "pem", "-outform", "DER"});
    const StatusJudgement judged = JudgeCrl(der, leaf, ca, rules);
    return Brief(judged) + (judged.reason.empty() ? "" : " " + judged.reason);
  };
  const std::string row = "\t1001\tunknown\t/CN=leaf\n";
  EXPECT_EQ(judge(""), "good: CRL_GOOD");
  EXPECT_EQ(judge("R\t360101000000Z\t260101000000Z,keyCompromise" + row),
            "revoked: CRL_REVOKED keyCompromise");
  EXPECT_EQ(judge("R\t360101000000Z\t260101000000Z,holdInstruction,holdInstructionReject" + row),
            "revoked: CRL_ON_HOLD certificateHold");
}

TEST(RevocationUrls, AreThoseOfPlainPointsAndNoOthers) {
  EXPECT_EQ(CrlUrls(Player("leaf")), std::vector<std::string>{"http://crl.test/a.crl"});
  EXPECT_TRUE(CrlUrls(Player("plain")).empty());
  EXPECT_TRUE(OcspUrls(Player("leaf")).empty());
}

TEST(RevocationUrls, AreFewAndBounded) {
  EXPECT_EQ(CrlUrls(Cert("many-points")).size(), kMaxRevocationUrls);
}

TEST(RevocationUrls, NoCheckIsSeen) {
  EXPECT_TRUE(HasNoCheck(Cert("ocsp/eager")));
  EXPECT_FALSE(HasNoCheck(Cert("ocsp/leaf")));
}

}  // namespace
}  // namespace signet::keystore::x509
