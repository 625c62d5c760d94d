// Settings: what they may hold, and what follows from them for certificates (SPEC C8, K1).
#include "keystore/settings.h"

#include <gmock/gmock.h>

#include "tests/keystore/plan_world.h"

namespace signet::keystore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Settings : public ::testing::Test {
 protected:
  void Set(const std::string& name, const std::string& value) {
    world.snapshot->settings[name].value.value =
        CanonicalSetting(*FindSetting(name).value(), value).value();
    world.snapshot->settings[name].modified = 9;
  }
  std::vector<std::string> NamesOf(const std::string& purpose) {
    IdentityRequest request;
    request.purpose = purpose;
    std::vector<std::string> names;
    const KeyPlan plan = PlanCsr(world.In(), request).value();
    for (const auto& san : plan.content.sans) names.push_back(ToString(san));
    return names;
  }
  std::string Word(const std::string& name, const std::string& value) {
    const auto plan = PlanSettings(world.In(), {{name, value}});
    if (plan) return CanonicalSetting(*FindSetting(name).value(), value).value();
    EXPECT_FALSE(plan.error().remedy.empty());
    return plan.error().word;
  }

  PlanWorld world;
};

TEST_F(Settings, ValuesAreCheckedAndBroughtToOneForm) {
  EXPECT_EQ(Word("xmpp-federation-wildcards", "on"), "true");
  EXPECT_EQ(Word("xmpp-federation-wildcards", "maybe"), "SETTING_INVALID");
  EXPECT_EQ(Word("ec-key-usage", "rfc8813"), "rfc8813");
  EXPECT_EQ(Word("ec-key-usage", "RFC"), "SETTING_INVALID");
  EXPECT_EQ(Word("rollback-days", "007"), "7");
  for (const char* days : {"0", "-1", "3651", "1e3", "", "7 "})
    EXPECT_EQ(Word("rollback-days", days), "SETTING_INVALID") << days;
  EXPECT_EQ(Word("hosted-domains", "B.example.com; a.example.com,b.example.com"),
            "a.example.com b.example.com");
  EXPECT_EQ(Word("hosted-domains", ""), "");
  for (const char* domain : {"*.example.com", "a_b.example.com", "10.0.0.1"})
    EXPECT_EQ(Word("hosted-domains", domain), "SETTING_INVALID") << domain;
  EXPECT_EQ(Word("../etc", "x"), "SETTING_UNKNOWN");
}

TEST_F(Settings, HostedDomainsOfTheConfigurationHoldUntilTheyAreSet) {
  EXPECT_THAT(NamesOf("cup-xmpp-s2s-ECDSA"), Contains("DNS:chat.example.com"));
  Set("hosted-domains", "example.org");
  EXPECT_THAT(NamesOf("cup-xmpp-s2s-ECDSA"), Contains("DNS:example.org"));
  EXPECT_THAT(NamesOf("cup-xmpp-s2s-ECDSA"), Not(Contains("DNS:chat.example.com")));
  EXPECT_THAT(NamesOf("cup-xmpp-ECDSA"), Not(Contains("DNS:example.org")));
}

TEST_F(Settings, DamagedRecordCountsAsNone) {
  world.snapshot->settings["rollback-days"].value.value = "abc";
  EXPECT_EQ(SettingValue(world.In(), "rollback-days"), "30");
}

// SPEC C8: every hosted domain; with the setting on, *.domain in its place.
TEST_F(Settings, WildcardsReplaceTheHostedDomainsOfFederationCertificatesOnly) {
  Set("xmpp-federation-wildcards", "on");
  EXPECT_THAT(NamesOf("cup-xmpp-s2s-ECDSA"), Contains("DNS:*.chat.example.com"));
  EXPECT_THAT(NamesOf("cup-xmpp-s2s-ECDSA"), Not(Contains("DNS:chat.example.com")));
  EXPECT_THAT(NamesOf("tomcat-ECDSA"), Not(Contains(HasSubstr("*"))));
}

