// What a caller may ask of a path besides its signatures and dates.
#include <gtest/gtest.h>

#include "keystore/x509/pem.h"
#include "tests/keystore/x509/trusting.h"

namespace signet::keystore::x509 {
namespace {

constexpr const char* kServer = "1.3.6.1.5.5.7.3.1";
constexpr const char* kClient = "1.3.6.1.5.5.7.3.2";
constexpr const char* kPolicy = "1.3.6.1.4.1.99999.1";

// The worst severity of `id` when `leaf` below the middles is judged by `policy`.
std::string Says(const std::string& leaf, const char* id, const ChainPolicy& policy = Now()) {
  const ChainVerdict verdict = Verify(leaf, Trust({"root"}, kMiddles), {}, policy);
  EXPECT_FALSE(verdict.path.empty()) << Describe(verdict.findings);
  return SeverityOf(verdict.findings, id);
}
ChainPolicy With(Rigour rigour) {
  ChainPolicy policy = Now();
  policy.rigour = rigour;
  return policy;
}
ChainPolicy AskingFor(PeerName::Type type, std::string value) {
  ChainPolicy policy = Now();
  policy.peer_name = PeerName{type, std::move(value)};
  return policy;
}

TEST(ChainPolicy, EachRequiredExtendedUsageMustBeAllowed) {
  ChainPolicy policy = Now();
  policy.required_ekus = {kServer, kClient};
  EXPECT_EQ(Says("leaf", "EKU_NOT_ALLOWED", policy), "");
  policy.required_ekus = {kServer, "1.3.6.1.5.5.7.3.3"};
  EXPECT_EQ(Says("leaf", "EKU_NOT_ALLOWED", policy), "error");
}

TEST(ChainPolicy, RequiredKeyUsagesAreThoseOfTheLeaf) {
  ChainPolicy policy = Now();
  policy.required_usages = {KeyUsage::kDigitalSignature, KeyUsage::kKeyEncipherment};
  EXPECT_EQ(Says("leaf", "KEY_USAGE_NOT_ALLOWED", policy), "");
  policy.required_usages = {KeyUsage::kKeyAgreement};
  EXPECT_EQ(Says("leaf", "KEY_USAGE_NOT_ALLOWED", policy), "error");
}

TEST(ChainPolicy, TheNameAskedForIsLookedUpAmongTheAlternativeNamesOnly) {
  using Type = PeerName::Type;
  constexpr const char* kId = "PEER_NAME_MISMATCH";
  EXPECT_EQ(Says("leaf", kId, AskingFor(Type::kDns, "A.example.com")), "");
  EXPECT_EQ(Says("leaf", kId, AskingFor(Type::kDns, "b.example.com")), "error");
  EXPECT_EQ(Says("san-other", kId, AskingFor(Type::kDns, "a.example.com")), "error");
  EXPECT_EQ(Says("san-none", kId, AskingFor(Type::kDns, "a.example.com")), "error");
  EXPECT_EQ(Says("wildcard-part", kId, AskingFor(Type::kDns, "bar.example.com")), "error");
  EXPECT_EQ(Says("san-address", kId, AskingFor(Type::kIp, "192.0.2.1")), "");
  EXPECT_EQ(Says("san-address", kId, AskingFor(Type::kIp, "192.0.2.2")), "error");
  EXPECT_EQ(Says("san-address", kId, AskingFor(Type::kDns, "192.0.2.1")), "error");
  EXPECT_EQ(Says("san-mail", kId, AskingFor(Type::kEmail, "alice@example.com")), "");
  EXPECT_EQ(Says("san-mail", kId, AskingFor(Type::kEmail, "bob@example.com")), "error");
}

TEST(ChainPolicy, EmptyAndTruncatedNamesMatchNothing) {
  using Type = PeerName::Type;
  for (const Type type : {Type::kDns, Type::kIp, Type::kEmail}) {
    EXPECT_EQ(Says("leaf", "PEER_NAME_MISMATCH", AskingFor(type, "")), "error");
    EXPECT_EQ(Says("leaf", "PEER_NAME_MISMATCH",
                   AskingFor(type, std::string("a.example.com\0.test", 19))),
              "error");
  }
}

TEST(ChainPolicy, SelfIssuedIntermediatesDoNotCountForTheDepth) {
  ChainPolicy policy = Now();
  policy.max_intermediates = 1;
  EXPECT_EQ(Says("leaf", "TOO_MANY_INTERMEDIATES", policy), "error");
  policy.max_intermediates = 2;
  EXPECT_EQ(Says("leaf", "TOO_MANY_INTERMEDIATES", policy), "");
  policy.max_intermediates = 1;
  const ChainVerdict rolled =
      Verify("under-int1-next", Trust({"root"}), {"int1-next", "int1"}, policy);
  EXPECT_TRUE(rolled.accepted()) << Describe(rolled.findings);
  EXPECT_EQ(rolled.path.size(), 4u);
}

TEST(ChainPolicy, NoPolicyAskedForMeansAny) {
  const TrustView trust = Trust({"root"}, {"policy-said-ca"});
  const ChainVerdict verdict = Verify("policy-said", trust);
  EXPECT_TRUE(verdict.accepted()) << Describe(verdict.findings);
}

TEST(ChainPolicy, OnlyPoliciesAskedForAreAccepted) {
  const TrustView trust = Trust({"root"}, {"policy-said-ca"});
  ChainPolicy policy = Now();
  policy.policies.initial_set = {kPolicy};
  EXPECT_TRUE(Verify("policy-said", trust, {}, policy).accepted());
  policy.policies.initial_set = {"1.3.6.1.4.1.99999.2"};
  EXPECT_EQ(SeverityOf(Verify("policy-said", trust, {}, policy).findings, "POLICY_INVALID"),
            "error");
  policy.policies.initial_set = {"no OID"};
  EXPECT_FALSE(Verify("policy-said", trust, {}, policy).accepted());
}

TEST(ChainPolicy, AnExplicitPolicyCanBeDemandedOfChainsWithoutAny) {
  ChainPolicy policy = Now();
  EXPECT_EQ(Says("leaf", "POLICY_INVALID", policy), "");
  policy.policies.require_explicit = true;
  EXPECT_EQ(Says("leaf", "POLICY_INVALID", policy), "error");
}

TEST(ChainPolicy, LegacyRigourForgivesStrengthOnly) {
  EXPECT_EQ(Says("short-key", "KEY_WEAK"), "error");
  EXPECT_EQ(Says("short-key", "KEY_WEAK", With(Rigour::kConforming)), "error");
  EXPECT_EQ(Says("short-key", "KEY_WEAK", With(Rigour::kLegacy)), "warning");
  EXPECT_EQ(Says("sha1", "SIGNATURE_WEAK", With(Rigour::kLegacy)), "warning");
  EXPECT_EQ(Says("ed25519", "KEY_UNSUPPORTED", With(Rigour::kLegacy)), "warning");
  EXPECT_EQ(Says("expired", "EXPIRED", With(Rigour::kLegacy)), "error");
  EXPECT_EQ(Says("serial-zero", "SERIAL_INVALID", With(Rigour::kLegacy)), "error");
}

struct Form {
  const char* file;
  const char* id;
  const char* upload;
  const char* conforming;
};
class FormOfCas : public testing::TestWithParam<Form> {};
TEST_P(FormOfCas, IsJudgedByTheRigour) {
  const Form& form = GetParam();
  EXPECT_EQ(Says(form.file, form.id), form.upload);
  EXPECT_EQ(Says(form.file, form.id, With(Rigour::kConforming)), form.conforming);
}
INSTANTIATE_TEST_SUITE_P(
    ChainPolicy, FormOfCas,
    testing::Values(Form{"no-key-ids", "KEY_ID_MISSING", "warning", "error"},
                    Form{"eku-critical", "EKU_CRITICAL", "warning", "error"},
                    Form{"san-critical", "SAN_CRITICALITY", "warning", "error"},
                    Form{"san-bare", "SAN_CRITICALITY", "warning", "error"},
                    Form{"san-underscore", "NAME_UNSAFE", "warning", "error"},
                    Form{"san-mail-odd", "EMAIL_MALFORMED", "warning", "error"},
                    Form{"san-case", "CN_SPELLING", "warning", "error"},
                    Form{"cn-old-address", "CN_SPELLING", "warning", "error"},
                    Form{"cn-domain", "CN_BESIDE_SAN", "error", "warning"},
                    Form{"cn-beside-address", "CN_BESIDE_SAN", "error", "warning"},
                    Form{"san-other", "CN_NOT_IN_SAN", "error", "error"},
                    Form{"path-length-leaf", "PATH_LENGTH_WITHOUT_CA", "warning", "warning"}),
    [](const auto& form) {
      std::string name = form.param.file;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(ChainPolicy, AConformingRootLimitsNoUsages) {
  const TrustView trust = Trust({"root-for-servers"});
  EXPECT_TRUE(Verify("under-root-for-servers", trust).accepted());
  EXPECT_EQ(
      SeverityOf(Verify("under-root-for-servers", trust, {}, With(Rigour::kConforming)).findings,
                 "EKU_IN_ANCHOR"),
      "error");
}

TEST(ChainPolicy, NotAfterItselfIsStillValid) {
  const WallTime end = Cert("leaf").fields().not_after;
  EXPECT_EQ(Says("leaf", "EXPIRED", Now(end)), "");
  EXPECT_EQ(Says("leaf", "EXPIRED", Now(end + std::chrono::seconds(1))), "error");
  const WallTime begin = Cert("leaf").fields().not_before;
  EXPECT_EQ(Says("leaf", "NOT_YET_VALID", Now(begin)), "");
  EXPECT_EQ(Says("leaf", "NOT_YET_VALID", Now(begin - std::chrono::seconds(1))), "error");
}

TEST(ChainPolicy, AWildcardMayNotStandForAnExcludedName) {
  const TrustView trust = Trust({"root"}, {"ex-dns", "ex-dot"});
  const auto says = [&](const char* leaf) {
    return SeverityOf(Verify(leaf, trust).findings, "NAME_CONSTRAINT_VIOLATED");
  };
  EXPECT_EQ(says("ex-dns-wildcard"), "error");
  EXPECT_EQ(says("ex-dns-deeper"), "");
  EXPECT_EQ(says("ex-dns-plain"), "");
  // What begins with a dot names the hosts below, which the wildcard does not reach.
  EXPECT_EQ(says("ex-dot-wildcard"), "");
}

TEST(ChainPolicy, ExcludedFormsThatNobodyChecksConcernTheirNamesOnly) {
  const TrustView trust = Trust({"root"}, {"ex-other"});
  ChainPolicy policy = With(Rigour::kConforming);
  EXPECT_TRUE(Verify("ex-other-plain", trust, {}, policy).accepted());
  EXPECT_FALSE(Verify("ex-other-other", trust, {}, policy).accepted());
  EXPECT_FALSE(Verify("ex-other-plain", trust).accepted());
}

TEST(ChainPolicy, ATrustedLimitIsNotLiftedByThePeersOwnCertificate) {
  ChainPolicy policy = Now();
  policy.required_ekus = {kServer};
  const std::vector<std::string> sent{"int1", "int2"};
  EXPECT_TRUE(Verify("leaf", Trust({"root"}), sent, policy).accepted());
  const ChainVerdict limited = Verify("leaf", Trust({"root", "int1-for-clients"}), sent, policy);
  EXPECT_EQ(SeverityOf(limited.findings, "EKU_NOT_ALLOWED"), "error") << Describe(limited.findings);
  policy.required_ekus = {kClient};
  EXPECT_TRUE(Verify("leaf", Trust({"root", "int1-for-clients"}), sent, policy).accepted());
}

TEST(ChainPolicy, WhatIsTrustedAsItselfMaySayKeyCertSign) {
  const ChainVerdict verdict = Verify("pinned-cert-sign", Trust({"pinned-cert-sign"}));
  EXPECT_TRUE(verdict.accepted()) << Describe(verdict.findings);
  EXPECT_EQ(SeverityOf(verdict.findings, "KEY_CERT_SIGN_WITHOUT_CA"), "warning");
}

TEST(ChainPolicy, CaFalseWrittenOutIsRead) {
  EXPECT_FALSE(Cert("false-written-out").fields().ca);
  EXPECT_TRUE(Verify("false-written-out", Trust({"root"}, kMiddles)).accepted());
}

TEST(ChainPolicy, PublicSitesMayHaveMoreNamesThanUploads) {
  EXPECT_EQ(ReadCertificates(Der("san-101"), 1).error().word, "TOO_MANY_NAMES");
  EXPECT_TRUE(ReadCertificates(Der("san-101"), 1, kPublicSiteSans));
  EXPECT_EQ(ReadCertificates(Der("san-3000"), 1, kPublicSiteSans).error().word, "TOO_MANY_NAMES");
}

}  // namespace
}  // namespace signet::keystore::x509
