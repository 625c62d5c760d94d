// Rules and refusals of plans for keys: self-signed certificates and CSRs.
#include <gmock/gmock.h>

#include "tests/keystore/plan_world.h"

namespace signet::keystore {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class PlanTest : public ::testing::Test {
 protected:
  IdentityRequest Of(const std::string& purpose) {
    IdentityRequest request;
    request.purpose = purpose;
    return request;
  }
  // The word of the refusal ("planned" when there is none); every refusal has a remedy.
  static std::string Word(const Result<KeyPlan>& plan) {
    if (plan) return "planned";
    EXPECT_FALSE(plan.error().remedy.empty()) << plan.error().ToString();
    return plan.error().word;
  }
  std::string SelfSigned(const IdentityRequest& request) {
    return Word(PlanSelfSigned(world.In(), request));
  }
  std::string Csr(const IdentityRequest& request) { return Word(PlanCsr(world.In(), request)); }
  static std::vector<std::string> Names(const KeyPlan& plan) {
    std::vector<std::string> names;
    for (const auto& san : plan.content.sans) names.push_back(ToString(san));
    return names;
  }

  PlanWorld world;
};

TEST_F(PlanTest, UnknownPurposeIsRefusedAndThePurposesAreListed) {
  const auto plan = PlanCsr(world.In(), Of("tomcat\n-evil"));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, Kind::kNotFound);
  EXPECT_EQ(plan.error().word, "PURPOSE_UNKNOWN");
  EXPECT_THAT(plan.error().detail, Not(HasSubstr("\n")));
  EXPECT_THAT(plan.error().remedy,
              AllOf(HasSubstr("cup-xmpp-s2s-ECDSA"), Not(HasSubstr("appliance"))));
}

TEST_F(PlanTest, InternalPurposeIsForTheBootAlone) {
  EXPECT_EQ(SelfSigned(Of("appliance")), "PURPOSE_UNKNOWN");
  IdentityRequest boot = Of("appliance");
  boot.internal = true;
  EXPECT_EQ(SelfSigned(boot), "planned");
}

// SPEC C1: RSA 2048 and SHA-256 by default, a fixed key. SPEC C2: its own node, named once.
TEST_F(PlanTest, SelfSignedCertificateNamesItsNodeOnce) {
  const auto plan = PlanSelfSigned(world.In(), Of("tomcat")).value();
  EXPECT_THAT(Names(plan), ElementsAre("DNS:imp1.example.com"));
  EXPECT_EQ(plan.content.subject.common_name, "imp1.example.com");
  EXPECT_EQ(plan.distribution, "imp1.example.com");
  EXPECT_EQ(hsm::ToString(plan.spec), "rsa:2048");
  EXPECT_EQ(plan.policy, hsm::KeyPolicy::kFixed);
  EXPECT_EQ(plan.validity->not_after - plan.validity->not_before, std::chrono::days(1825));
}

// SPEC C2, C8: for cup-xmpp-s2s the hosted domains too.
TEST_F(PlanTest, FederationCertificateNamesHostedDomainsToo) {
  const auto plan = PlanSelfSigned(world.In(), Of("cup-xmpp-s2s")).value();
  EXPECT_THAT(Names(plan), ElementsAre("DNS:imp1.example.com", "DNS:chat.example.com"));
}

// SPEC C2: other nodes' names are refused.
TEST_F(PlanTest, SelfSignedCertificateCannotNameAnotherNode) {
  IdentityRequest request = Of("tomcat");
  request.sans = {"DNS:IMP2.example.com"};
  EXPECT_EQ(SelfSigned(request), "FOREIGN_NODE_NAME");
  request = Of("tomcat");
  request.subject.common_name = "imp2.example.com";
  EXPECT_EQ(SelfSigned(request), "FOREIGN_NODE_NAME");
}

TEST_F(PlanTest, SelfSignedCertificateIsForThisNodeOnly) {
  IdentityRequest request = Of("tomcat");
  for (const char* other : {"multi-server", "imp2.example.com", "nowhere.example.com"}) {
    request.distribution = other;
    EXPECT_EQ(SelfSigned(request), "DISTRIBUTION_NOT_ALLOWED") << other;
  }
  request.distribution = "imp1.example.com";
  EXPECT_EQ(SelfSigned(request), "planned");
}