// SPEC C8: after a change, what must be regenerated is listed, with its restart.
TEST_F(Settings, ChangeTellsWhichCertificatesMustBeMadeAnew) {
  IdentityRequest request;
  request.purpose = "cup-xmpp-s2s-ECDSA";
  KeyPlan self_signed = PlanSelfSigned(world.In(), request).value();
  const SoftKey key(self_signed.spec);
  const std::string der =
      x509::BuildSelfSigned(self_signed.content, *self_signed.validity, key.spki, key.evp.get())
          .value();
  world.AddCsr("cup-xmpp-s2s-ECDSA");
  world.Install("c1", x509::Certificate::FromDer(der).value());
  EXPECT_THAT(PlanSettings(world.In(), {{"xmpp-federation-wildcards", "off"}}).value().findings,
              IsEmpty());
  const SettingPlan plan = PlanSettings(world.In(), {{"xmpp-federation-wildcards", "on"}}).value();
  const Finding* regenerate = FindingOf(plan.findings, "REGENERATE");
  ASSERT_NE(regenerate, nullptr);
  EXPECT_THAT(regenerate->text, HasSubstr("*.chat.example.com"));
  EXPECT_THAT(regenerate->text, HasSubstr("signet certificate regenerate"));
  EXPECT_THAT(plan.restarts, ElementsAre("Cisco XCP XMPP Federation Connection Manager"));
  Set("xmpp-federation-wildcards", "on");
  const Purpose& purpose = *world.catalogue.FindPurpose("cup-xmpp-s2s-ECDSA");
  EXPECT_THAT(UncoveredNames(world.In(), purpose), ElementsAre("*.chat.example.com"));
}

// SPEC K1: the table is the default and the plan says what of it RFC 8813 forbids; the setting
// drops both bits, of -ECDSA purposes only.
TEST_F(Settings, EcKeyUsageWithoutWhatRfc8813Forbids) {
  const auto noted = [&](const std::string& purpose) {
    IdentityRequest request;
    request.purpose = purpose;
    const KeyPlan csr = PlanCsr(world.In(), request).value();
    const KeyPlan self_signed = PlanSelfSigned(world.In(), request).value();
    const Finding* finding = FindingOf(csr.findings, "EC_KEY_ENCIPHERMENT");
    EXPECT_EQ(finding != nullptr,
              FindingOf(self_signed.findings, "EC_KEY_ENCIPHERMENT") != nullptr);
    if (finding != nullptr) {
      EXPECT_EQ(finding->severity, Severity::kInfo);
      EXPECT_THAT(finding->text, HasSubstr("signet setting set ec-key-usage rfc8813"));
    }
    return finding != nullptr;
  };
  EXPECT_TRUE(noted("tomcat-ECDSA"));
  EXPECT_FALSE(noted("tomcat"));
  const auto asks = [&](const std::string& purpose, x509::KeyUsage bit) {
    IdentityRequest request;
    request.purpose = purpose;
    const KeyPlan plan = PlanCsr(world.In(), request).value();
    return plan.content.profile.key_usage[static_cast<std::size_t>(bit)].ask == x509::Ask::kMust;
  };
  EXPECT_TRUE(asks("tomcat-ECDSA", x509::KeyUsage::kKeyEncipherment));
  Set("ec-key-usage", "rfc8813");
  EXPECT_FALSE(asks("tomcat-ECDSA", x509::KeyUsage::kKeyEncipherment));
  EXPECT_FALSE(asks("tomcat-ECDSA", x509::KeyUsage::kDataEncipherment));
  EXPECT_TRUE(asks("tomcat-ECDSA", x509::KeyUsage::kDigitalSignature));
  EXPECT_TRUE(asks("tomcat", x509::KeyUsage::kKeyEncipherment));
  EXPECT_FALSE(noted("tomcat-ECDSA"));
}

TEST_F(Settings, PlanOfACertificateRestsOnTheSettingsItUsed) {
  IdentityRequest request;
  request.purpose = "cup-xmpp-s2s-ECDSA";
  const auto hash = [&] { return ReportOf(PlanCsr(world.In(), request).value()).hash; };
  const std::string before = hash();
  Set("rollback-days", "9");
  EXPECT_EQ(hash(), before);
  Set("xmpp-federation-wildcards", "off");  // the same value, but the record has moved
  EXPECT_NE(hash(), before);
}

TEST_F(Settings, ParentDomainIsNamedAndIsThatOfTheMultiServerName) {
  IdentityRequest request;
  request.purpose = "tomcat-ECDSA";
  request.distribution = "multi-server";
  request.parent_domain = "example.org";
  const KeyPlan plan = PlanCsr(world.In(), request).value();
  EXPECT_EQ(plan.content.subject.common_name, "imp1-EC-ms.example.org");
  std::vector<std::string> names;
  for (const auto& san : plan.content.sans) names.push_back(ToString(san));
  EXPECT_THAT(names, Contains("DNS:example.org"));
  EXPECT_THAT(plan.nodes, ElementsAre("imp1.example.com", "imp2.example.com"));
  request.parent_domain = "not a domain";
  EXPECT_FALSE(PlanCsr(world.In(), request));
}

}  // namespace
}  // namespace signet::keystore
