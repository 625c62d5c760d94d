#include "keystore/x509/chain.h"

#include <gtest/gtest.h>

#include <chrono>

#include "keystore/x509/pem.h"
#include "tests/keystore/x509/trusting.h"

namespace signet::keystore::x509 {
namespace {

TEST(VerifyPath, BuildsTheChainFromTrustAndExtra) {
  const ChainVerdict verdict = Verify("leaf", Trust({"root"}, {"int1"}), {"int2"});
  EXPECT_TRUE(verdict.accepted()) << Describe(verdict.findings);
  ASSERT_EQ(verdict.path.size(), 4u);
  EXPECT_EQ(verdict.path[0], Cert("leaf"));
  EXPECT_EQ(verdict.path[3], Cert("root"));
}

// ABUSE 5.
TEST(VerifyPath, Abuse5RefusesFlippedSignatures) {
  const ChainVerdict verdict = Verify("flipped", Trust({"root"}, kMiddles));
  EXPECT_FALSE(verdict.accepted());
  EXPECT_EQ(SeverityOf(verdict.findings, "SIGNATURE_INVALID"), "error");
}

// ABUSE 6.
TEST(VerifyPath, Abuse6NamesTheMissingIssuer) {
  const ChainVerdict verdict = Verify("leaf", Trust({"root"}, {"int2"}));
  EXPECT_FALSE(verdict.accepted());
  EXPECT_EQ(SeverityOf(verdict.findings, "CHAIN_INCOMPLETE"), "error");
  EXPECT_NE(Describe(verdict.findings).find("'CN=Intermediate 1' is missing"), std::string::npos)
      << Describe(verdict.findings);
}

TEST(VerifyPath, UntrustedRootsInExtraEndNoPath) {
  const ChainVerdict verdict = Verify("leaf", Trust({}), {"root", "int1", "int2"});
  EXPECT_FALSE(verdict.accepted());
  EXPECT_EQ(SeverityOf(verdict.findings, "CHAIN_INCOMPLETE"), "error");
}

// ABUSE 7, 8.
TEST(VerifyPath, Abuse7And8RefuseExpiredAndFutureOnes) {
  EXPECT_EQ(SeverityOf(Verify("expired", Trust({"root"}, kMiddles)).findings, "EXPIRED"), "error");
  EXPECT_EQ(SeverityOf(Verify("future", Trust({"root"}, kMiddles)).findings, "NOT_YET_VALID"),
            "error");
  const WallTime late = At("2040-01-01T00:00:00Z");
  EXPECT_FALSE(Verify("leaf", Trust({"root"}, kMiddles), {}, Now(late)).accepted());
}

TEST(VerifyPath, Abuse9WarnsOfCertificatesThatOutliveTheirIssuer) {
  const ChainVerdict verdict = Verify("outlives", Trust({"root"}, kMiddles));
  EXPECT_TRUE(verdict.accepted()) << Describe(verdict.findings);
  EXPECT_EQ(SeverityOf(verdict.findings, "OUTLIVES_ISSUER"), "warning");
}

TEST(VerifyPath, Abuse21ChecksTheExtendedUsageOfTheWholePath) {
  ChainPolicy policy = Now();
  policy.required_ekus = {"1.3.6.1.5.5.7.3.1"};
  EXPECT_TRUE(Verify("leaf", Trust({"root"}, kMiddles), {}, policy).accepted());
  EXPECT_EQ(SeverityOf(Verify("eku-code", Trust({"root"}, kMiddles), {}, policy).findings,
                       "EKU_NOT_ALLOWED"),
            "error");
}

// ABUSE 25, 55.
TEST(VerifyPath, Abuse25And55EnforceNameConstraints) {
  EXPECT_TRUE(Verify("nc-inside", Trust({"root"}, {"nc"})).accepted());
  EXPECT_EQ(SeverityOf(Verify("nc-outside", Trust({"root"}, {"nc"})).findings,
                       "NAME_CONSTRAINT_VIOLATED"),
            "error");
  EXPECT_EQ(SeverityOf(Verify("nc-unknown-inside", Trust({"root"}, {"nc-unknown"})).findings,
                       "NAME_CONSTRAINT_UNSUPPORTED"),
            "error");
}

// ABUSE 42.
TEST(VerifyPath, Abuse42EndsInMeshesOfCrossSignedCas) {
  std::vector<std::string> mesh;
  for (int i = 0; i < 9; ++i) {
    for (int j = 0; j < 9; ++j) {
      if (i != j) mesh.push_back("mesh-" + std::to_string(i) + "-" + std::to_string(j));
    }
  }
  const TrustView nothing = Trust({}, mesh);
  const TrustView trust = Trust({"mesh-root"}, mesh);
  const Certificate leaf = Cert("mesh-leaf");
  const auto begin = std::chrono::steady_clock::now();
  const ChainVerdict without = VerifyPath(leaf, {}, nothing, Now());
  EXPECT_FALSE(without.accepted());
  EXPECT_TRUE(VerifyPath(leaf, {}, trust, Now()).accepted());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(VerifyPath, Abuse42EndsInLoops) {
  const TrustView loop = Trust({}, {"mesh-0-1", "mesh-1-0"});
  EXPECT_EQ(SeverityOf(Verify("mesh-leaf", loop).findings, "CHAIN_INCOMPLETE"), "error");
}

// ABUSE 43.
TEST(VerifyPath, Abuse43BoundsTheWorkOfNameConstraints) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(Verify("nc-many-leaf", Trust({"root"}, {"nc-many"})).accepted());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

// ABUSE 44.
TEST(VerifyPath, Abuse44TriesAllCertificatesOfOneName) {
  const ChainVerdict verdict =
      Verify("leaf", Trust({"root-twin", "root"}, {"int1-by-twin", "int1", "int2"}));
  EXPECT_TRUE(verdict.accepted()) << Describe(verdict.findings);
  EXPECT_TRUE(Verify("leaf", Trust({"root"}, {"int1-by-twin", "int1", "int2"})).accepted());
}

// ABUSE 44.
TEST(VerifyPath, Abuse44FindsTheIssuerByKeyIdAmongManyOfItsName) {
  const auto crowd = ReadCertificates(ReadTestFile("crowd.pem"), 100).value();
  ASSERT_GT(crowd.size(), kMaxCandidates);
  const TrustView trust{LookUpIn(crowd), nullptr};
  EXPECT_TRUE(VerifyPath(Cert("crowd-leaf"), {}, trust, Now()).accepted());
  EXPECT_TRUE(VerifyPath(crowd.back(), {}, trust, Now()).accepted());  // itself an anchor
}

TEST(BestCandidates, PutsThoseOfTheKeyIdFirstAndEndsAtTheCap) {
  const auto crowd = ReadCertificates(ReadTestFile("crowd.pem"), 100).value();
  const auto best = BestCandidates(crowd, Cert("crowd-leaf").fields().aki);
  ASSERT_EQ(best.size(), kMaxCandidates);
  EXPECT_EQ(best[0], crowd.back());
  EXPECT_EQ(best[1], crowd[0]);
  EXPECT_EQ(BestCandidates(crowd, "")[0], crowd[0]);
  EXPECT_FALSE(HasKeyId(Cert("no-key-ids"), ""));
}

// ABUSE 45.
TEST(VerifyPath, Abuse45TakesNoKeyIdForASignature) {
  const ChainVerdict verdict = Verify("leaf", Trust({"root-fraud-ski"}, kMiddles));
  EXPECT_FALSE(verdict.accepted());
  EXPECT_EQ(SeverityOf(verdict.findings, "SIGNATURE_INVALID"), "error");
  EXPECT_TRUE(Verify("leaf", Trust({"root-fraud-ski", "root"}, kMiddles)).accepted());
}

// ABUSE 47.
TEST(VerifyPath, Abuse47RefusesIssuersThatAreNoCaAndLongPaths) {
  EXPECT_EQ(
      SeverityOf(Verify("under-leaf", Trust({"root"}, {"int1", "int2", "leaf-issuer"})).findings,
                 "NOT_A_CA"),
      "error");
  EXPECT_EQ(
      SeverityOf(Verify("leaf-under-int3", Trust({"root"}, {"int1", "int2", "int3"})).findings,
                 "PATH_LENGTH_EXCEEDED"),
      "error");
}

// ABUSE 48.
TEST(VerifyPath, Abuse48ChecksTheSelfSignatureOfAnchors) {
  EXPECT_FALSE(Verify("leaf", Trust({"root-bad-signature"}, kMiddles)).accepted());
}

// ABUSE 54; more of it in the suites of tools/chain_check_test.cc.
TEST(VerifyPath, Abuse54EnforcesExplicitPolicies) {
  EXPECT_EQ(
      SeverityOf(Verify("policy-leaf", Trust({"root"}, {"policy-ca"})).findings, "POLICY_INVALID"),
      "error");
}

TEST(VerifyPath, APinnedCertificateIsItsOwnPath) {
  const ChainVerdict verdict = Verify("pinned", Trust({"pinned"}));
  EXPECT_TRUE(verdict.accepted()) << Describe(verdict.findings);
  EXPECT_EQ(verdict.path.size(), 1u);
  EXPECT_TRUE(Verify("responder", Trust({"responder"})).accepted());
  EXPECT_FALSE(Verify("pinned", Trust({"root"})).accepted());
}

TEST(VerifyPath, TheLeafsRoleIsTheCallersChoice) {
  ChainPolicy policy = Now();
  EXPECT_FALSE(Verify("client", Trust({"root"}, kMiddles), {}, policy).accepted());
  policy.leaf_role = LintRole::kClient;
  EXPECT_TRUE(Verify("client", Trust({"root"}, kMiddles), {}, policy).accepted());
  EXPECT_TRUE(Verify("int2", Trust({"root"}, {"int1"})).accepted());
  policy.leaf_role = LintRole::kEndEntity;
  EXPECT_EQ(
      SeverityOf(Verify("int2", Trust({"root"}, {"int1"}), {}, policy).findings, "CA_IN_LEAF"),
      "error");
}

std::vector<std::string> Order(const CaChain& chain) {
  std::vector<std::string> out;
  for (const Certificate& c : chain.ordered) out.push_back(c.fields().common_name);
  return out;
}
using Names = std::vector<std::string>;

// SPEC C5a: chain mode sorts what it gets. ABUSE 49.
TEST(CheckCaChain, Abuse49SortsDropsDuplicatesAndReportsUnrelated) {
  const CaChain chain =
      CheckCaChain(Certs({"int2", "root", "mesh-root", "int1", "int2"}), Trust({}), MidTerm());
  EXPECT_EQ(Order(chain), (Names{"Root", "Intermediate 1", "Intermediate 2"}));
  EXPECT_EQ(SeverityOf(chain.findings, "DUPLICATE"), "info");
  EXPECT_EQ(SeverityOf(chain.findings, "UNRELATED"), "warning");
  EXPECT_FALSE(HasErrors(chain.findings)) << Describe(chain.findings);
}

TEST(CheckCaChain, TakesTheIssuerFromTrust) {
  const CaChain chain = CheckCaChain(Certs({"int2", "int1"}), Trust({"root"}), MidTerm());
  EXPECT_EQ(Order(chain), (Names{"Intermediate 1", "Intermediate 2"}));
  EXPECT_FALSE(HasErrors(chain.findings)) << Describe(chain.findings);
  EXPECT_FALSE(HasErrors(CheckCaChain(Certs({"root"}), Trust({}), MidTerm()).findings));
}

// SPEC C5a.
TEST(CheckCaChain, RefusesABrokenLink) {
  EXPECT_EQ(SeverityOf(CheckCaChain(Certs({"int2", "int1"}), Trust({}), MidTerm()).findings,
                       "CHAIN_INCOMPLETE"),
            "error");
  EXPECT_EQ(
      SeverityOf(CheckCaChain(Certs({"root", "int2"}), Trust({}), MidTerm()).findings, "UNRELATED"),
      "error");
  EXPECT_TRUE(
      HasErrors(CheckCaChain(Certs({"root-twin", "int1", "int2"}), Trust({}), MidTerm()).findings));
}

// ABUSE 41.
TEST(CheckCaChain, Abuse41RefusesDeepChainsBeforeVerifying) {
  const auto deep = ReadCertificates(ReadTestFile("deep.pem"), 100).value();
  const CaChain chain = CheckCaChain(deep, Trust({}), MidTerm());
  EXPECT_EQ(SeverityOf(chain.findings, "CHAIN_TOO_COMPLEX"), "error");
  EXPECT_TRUE(chain.ordered.empty());
}

TEST(CheckCaChain, Abuse42EndsInLoops) {
  const CaChain chain = CheckCaChain(Certs({"mesh-0-1", "mesh-1-0"}), Trust({}), MidTerm());
  EXPECT_TRUE(HasErrors(chain.findings));
  EXPECT_FALSE(HasErrors(
      CheckCaChain(Certs({"mesh-0-1", "mesh-1-8"}), Trust({"mesh-root"}), MidTerm()).findings));
}

class BadRoots : public testing::TestWithParam<std::pair<const char*, const char*>> {};
// SPEC C5a: an anchor is refused for CA:TRUE missing, a bad self-signature, its dates or a weak
// key. ABUSE 46, 47, 48.
TEST_P(BadRoots, Abuse46To48AreRefused) {
  const CaChain chain = CheckCaChain(Certs({GetParam().first}), Trust({}), MidTerm());
  EXPECT_EQ(SeverityOf(chain.findings, GetParam().second), "error") << Describe(chain.findings);
}
INSTANTIATE_TEST_SUITE_P(CheckCaChain, BadRoots,
                         testing::Values(std::pair{"root-expired", "EXPIRED"},
                                         std::pair{"root-future", "NOT_YET_VALID"},
                                         std::pair{"root-not-ca", "NOT_A_CA"},
                                         std::pair{"leaf", "NOT_A_CA"},
                                         std::pair{"root-no-basic", "BASIC_CONSTRAINTS_MISSING"},
                                         std::pair{"root-bad-signature", "SIGNATURE_INVALID"}));

// SPEC C5a: real roots are like that.
TEST(CheckCaChain, OnlyWarnsOfTheOdditiesOfRoots) {
  for (const char* file : {"root-sha1", "root-odd"}) {
    const CaChain chain = CheckCaChain(Certs({file}), Trust({}), MidTerm());
    EXPECT_FALSE(HasErrors(chain.findings)) << file << "\n" << Describe(chain.findings);
    EXPECT_FALSE(chain.findings.empty()) << file;
  }
}

// ABUSE 47.
TEST(CheckCaChain, Abuse47RefusesAPathLengthThatIsExceeded) {
  const CaChain chain = CheckCaChain(Certs({"root", "int1", "int2", "int3"}), Trust({}), MidTerm());
  EXPECT_EQ(SeverityOf(chain.findings, "PATH_LENGTH_EXCEEDED"), "error")
      << Describe(chain.findings);
}

std::string KindOf(const std::string& file, std::optional<EntryKind> asked = std::nullopt) {
  const auto kind = ClassifyEntry(Cert(file), asked);
  return kind ? std::string(EntryKindName(kind.value())) : kind.error().word;
}

// SPEC C5: the four kinds. ABUSE 47.
TEST(ClassifyEntry, Abuse47ACertificateDeterminesItsKind) {
  EXPECT_EQ(KindOf("root"), "anchor");
  EXPECT_EQ(KindOf("int1"), "intermediate");
  EXPECT_EQ(KindOf("root-rollover"), "intermediate");
  EXPECT_EQ(KindOf("pinned"), "pinned");
  EXPECT_EQ(KindOf("root-bad-signature"), "SIGNATURE_INVALID");
  EXPECT_EQ(KindOf("leaf"), "TRUST_ENTRY_NOT_CA");
  EXPECT_EQ(KindOf("leaf", EntryKind::kPinned), "pinned");
  EXPECT_EQ(KindOf("leaf", EntryKind::kAnchor), "TRUST_ENTRY_NOT_CA");
  EXPECT_EQ(KindOf("leaf", EntryKind::kOcspResponder), "RESPONDER_WITHOUT_EKU");
  EXPECT_EQ(KindOf("responder", EntryKind::kOcspResponder), "ocsp-responder");
  EXPECT_EQ(KindOf("int1", EntryKind::kAnchor), "ENTRY_KIND_MISMATCH");
  EXPECT_EQ(KindOf("pinned", EntryKind::kAnchor), "TRUST_ENTRY_NOT_CA");
}

TEST(EntryKind, NamesReadBack) {
  for (const EntryKind kind : {EntryKind::kAnchor, EntryKind::kIntermediate, EntryKind::kPinned,
                               EntryKind::kOcspResponder}) {
    EXPECT_EQ(ParseEntryKind(EntryKindName(kind)).value(), kind);
  }
  EXPECT_EQ(ParseEntryKind("root").error().word, "ENTRY_KIND_INVALID");
}

}  // namespace
}  // namespace signet::keystore::x509
