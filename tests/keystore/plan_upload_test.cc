// Uploads as they are planned: signed certificates and trust entries.
#include <gmock/gmock.h>

#include "tests/keystore/plan_world.h"
#include "tests/support/test_ca.h"

namespace signet::keystore {
namespace {

using signet::testing::TestCa;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class UploadTest : public ::testing::Test {
 protected:
  // The refusal of an upload; it always says what to do, and its word is that of the first error.
  Error Refused(const std::string& pem, const std::string& purpose = "tomcat-ECDSA",
                bool with_chain = false) {
    auto plan = PlanUpload(world.In(), {{{purpose, pem}}, with_chain, {}});
    if (plan) {
      ADD_FAILURE() << "planned";
      return {};
    }
    Error error = plan.error();
    EXPECT_FALSE(error.remedy.empty()) << error.ToString();
    for (const Finding& finding : error.findings) {
      if (finding.severity != Severity::kError) continue;
      EXPECT_EQ(finding.id, error.word);
      break;
    }
    return error;
  }
  UploadItem Planned(const std::string& pem, bool with_chain = false) {
    auto plan = PlanUpload(world.In(), {{{"tomcat-ECDSA", pem}}, with_chain, {}});
    EXPECT_TRUE(plan) << plan.error().ToString();
    return plan ? plan.value().items.at(0) : UploadItem{};
  }
  void TrustChain() {
    world.AddTrust("tomcat-trust", ca.Issuer("root"));
    world.AddTrust("tomcat-trust", ca.Issuer("intermediate"));
  }

  TestCa ca;
  PlanWorld world;
  std::string csr = world.AddCsr("tomcat-ECDSA", "c1");
};

// SPEC C3, C6: the signed certificate finds its CSR by public key, its chain is in the store
// already.
TEST_F(UploadTest, CertificateFindsItsCsrByKeyAndItsChainInTheStore) {
  TrustChain();
  world.AddCsr("tomcat-ECDSA", "c2");
  const std::string pem = ca.Sign(csr);
  const UploadPlan whole = PlanUpload(world.In(), {{{"tomcat-ECDSA", pem}}, false, {}}).value();
  const UploadItem plan = whole.items.at(0);
  EXPECT_EQ(plan.csr.id, "c1");
  EXPECT_EQ(whole.reads.at(world.In().layout().Csr("c1")), 7);
  EXPECT_FALSE(HasErrors(whole.findings));
  EXPECT_THAT(plan.chain, SizeIs(2));
  EXPECT_THAT(plan.additions, IsEmpty());
}

// SPEC C6: the chain must be there.
TEST_F(UploadTest, MissingChainIsNamedAndTheRemedyNamesTheStore) {
  const std::string leaf = ca.Sign(csr);
  const Error error = Refused(leaf);
  EXPECT_EQ(error.word, "CHAIN_INCOMPLETE");
  EXPECT_THAT(error.remedy, HasSubstr("signet trust upload tomcat-trust"));
  EXPECT_THAT(Refused(leaf + ca.Issuer("intermediate")).remedy, HasSubstr("--with-chain"));
}

// SPEC C6: a chain in the upload is stored first if asked. ABUSE 50: the root of it is an anchor of
// the plan.
TEST_F(UploadTest, ChainOfTheUploadIsStoredOnlyWhenAsked) {
  const std::string bundle = ca.Issuer("root") + ca.Sign(csr) + ca.Issuer("intermediate");
  const UploadItem plan = Planned(bundle, true);
  ASSERT_THAT(plan.additions, SizeIs(2));
  EXPECT_EQ(plan.additions[0].kind, x509::EntryKind::kAnchor);
  EXPECT_EQ(plan.additions[1].kind, x509::EntryKind::kIntermediate);
  world.AddTrust("tomcat-trust", ca.Issuer("root"));
  EXPECT_THAT(Planned(bundle, true).additions, SizeIs(1));
  EXPECT_EQ(Refused(bundle).word, "CHAIN_INCOMPLETE");
}

TEST_F(UploadTest, OtherKeyIsNoAnswerAndTheCertificatesOwnFaultsAreListedToo) {
  TrustChain();
  const Error error = Refused(ca.Sign(csr, {{"key", "rsa-1024"}, {"begin", -30}, {"end", -2}}));
  EXPECT_EQ(error.word, "KEY_MISMATCH");
  EXPECT_THAT(error.remedy, HasSubstr("stays pending"));
  EXPECT_NE(FindingOf(error.findings, "KEY_WEAK"), nullptr);
  EXPECT_NE(FindingOf(error.findings, "EXPIRED"), nullptr);
}

TEST_F(UploadTest, CertificateOfAnotherPurposesKeyIsNotAttached) {
  TrustChain();
  const std::string other = world.AddCsr("cup-ECDSA", "c9");
  const Error error = Refused(ca.Sign(other));
  EXPECT_EQ(error.word, "KEY_MISMATCH");
  EXPECT_THAT(error.detail, HasSubstr("cup-ECDSA csr c9"));
}

TEST_F(UploadTest, NothingPendingIsSaid) {
  TrustChain();
  const std::string leaf = ca.Sign(csr);
  world.snapshot->csrs.clear();
  EXPECT_EQ(Refused(leaf).word, "NO_PENDING_CSR");
}

TEST_F(UploadTest, SameCertificateAgainIsNoChangeAndAnotherForTheKeyIsAConflict) {
  TrustChain();
  const std::string leaf = ca.Sign(csr);
  const std::string second = ca.Sign(csr);
  world.Install("c1", Planned(leaf).leaf.value());
  EXPECT_TRUE(Planned(leaf).unchanged);
  const Error error = Refused(second);
  EXPECT_EQ(error.word, "CSR_ALREADY_ANSWERED");
  EXPECT_EQ(error.kind, Kind::kConflict);
}

TEST_F(UploadTest, TwoLeavesAreAmbiguous) {
  TrustChain();
  EXPECT_EQ(Refused(ca.Sign(csr) + ca.Sign(csr)).word, "UPLOAD_AMBIGUOUS");
  const std::string twice = ca.Sign(csr);
  EXPECT_EQ(Planned(twice + twice).csr.id, "c1");
}

// SPEC C6, K2: names, usages, dates and chain are checked, and all that is wrong is said.
TEST_F(UploadTest, EverythingThatIsWrongIsListedAtOnce) {
  IdentityRequest request;
  request.purpose = "tomcat-ECDSA";
  request.sans = {"DNS:a.example.com", "DNS:b.example.com"};
  csr = world.AddCsr(request, "c3");
  const Error error = Refused(ca.Sign(csr, {{"sans", json::array{"DNS:imp1.example.com"}},
                                            {"ku", json::array{"key_encipherment"}},
                                            {"eku", json::array{"1.3.6.1.5.5.7.3.2"}},
                                            {"begin", -30},
                                            {"end", -2},
                                            {"issuer", "unknown"}}));
  std::vector<std::string> missing;
  for (const Finding& finding : error.findings) {
    if (finding.id == "SAN_MISSING") missing.push_back(finding.text);
  }
  EXPECT_THAT(missing, ElementsAre(HasSubstr("a.example.com"), HasSubstr("b.example.com")));
  for (const char* id :
       {"KEY_USAGE_LOST_digitalSignature", "EKU_LOST_serverAuth", "EXPIRED", "CHAIN_INCOMPLETE"}) {
    EXPECT_NE(FindingOf(error.findings, id), nullptr) << id;
  }
  EXPECT_THAT(error.remedy, HasSubstr("mend them all"));
}

TEST_F(UploadTest, UnknownPurposeIsRefused) {
  EXPECT_EQ(Refused(ca.Sign(csr), "tomcat-EC").word, "PURPOSE_UNKNOWN");
}

class TrustUploadTest : public ::testing::Test {
 protected:
  Result<TrustPlan> Plan(const std::vector<TrustUploadPart>& parts,
                         std::optional<x509::EntryKind> as = std::nullopt) {
    auto plan = PlanTrustUpload(world.In(), {"tomcat-trust", parts, as, false});
    if (!plan) {
      EXPECT_FALSE(plan.error().remedy.empty()) << plan.error().ToString();
    }
    return plan;
  }
  static std::string Word(const Result<TrustPlan>& plan) {
    return plan ? "planned" : plan.error().word;
  }

