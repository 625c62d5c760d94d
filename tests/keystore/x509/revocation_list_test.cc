#include "keystore/x509/revocation_list.h"

#include <gtest/gtest.h>

#include "tests/keystore/x509/trusting.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMost = 10;

std::vector<RevocationList> Lists(const std::vector<std::string>& names) {
  std::vector<RevocationList> out;
  for (const std::string& name : names) {
    auto lists = ReadRevocationLists(ReadTestFile(name + ".crl"), kMost);
    if (!lists) ADD_FAILURE() << name << ": " << lists.error().ToString();
    for (auto& list : lists.value()) out.push_back(list);
  }
  return out;
}
std::string Word(const std::string& name, std::size_t most = kMost) {
  const auto lists = ReadRevocationLists(ReadTestFile(name), most);
  return lists ? "accepted" : lists.error().word;
}
// The leaf's chain with "above.crl" (root's and int1's lists) and these.
ChainVerdict VerifyWith(const std::vector<std::string>& names, ChainPolicy policy = Now()) {
  std::vector<std::string> all{"above"};
  all.insert(all.end(), names.begin(), names.end());
  policy.revocation_lists = Lists(all);
  return Verify("leaf", Trust({"root"}, kMiddles), {}, policy);
}
std::string Errors(const ChainVerdict& verdict) {
  std::string out;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity == Severity::kError) out += (out.empty() ? "" : " ") + finding.id;
  }
  return out;
}

TEST(RevocationList, ReadsDerAndPem) {
  EXPECT_EQ(Lists({"above"}).size(), 2u);
  EXPECT_EQ(Lists({"good"}).front().issuer(), "CN=Intermediate 2");
  EXPECT_EQ(Describe(Lint(Lists({"good"}).front())), "");
}

TEST(RevocationList, RefusesWhatIsNotExactlyLists) {
  for (const char* file : {"trailing.crl", "ber.crl", "damaged.crl", "mixed.crl", "many-points.crl",
                           "leaf.der", "leaf.pem", "request-weak.der"}) {
    EXPECT_EQ(Word(file), "CRL_MALFORMED") << file;
  }
  EXPECT_EQ(Word("above.crl", 1), "CRL_MALFORMED");
  for (const std::string& text : {std::string(), std::string("\x30"), std::string("hello"),
                                  std::string("-----BEGIN X509 CRL-----\n")}) {
    EXPECT_FALSE(ReadRevocationLists(text, kMost)) << text;
  }
  EXPECT_EQ(ReadRevocationLists("\x30" + std::string(2u << 20, 'a'), kMost).error().word,
            "CRL_TOO_LARGE");
}

TEST(RevocationList, EveryTruncationIsRefused) {
  const std::string der = ReadTestFile("good.crl");
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(RevocationList::FromDer(std::string_view(der).substr(0, size))) << size;
  }
}

TEST(RevocationCheck, NotOnAValidListIsGood) {
  EXPECT_EQ(Errors(VerifyWith({"good"})), "");
  EXPECT_EQ(Errors(VerifyWith({"other-serial"})), "");
}

TEST(RevocationCheck, NoListsGivenMeansNoCheck) {
  EXPECT_TRUE(Verify("leaf", Trust({"root"}, kMiddles)).accepted());
}

TEST(RevocationCheck, OnTheListIsRevoked) {
  EXPECT_EQ(Errors(VerifyWith({"revoking"})), "REVOKED");
}

TEST(RevocationCheck, WithoutAListOfEachIssuerNothingIsKnown) {
  EXPECT_EQ(Errors(VerifyWith({})), "REVOCATION_UNKNOWN");
  ChainPolicy policy = Now();
  policy.revocation_lists = Lists({"good"});
  EXPECT_FALSE(Verify("leaf", Trust({"root"}, kMiddles), {}, policy).accepted());
  policy.revocation_lists.emplace();
  EXPECT_FALSE(Verify("leaf", Trust({"root"}, kMiddles), {}, policy).accepted());
}

TEST(RevocationCheck, OldForgedAndIncomprehensibleListsProveNothing) {
  EXPECT_EQ(Errors(VerifyWith({"old"})), "REVOCATION_UNKNOWN");
  EXPECT_EQ(Errors(VerifyWith({"forged"})), "CRL_INVALID");
  EXPECT_EQ(Errors(VerifyWith({"unknown-critical"})), "CRL_INVALID");
  EXPECT_EQ(Errors(VerifyWith({"no-number"})), "CRL_NUMBER_MISSING");
}

TEST(RevocationCheck, TheListIsSignedByWhoMay) {
  ChainPolicy policy = Now();
  policy.revocation_lists = Lists({"above", "no-lists"});
  EXPECT_EQ(Errors(Verify("under-no-lists", Trust({"root"}, {"no-lists"}), {}, policy)),
            "CRL_INVALID");
}

TEST(RevocationCheck, AWeakHashOfAListIsAnErrorButForChainsOfFormerTimes) {
  ChainPolicy policy = Now();
  policy.revocation_lists = Lists({"above", "sha1"});
  const TrustView trust = Trust({"root"}, {"old-lists"});
  EXPECT_EQ(Errors(Verify("under-old-lists", trust, {}, policy)), "CRL_SIGNATURE_WEAK");
  policy.rigour = Rigour::kLegacy;
  EXPECT_EQ(Errors(Verify("under-old-lists", trust, {}, policy)), "");
}

TEST(RevocationCheck, TooManyDistributionPointsAreNotLookedUp) {
  ChainPolicy policy = Now();
  policy.revocation_lists = Lists({"above", "good"});
  const TrustView trust = Trust({"root"}, kMiddles);
  EXPECT_EQ(Errors(Verify("many-points", trust, {}, policy)), "CHAIN_TOO_COMPLEX");
}

}  // namespace
}  // namespace signet::keystore::x509
