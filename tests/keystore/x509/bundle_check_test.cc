// SPEC C5a, bundle mode: each good certificate is taken, each other one is told, and it ends soon.
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "keystore/x509/pem.h"
#include "tests/keystore/x509/trusting.h"

namespace signet::keystore::x509 {
namespace {

using Names = std::vector<std::string>;

CheckedBundle CheckAll(const std::vector<Certificate>& bundle, const TrustView& trust = {},
                       std::optional<EntryKind> asked = std::nullopt) {
  return CheckBundle(bundle, asked, trust, MidTerm());
}
CheckedBundle Check(const Names& names, const TrustView& trust = {},
                    std::optional<EntryKind> asked = std::nullopt) {
  return CheckAll(Certs(names), trust, asked);
}
// "Root anchor", in their order.
Names Taken(const CheckedBundle& checked) {
  Names out;
  for (const auto& entry : checked.accepted) {
    EXPECT_FALSE(HasErrors(entry.findings)) << Describe(entry.findings);
    out.push_back(entry.certificate.fields().common_name + " " +
                  std::string(EntryKindName(entry.kind)));
  }
  return out;
}
// "2 EXPIRED": index and first finding, which is an error.
Names Refused(const CheckedBundle& checked) {
  Names out;
  for (const auto& rejected : checked.rejected) {
    EXPECT_TRUE(HasErrors(rejected.findings));
    EXPECT_EQ(rejected.findings.front().severity, Severity::kError);
    out.push_back(std::to_string(rejected.index) + " " + rejected.findings.front().id);
  }
  return out;
}

TEST(CheckBundle, TakesEachGoodOneIssuerBeforeIssued) {
  const CheckedBundle checked = Check({"int2", "int1", "root", "mesh-root"});
  EXPECT_EQ(Taken(checked), (Names{"Root anchor", "Mesh 8 anchor", "Intermediate 1 intermediate",
                                   "Intermediate 2 intermediate"}));
  EXPECT_TRUE(checked.rejected.empty());
}

TEST(CheckBundle, ReportsEachBadOneAndTakesTheOthers) {
  const CheckedBundle checked =
      Check({"root-expired", "root", "root-bad-signature", "leaf", "rsa-1024-root", "root-future"});
  EXPECT_EQ(Taken(checked), (Names{"Root anchor"}));
  EXPECT_EQ(Refused(checked), (Names{"0 EXPIRED", "2 SIGNATURE_INVALID", "3 TRUST_ENTRY_NOT_CA",
                                     "4 KEY_WEAK", "5 NOT_YET_VALID"}));
}

TEST(CheckBundle, OnlyWarnsOfTheOdditiesOfRoots) {
  const CheckedBundle checked = Check({"root-sha1", "root-odd"});
  ASSERT_EQ(checked.accepted.size(), 2u);
  EXPECT_EQ(SeverityOf(checked.accepted[0].findings, "SIGNATURE_WEAK"), "warning");
  EXPECT_EQ(SeverityOf(checked.accepted[1].findings, "SERIAL_INVALID"), "warning");
}

TEST(CheckBundle, NamesTheIssuerThatIsMissing) {
  const CheckedBundle checked = Check({"int2", "root"});
  EXPECT_EQ(Refused(checked), (Names{"0 CHAIN_INCOMPLETE"}));
  EXPECT_NE(Describe(checked.rejected[0].findings).find("'CN=Intermediate 1' is missing"),
            std::string::npos);
  EXPECT_EQ(SeverityOf(checked.rejected[0].findings, "ISSUER_REFUSED"), "");
}

TEST(CheckBundle, SaysThatTheIssuerWasRefusedItself) {
  const CheckedBundle checked = Check({"int2", "int1"});
  EXPECT_EQ(Refused(checked), (Names{"0 CHAIN_INCOMPLETE", "1 CHAIN_INCOMPLETE"}));
  EXPECT_EQ(SeverityOf(checked.rejected[0].findings, "ISSUER_REFUSED"), "info");
}

TEST(CheckBundle, TakesIssuersFromTrust) {
  EXPECT_EQ(Taken(Check({"int2"}, Trust({"root"}, {"int1"}))),
            (Names{"Intermediate 2 intermediate"}));
  EXPECT_EQ(Taken(Check({"int2", "int1"}, Trust({"root"}))),
            (Names{"Intermediate 1 intermediate", "Intermediate 2 intermediate"}));
  // Known is not trusted.
  EXPECT_EQ(Refused(Check({"int2"}, Trust({}, {"root", "int1"}))), (Names{"0 CHAIN_INCOMPLETE"}));
}

TEST(CheckBundle, ABadLinkIsNotTaken) {
  EXPECT_EQ(Refused(Check({"root-twin", "int1"})), (Names{"1 SIGNATURE_INVALID"}));
  EXPECT_EQ(Refused(Check({"root-fraud-ski", "int1"})), (Names{"1 SIGNATURE_INVALID"}));
  EXPECT_EQ(Refused(Check({"root", "int1", "int2", "int3"})), (Names{"3 PATH_LENGTH_EXCEEDED"}));
}

TEST(CheckBundle, Abuse42EndsInLoops) {
  EXPECT_EQ(Refused(Check({"mesh-0-1", "mesh-1-0"})),
            (Names{"0 CHAIN_INCOMPLETE", "1 CHAIN_INCOMPLETE"}));
  const CheckedBundle anchored = Check({"mesh-0-1", "mesh-1-0", "mesh-1-8", "mesh-root"});
  EXPECT_EQ(Taken(anchored),
            (Names{"Mesh 8 anchor", "Mesh 1 intermediate", "Mesh 0 intermediate"}));
  EXPECT_EQ(Refused(anchored), (Names{"1 CHAIN_INCOMPLETE"}));  // only by way of itself
}

TEST(CheckBundle, Abuse42EndsInMeshes) {
  Names mesh;
  for (int i = 0; i < 9; ++i) {
    for (int j = 0; j < 9; ++j) {
      if (i != j) mesh.push_back("mesh-" + std::to_string(i) + "-" + std::to_string(j));
    }
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(Check(mesh).accepted.empty());
  mesh.push_back("mesh-root");
  EXPECT_GT(Check(mesh).accepted.size(), 9u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(CheckBundle, ACertificateThatIsNoCaIsTakenWhenAskedFor) {
  EXPECT_EQ(Taken(Check({"pinned"})), (Names{"p.example.com pinned"}));
  EXPECT_EQ(Refused(Check({"leaf", "responder"})),
            (Names{"0 TRUST_ENTRY_NOT_CA", "1 TRUST_ENTRY_NOT_CA"}));
  EXPECT_EQ(Taken(Check({"leaf"}, {}, EntryKind::kPinned)), (Names{"a.example.com pinned"}));
  const CheckedBundle responders =
      Check({"leaf", "responder", "root"}, {}, EntryKind::kOcspResponder);
  EXPECT_EQ(Taken(responders), (Names{"a.example.com ocsp-responder"}));
  EXPECT_EQ(Refused(responders), (Names{"0 RESPONDER_WITHOUT_EKU", "2 ENTRY_KIND_MISMATCH"}));
}

TEST(CheckBundle, DuplicatesAreDroppedAndTold) {
  const CheckedBundle checked = Check({"root", "int1", "root", "leaf", "root", "leaf"});
  EXPECT_EQ(Taken(checked), (Names{"Root anchor", "Intermediate 1 intermediate"}));
  EXPECT_EQ(Refused(checked), (Names{"3 TRUST_ENTRY_NOT_CA"}));
  EXPECT_EQ(checked.duplicates, (std::vector<std::size_t>{2, 4, 5}));
}

TEST(CheckBundle, NothingInNothingOut) {
  const CheckedBundle checked = Check(Names{});
  EXPECT_TRUE(checked.accepted.empty() && checked.rejected.empty() && checked.duplicates.empty());
}

// A new key for each, one name for all, each signed by the key of the one before.
TEST(CheckBundle, Abuse44ThousandsOfOneNameEndSoon) {
  const auto crowd = ReadBundle(ReadTestFile("one-name.pem"), 20000).value().certificates;
  ASSERT_EQ(crowd.size(), 2000u);
  const auto begin = std::chrono::steady_clock::now();
  const CheckedBundle checked = CheckAll(crowd);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  EXPECT_EQ(checked.accepted.size() + checked.rejected.size(), crowd.size());
  EXPECT_GE(checked.accepted.size(), 1u);
  std::map<std::string, int> words;
  for (const auto& rejected : checked.rejected) ++words[rejected.findings.front().id];
  EXPECT_GT(words["CHAIN_TOO_COMPLEX"], 1000);
}

// The same as each by itself in chain mode, on the roots that this machine trusts.
TEST(CheckBundle, JudgesTheRootsOfTheOperatingSystemAsChainModeDoes) {
  std::ifstream in("/etc/ssl/certs/ca-certificates.crt", std::ios::binary);
  ASSERT_TRUE(in.good()) << "the package ca-certificates is missing";
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto roots = ReadBundle(text, 20000).value().certificates;
  const CheckedBundle checked = CheckAll(roots);
  EXPECT_GT(checked.accepted.size(), 100u);
  for (const auto& entry : checked.accepted) {
    const CaChain chain = CheckCaChain({entry.certificate}, {}, MidTerm());
    EXPECT_FALSE(HasErrors(chain.findings)) << Describe(chain.findings);
    EXPECT_LE(entry.findings.size(), 8u);
  }
  for (const auto& rejected : checked.rejected) {
    const CaChain chain = CheckCaChain({roots[rejected.index]}, {}, MidTerm());
    EXPECT_TRUE(HasErrors(chain.findings)) << Describe(rejected.findings);
  }
}

}  // namespace
}  // namespace signet::keystore::x509