  TestCa ca;
  PlanWorld world;
  const std::string root = ca.Issuer("root"), intermediate = ca.Issuer("intermediate");
};

// SPEC C5a: sorted, each with its description.
TEST_F(TrustUploadTest, ChainInAnyOrderIsStoredIssuerFirst) {
  const auto plan = Plan({{intermediate, "second", ""}, {root, "first\nline", ""}});
  ASSERT_EQ(Word(plan), "planned");
  ASSERT_THAT(plan.value().additions, SizeIs(2));
  EXPECT_EQ(plan.value().additions[0].kind, x509::EntryKind::kAnchor);
  EXPECT_THAT(plan.value().additions[0].description, ::testing::Not(HasSubstr("\n")));
  EXPECT_EQ(plan.value().additions[1].description, "second");
  EXPECT_THAT(plan.value().restarts, ElementsAre("Cisco Intercluster Sync Agent"));
}

// ABUSE 57: the name of a store is looked up, never a path.
TEST_F(TrustUploadTest, StoreIsFoundRegardlessOfCase) {
  EXPECT_EQ(
      PlanTrustUpload(world.In(), {"Tomcat-Trust", {{root, "", ""}}, {}, false}).value().store,
      "tomcat-trust");
  EXPECT_EQ(Word(PlanTrustUpload(world.In(), {"../tomcat", {{root, "", ""}}, {}, false})),
            "TRUST_STORE_UNKNOWN");
}

// SPEC C5a: the same certificate twice is a no-op that says so.
TEST_F(TrustUploadTest, KnownCertificateIsNoChangeThatSaysSo) {
  world.AddTrust("tomcat-trust", root);
  const auto plan = Plan({{root, "", ""}});
  EXPECT_THAT(plan.value().additions, IsEmpty());
  EXPECT_THAT(plan.value().restarts, IsEmpty());
  EXPECT_NE(FindingOf(plan.value().findings, "ALREADY_THERE"), nullptr);
}

TEST_F(TrustUploadTest, IntermediateNeedsItsIssuer) {
  EXPECT_EQ(Word(Plan({{intermediate, "", ""}})), "CHAIN_INCOMPLETE");
  world.AddTrust("tomcat-trust", root);
  EXPECT_EQ(Word(Plan({{intermediate, "", ""}})), "planned");
  EXPECT_EQ(Word(Plan({{ca.Issuer("twin"), "", ""}})), "planned");  // a root that has the same name
}

// SPEC C5a: the name of the certificate before it.
TEST_F(TrustUploadTest, PredecessorMustBeTheIssuer) {
  EXPECT_EQ(Word(Plan({{root, "", ""}, {intermediate, "", "Root"}})), "planned");
  const auto wrong = Plan({{root, "", ""}, {intermediate, "", "Rood\x1b[31m"}});
  EXPECT_EQ(Word(wrong), "PREDECESSOR_MISMATCH");
  EXPECT_THAT(wrong.error().detail, ::testing::Not(HasSubstr("\x1b")));
  world.AddTrust("tomcat-trust", root);
  EXPECT_EQ(Word(Plan({{intermediate, "", "Root"}})), "planned");
}

// ABUSE 50: one for which a predecessor is named must not be self-signed.
TEST_F(TrustUploadTest, RootHasNoPredecessor) {
  EXPECT_EQ(Word(Plan({{root, "", "Root"}})), "PREDECESSOR_OF_ROOT");
}

TEST_F(TrustUploadTest, PredecessorOfSeveralCertificatesIsAmbiguous) {
  EXPECT_EQ(Word(Plan({{root + intermediate, "", "Root"}})), "PREDECESSOR_AMBIGUOUS");
}

// SPEC C5, C6, X2: a self-signed end-entity certificate is trusted as itself. ABUSE 47.
TEST_F(TrustUploadTest, SelfSignedCertificateOfANodeIsPinned) {
  const auto plan = Plan({{ca.SelfSigned("cucm1.example.com"), "", ""}});
  ASSERT_EQ(Word(plan), "planned");
  EXPECT_EQ(plan.value().additions.at(0).kind, x509::EntryKind::kPinned);
  EXPECT_THAT(plan.value().restarts, IsEmpty());
}

// SPEC C5: one that a CA issued is refused unless asked for. ABUSE 47.
TEST_F(TrustUploadTest, EndEntityOfACaIsTrustedOnlyWhenAskedFor) {
  const std::string leaf = ca.Sign(world.AddCsr("cup-ECDSA"));
  EXPECT_EQ(Word(Plan({{leaf, "", ""}})), "TRUST_ENTRY_NOT_CA");
  EXPECT_EQ(Word(Plan({{leaf, "", ""}}, x509::EntryKind::kPinned)), "planned");
  EXPECT_EQ(Word(Plan({{leaf, "", ""}}, x509::EntryKind::kOcspResponder)), "RESPONDER_WITHOUT_EKU");
}

TEST_F(TrustUploadTest, ChainIsAllOrNothing) {
  const std::string leaf = ca.Sign(world.AddCsr("cup-ECDSA"));
  EXPECT_EQ(Word(Plan({{root, "", ""}, {leaf, "", ""}})), "TRUST_ENTRY_NOT_CA");
}

// SPEC C5a: everything that is wrong with a chain is listed, and nothing of it is stored.
TEST_F(TrustUploadTest, EveryFaultOfAChainIsListedAtOnce) {
  const std::string csr = world.AddCsr("cup-ECDSA");
  const auto ca_with = [&](json::object how, const std::string& name) {
    how["issuer"] = "root";
    how["subject"] = name;
    if (!how.contains("ca")) how["ca"] = true;
    how["ku"] = json::array{"key_cert_sign", "crl_sign"};
    how["sans"] = json::array();
    how["eku"] = json::array();
    return ca.Sign(csr, std::move(how));
  };
  const std::pair<std::string, std::string> faults[] = {
      {ca_with({{"begin", -30}, {"end", -2}}, "Expired"), "EXPIRED"},
      {ca_with({{"begin", 2}}, "Future"), "NOT_YET_VALID"},
      {ca_with({{"key", "rsa-1024"}}, "Weak key"), "KEY_WEAK"},
      {ca_with({{"digest", "sha1"}}, "Weak hash"), "SIGNATURE_WEAK"},
      {ca_with({{"ca", false}}, "No CA"), "TRUST_ENTRY_NOT_CA"},
      {ca.Issuer("unknown") + ca.Issuer("intermediate"), ""},  // whole by itself, with the root
  };
  std::vector<TrustUploadPart> parts{{root, "", ""}};
  for (const auto& [pem, unused] : faults) parts.push_back({pem, "", ""});
  const auto plan = Plan(parts);
  ASSERT_FALSE(plan);
  for (const auto& [pem, word] : faults) {
    if (word.empty()) continue;
    const Finding* finding = FindingOf(plan.error().findings, word);
    ASSERT_NE(finding, nullptr) << word;
    EXPECT_EQ(finding->severity, Severity::kError) << word;
    EXPECT_EQ(finding->certificate, x509::ReadCertificates(pem, 1).value().front().fingerprint());
    EXPECT_EQ(Word(Plan({{root, "", ""}, {pem, "", ""}})), word) << "by itself";
  }
  EXPECT_EQ(Word(Plan({{root, "", ""}, {ca.Issuer("intermediate"), "", ""}})), "planned");
}

// SPEC C5a: a chain has 16 certificates at most. ABUSE 41.
TEST_F(TrustUploadTest, SixteenCertificatesAtMostInAllFilesTogether) {
  std::vector<std::string> leaves;
  for (int i = 0; i < 17; ++i)
    leaves.push_back(ca.SelfSigned("n" + std::to_string(i) + ".example.com"));
  std::vector<TrustUploadPart> parts;
  for (const std::string& leaf : leaves) parts.push_back({leaf, "", ""});
  EXPECT_EQ(Word(Plan(parts)), "TOO_MANY_CERTIFICATES");
  parts.pop_back();
  EXPECT_EQ(Word(Plan(parts)), "planned");
}

TEST_F(TrustUploadTest, EmptyUploadIsRefused) {
  EXPECT_EQ(Word(Plan({{"", "", ""}})), "UPLOAD_EMPTY");
  EXPECT_EQ(Word(Plan({})), "UPLOAD_EMPTY");
}

}  // namespace
}  // namespace signet::keystore