// SPEC C2: validity of a self-signed certificate.
TEST_F(PlanTest, ValidityIsBoundedAndBelongsToTheCaForCsrs) {
  IdentityRequest request = Of("cup");
  for (const std::int64_t days :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{7301}, INT64_MAX}) {
    request.validity_days = days;
    EXPECT_EQ(SelfSigned(request), "VALIDITY_INVALID") << days;
  }
  request.validity_days = 7300;
  EXPECT_EQ(SelfSigned(request), "planned");
  EXPECT_EQ(Csr(request), "VALIDITY_INVALID");
}

// SPEC W3, C1.
TEST_F(PlanTest, KeyMustFitThePurpose) {
  IdentityRequest request = Of("tomcat");
  request.key = "ec:P-256";
  EXPECT_EQ(Csr(request), "KEY_DOES_NOT_FIT");
  request.key = "rsa:4096";
  EXPECT_EQ(Csr(request), "planned");
  request = Of("tomcat-ECDSA");
  request.key = "rsa:2048";
  EXPECT_EQ(Csr(request), "KEY_DOES_NOT_FIT");
}

// SPEC C1: RSA 2048, 3072, 4096; EC P-256, P-384, P-521. ABUSE 63.
TEST_F(PlanTest, KeyOutsideOfTheListIsRefused) {
  IdentityRequest request = Of("tomcat");
  for (const char* key : {"rsa:1024", "rsa:2049", "rsa:16384", "rsa", "dsa:2048",
                          "ec:1.2.840.10045.3.1.7", "ec:P-224", "", "rsa:2048 "}) {
    request.key = key;
    EXPECT_EQ(Csr(request), "KEY_SPEC_INVALID") << key;
  }
}

// SPEC C1: SHA-256, with P-384 SHA-384, with P-521 SHA-512; weaker than the curve is refused, RSA
// takes any.
TEST_F(PlanTest, HashFollowsTheCurveAndCannotBeWeaker) {
  IdentityRequest request = Of("tomcat-ECDSA");
  const std::pair<const char*, hsm::HashAlgorithm> defaults[] = {
      {"ec:P-256", hsm::HashAlgorithm::kSha256},
      {"ec:P-384", hsm::HashAlgorithm::kSha384},
      {"ec:P-521", hsm::HashAlgorithm::kSha512}};
  EXPECT_EQ(hsm::ToString(PlanCsr(world.In(), request).value().spec), "ec:P-256") << "by default";
  for (const auto& [key, hash] : defaults) {
    request.key = key;
    EXPECT_EQ(PlanCsr(world.In(), request).value().content.hash, hash) << key;
  }
  request.hash = "sha384";
  EXPECT_EQ(Csr(request), "HASH_TOO_WEAK");
  request.key = "ec:P-384";
  request.hash = "sha512";
  EXPECT_EQ(Csr(request), "planned");
  request.key = "ec:P-256";
  request.hash = "sha1";
  EXPECT_NE(Csr(request), "planned");
  request = Of("tomcat");
  EXPECT_EQ(PlanCsr(world.In(), request).value().content.hash, hsm::HashAlgorithm::kSha256);
  for (const char* any : {"sha256", "sha384", "sha512"}) {
    request.hash = any;
    EXPECT_EQ(Csr(request), "planned") << any;
  }
}

// SPEC C1: movable only where the distribution is multi-server. SPEC C3: every node's name, and for
// cup-xmpp-s2s the hosted domains, filled in by itself.
TEST_F(PlanTest, MultiServerCsrNamesEveryNodeAndItsKeyMayMove) {
  IdentityRequest request = Of("tomcat");
  request.distribution = "multi-server";
  const auto plan = PlanCsr(world.In(), request).value();
  EXPECT_EQ(plan.distribution, "multi-server");
  EXPECT_EQ(plan.policy, hsm::KeyPolicy::kMovable);
  EXPECT_EQ(plan.content.subject.common_name, "imp1-ms.example.com");
  EXPECT_THAT(Names(plan), ElementsAre("DNS:imp1-ms.example.com", "DNS:imp1.example.com",
                                       "DNS:imp2.example.com"));
  request.purpose = "tomcat-ECDSA";
  EXPECT_EQ(PlanCsr(world.In(), request).value().content.subject.common_name,
            "imp1-EC-ms.example.com");
  request.purpose = "cup-xmpp-s2s";
  EXPECT_THAT(Names(PlanCsr(world.In(), request).value()), Contains("DNS:chat.example.com"));
}

TEST_F(PlanTest, DistributionThatThePurposeDoesNotHaveIsRefused) {
  IdentityRequest request = Of("cup");
  request.distribution = "multi-server";
  EXPECT_EQ(Csr(request), "DISTRIBUTION_NOT_ALLOWED");
  request = Of("tomcat");
  request.distribution = "imp2.example.com";
  EXPECT_EQ(Csr(request), "DISTRIBUTION_NOT_ALLOWED");
  request.distribution = "nowhere\nat all";
  EXPECT_EQ(Csr(request), "DISTRIBUTION_NOT_ALLOWED");
}

TEST_F(PlanTest, CommonNameThatIsNoHostIsNoAlternativeName) {
  IdentityRequest request = Of("cup");
  request.subject.common_name = "SIP of the north";
  const auto plan = PlanCsr(world.In(), request).value();
  EXPECT_EQ(plan.content.subject.common_name, "SIP of the north");
  EXPECT_THAT(Names(plan), ElementsAre("DNS:imp1.example.com"));
}

TEST_F(PlanTest, MalformedNameIsPointedAt) {
  IdentityRequest request = Of("cup");
  request.sans = {"DNS:a.example.com", "DNS:a,IP:127.0.0.1"};
  const auto plan = PlanCsr(world.In(), request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().word, "NAME_INVALID");
  EXPECT_EQ(plan.error().pointer, "/sans/1");
}

TEST_F(PlanTest, SubjectOutOfBoundsIsRefused) {
  IdentityRequest request = Of("cup");
  request.subject.country = "XYZ";
  EXPECT_EQ(Csr(request), "SUBJECT_INVALID");
  request = Of("cup");
  request.subject.organization = std::string(65, 'o');
  EXPECT_EQ(Csr(request), "SUBJECT_INVALID");
}

TEST_F(PlanTest, AtMostAHundredNames) {
  IdentityRequest request = Of("cup");
  for (int i = 0; i < 99; ++i) request.sans.push_back("DNS:h" + std::to_string(i) + ".example.com");
  request.sans.push_back("DNS:H0.example.com");  // the same again
  EXPECT_EQ(Csr(request), "planned");
  request.sans.push_back("DNS:more.example.com");
  EXPECT_EQ(Csr(request), "TOO_MANY_NAMES");
}

// ABUSE 64.
TEST_F(PlanTest, C64_CsrAboveTheLimitIsRefused) {
  for (std::size_t i = 0; i < kMaxPendingCsrs; ++i) world.snapshot->csrs["c" + std::to_string(i)];
  const auto plan = PlanCsr(world.In(), Of("cup"));
  EXPECT_EQ(Word(plan), "TOO_MANY_PENDING_CSRS");
  EXPECT_EQ(plan.error().kind, Kind::kExhausted);
  EXPECT_EQ(SelfSigned(Of("cup")), "planned");
}

TEST(PlanOfCallControl, PurposeOfThePublisherIsRefusedElsewhere) {
  PlanWorld world("cucm");
  IdentityRequest request;
  request.purpose = "CAPF";
  EXPECT_TRUE(PlanCsr(world.In(), request));
  EXPECT_TRUE(PlanSelfSigned(world.In(), request));
  world.names.publisher = false;
  for (const auto& plan : {PlanCsr(world.In(), request), PlanSelfSigned(world.In(), request)}) {
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().word, "PUBLISHER_ONLY");
    EXPECT_FALSE(plan.error().remedy.empty());
  }
}

}  // namespace
}  // namespace signet::keystore
