#include "keystore/catalogue.h"

#include <gmock/gmock.h>

#include <set>

namespace signet::keystore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using x509::Ask;
using x509::KeyUsage;

// SPEC 1.3, typed from there. Columns: sA cA ip | dS kE dE kCS kA.
struct Row {
  const char* product;
  const char* purpose;
  bool multi_server;
  const char* extended;  // one letter each for serverAuth, clientAuth, ipsecEndSystem; '.' is blank
  const char* usage;  // digitalSignature keyEncipherment dataEncipherment keyCertSign keyAgreement
  bool elliptic_sibling;  // SPEC 1.1, 1.2: there is a -ECDSA purpose too
};
constexpr Row kRows[] = {
    {"cucm", "CallManager", true, "YY.", "YNY..", true},
    {"cucm", "CAPF", false, "YN.", "YN.Y.", false},
    {"cucm", "ipsec", false, "YYY", "YYY..", false},
    {"cucm", "tomcat", true, "YY.", "YNY..", true},
    {"cucm", "TVS", false, "YY.", "YYY..", false},
    {"imp", "cup", false, "YYY", "YYY..", true},
    {"imp", "cup-xmpp", true, "YYY", "YYY..", true},
    {"imp", "cup-xmpp-s2s", true, "YYY", "YYY..", true},
    {"imp", "ipsec", false, "YYY", "YYY..", false},
    {"imp", "tomcat", true, "YY.", "YYY..", true},
};
constexpr const char* kOids[] = {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.5"};
constexpr KeyUsage kBits[] = {KeyUsage::kDigitalSignature, KeyUsage::kKeyEncipherment,
                              KeyUsage::kDataEncipherment, KeyUsage::kKeyCertSign,
                              KeyUsage::kKeyAgreement};

char Letter(Ask ask) { return ask == Ask::kMust ? 'Y' : ask == Ask::kMustNot ? 'N' : '.'; }

const Catalogue& Product(const std::string& name) {
  static std::map<std::string, Catalogue> loaded;
  if (!loaded.contains(name)) {
    auto catalogue = LoadCatalogue(name);
    if (!catalogue) {
      ADD_FAILURE() << catalogue.error().ToString();
      std::abort();
    }
    loaded.emplace(name, std::move(catalogue).value());
  }
  return loaded.at(name);
}

const Purpose& Find(const std::string& product, const std::string& name) {
  const Purpose* purpose = Product(product).FindPurpose(name);
  if (purpose == nullptr) {
    ADD_FAILURE() << product << " has no " << name;
    std::abort();
  }
  return *purpose;
}

const x509::UsageRule& Bit(const Purpose& purpose, KeyUsage bit) {
  return purpose.profile.key_usage[static_cast<std::size_t>(bit)];
}

const x509::UsageRule* Extended(const Purpose& purpose, const std::string& oid) {
  for (const auto& row : purpose.profile.extended) {
    if (row.oid == oid) return &row.rule;
  }
  return nullptr;
}

void ExpectRow(const Row& row, const Purpose& purpose) {
  SCOPED_TRACE(std::string(row.product) + " " + purpose.name);
  std::string extended, usage;
  for (const char* oid : kOids) {
    const x509::UsageRule* rule = Extended(purpose, oid);
    extended += Letter(rule == nullptr ? Ask::kOpen : rule->ask);
  }
  for (const KeyUsage bit : kBits) usage += Letter(Bit(purpose, bit).ask);
  EXPECT_EQ(extended, row.extended);
  EXPECT_EQ(usage, row.usage);
  EXPECT_EQ(purpose.multi_server, row.multi_server);
  for (const KeyUsage bit : {KeyUsage::kNonRepudiation, KeyUsage::kCrlSign, KeyUsage::kEncipherOnly,
                             KeyUsage::kDecipherOnly}) {
    EXPECT_EQ(Bit(purpose, bit).ask, Ask::kOpen);
  }
}

// SPEC K1: the table is the default.
TEST(CatalogueData, KeyUsageIsTheTableOfTheSpecification) {
  std::map<std::string, std::set<std::string>> expected;
  for (const Row& row : kRows) {
    ExpectRow(row, Find(row.product, row.purpose));
    expected[row.product].insert(row.purpose);
    if (row.elliptic_sibling) {
      ExpectRow(row, Find(row.product, std::string(row.purpose) + "-ECDSA"));
      expected[row.product].insert(std::string(row.purpose) + "-ECDSA");
    }
  }
  for (const auto& [product, names] : expected) {
    std::set<std::string> found;
    for (const Purpose& purpose : Product(product).purposes) {
      if (!purpose.internal) found.insert(purpose.name);
    }
    EXPECT_EQ(found, names);
  }
}

TEST(CatalogueData, NameThatEndsInEcdsaHasAnEllipticKeyAndEveryOtherRsa) {
  for (const char* product : {"imp", "cucm"}) {
    for (const Purpose& purpose : Product(product).purposes) {
      if (purpose.internal) continue;
      SCOPED_TRACE(purpose.name);
      const bool elliptic = purpose.name.ends_with("-ECDSA");
      EXPECT_EQ(purpose.algorithm, elliptic ? hsm::KeyAlgorithm::kEc : hsm::KeyAlgorithm::kRsa);
      EXPECT_EQ(purpose.default_key.algorithm, purpose.algorithm);
      EXPECT_EQ(purpose.default_key.bits, elliptic ? 256 : 2048);
      std::string stem = purpose.name;
      if (elliptic) stem.replace(stem.size() - 6, 1, "_");
      EXPECT_EQ(purpose.file_stem, stem);
      EXPECT_FALSE(purpose.role.empty());
    }
  }
}

// SPEC K2: each bit has its severity in the catalogue.
TEST(CatalogueData, SeverityOfALostBit) {
  for (const char* product : {"imp", "cucm"}) {
    for (const Purpose& purpose : Product(product).purposes) {
      SCOPED_TRACE(std::string(product) + " " + purpose.name);
      const bool elliptic = purpose.name.ends_with("-ECDSA");
      for (const KeyUsage bit : kBits) {
        if (Bit(purpose, bit).ask != Ask::kMust) continue;
        const bool encipherment =
            bit == KeyUsage::kKeyEncipherment || bit == KeyUsage::kDataEncipherment;
        EXPECT_EQ(Bit(purpose, bit).lost,
                  elliptic && encipherment ? Severity::kInfo : Severity::kError);
      }
      const bool client = purpose.name.starts_with("cup") || purpose.name == "ipsec";
      for (const auto& row : purpose.profile.extended) {
        if (row.rule.ask != Ask::kMust) continue;
        EXPECT_EQ(row.rule.lost,
                  row.name == "clientAuth" && !client ? Severity::kWarning : Severity::kError);
      }
    }
  }
}

// SPEC K2: added bits.
TEST(CatalogueData, AddedBitIsAnErrorOnlyWhereTheTableSaysNo) {
  for (const char* product : {"imp", "cucm"}) {
    for (const Purpose& purpose : Product(product).purposes) {
      for (const x509::UsageRule& rule : purpose.profile.key_usage) {
        EXPECT_EQ(rule.added, rule.ask == Ask::kMustNot ? Severity::kError : Severity::kInfo);
      }
    }
  }
  EXPECT_EQ(Extended(Find("cucm", "CAPF"), kOids[1])->added, Severity::kError);
}

TEST(CatalogueData, OnlyCapfIsACaAndItIssuesNoOtherCa) {
  for (const char* product : {"imp", "cucm"}) {
    for (const Purpose& purpose : Product(product).purposes) {
      EXPECT_EQ(purpose.profile.ca, purpose.name == "CAPF");
      EXPECT_EQ(purpose.publisher_only, purpose.name == "CAPF");
    }
  }
  EXPECT_EQ(Find("cucm", "CAPF").profile.path_length, 0);
}

TEST(CatalogueData, ExtendedUsagesAreWrittenInTheOrderOfTheTable) {
  std::vector<std::string> names;
  for (const auto& row : Find("imp", "cup").profile.extended) names.push_back(row.name);
  EXPECT_THAT(names, ElementsAre("serverAuth", "clientAuth", "ipsecEndSystem"));
}

TEST(CatalogueData, TrustStoresAndServicesOfEachPurpose) {
  const auto expect = [](const char* product, const std::string& name, const char* store,
                         const std::vector<std::string>& services) {
    EXPECT_EQ(Find(product, name).trust_store, store) << name;
    EXPECT_EQ(Find(product, name).services, services) << name;
  };
  const std::vector<std::string> xmpp{"Cisco XCP Connection Manager",
                                      "Cisco XCP Web Connection Manager",
                                      "Cisco XCP Directory Service", "Cisco XCP Router"};
  for (const std::string suffix : {"", "-ECDSA"}) {
    expect("imp", "tomcat" + suffix, "tomcat-trust",
           {"Cisco Client Profile Agent", "Cisco AXL Web Service", "Cisco Tomcat"});
    expect("imp", "cup" + suffix, "cup-trust", {"Cisco SIP Proxy", "Cisco Presence Engine"});
    expect("imp", "cup-xmpp" + suffix, "cup-xmpp-trust", xmpp);
    expect("imp", "cup-xmpp-s2s" + suffix, "cup-xmpp-trust",
           {"Cisco XCP XMPP Federation Connection Manager"});
    expect("cucm", "CallManager" + suffix, "CallManager-trust", {"Cisco CallManager"});
    expect("cucm", "tomcat" + suffix, "tomcat-trust", {"Cisco Tomcat"});
  }
  expect("imp", "ipsec", "ipsec-trust", {});
  expect("cucm", "ipsec", "ipsec-trust", {});
  expect("cucm", "CAPF", "CAPF-trust", {});
  expect("cucm", "TVS", "TVS-trust", {});
}

std::string Restarts(const std::vector<Restart>& restarts) {
  std::string text;
  for (const Restart& restart : restarts) {
    constexpr const char* kScopes[] = {"affected", "all", "federation", "publisher"};
    text += (text.empty() ? "" : "; ") + restart.service + " on " +
            kScopes[static_cast<std::size_t>(restart.scope)];
  }
  return text;
}

TEST(CatalogueData, RestartsFollowTheSpecification) {
  for (const std::string suffix : {"", "-ECDSA"}) {
    const auto of = [&](const char* product, const std::string& name) {
      return Restarts(Find(product, name + suffix).on_certificate);
    };
    EXPECT_EQ(of("imp", "tomcat"), "Cisco Tomcat on affected");
    EXPECT_EQ(of("cucm", "tomcat"), "Cisco Tomcat on affected");
    EXPECT_EQ(of("imp", "cup-xmpp"), "Cisco XCP Router on all");
    EXPECT_EQ(of("imp", "cup-xmpp-s2s"),
              "Cisco XCP XMPP Federation Connection Manager on federation");
    EXPECT_EQ(of("imp", "cup"), "Cisco SIP Proxy on affected; Cisco Presence Engine on affected");
    EXPECT_EQ(of("cucm", "CallManager"), "Cisco CallManager on affected");
    EXPECT_TRUE(Find("imp", "tomcat" + suffix).check_sync);
    EXPECT_FALSE(Find("imp", "cup" + suffix).check_sync);
  }
  for (const char* name : {"CAPF", "TVS", "ipsec"}) {
    EXPECT_THAT(Find("cucm", name).on_certificate, IsEmpty());
  }
  EXPECT_EQ(Restarts(Product("imp").on_ca_chain), "Cisco Intercluster Sync Agent on publisher");
  EXPECT_THAT(Product("cucm").on_ca_chain, IsEmpty());
  EXPECT_EQ(Restarts(Product("imp").on_trust.at("cup-trust")), "Cisco SIP Proxy on affected");
  EXPECT_EQ(Restarts(Product("cucm").on_trust.at("CallManager-trust")),
            "Cisco CallManager on affected");
}

TEST(CatalogueData, FlagsOfThePurposes) {
  for (const Purpose& purpose : Product("imp").purposes) {
    SCOPED_TRACE(purpose.name);
    EXPECT_EQ(purpose.hosted_domains, purpose.name.starts_with("cup-xmpp-s2s"));
    EXPECT_EQ(purpose.federation_link, purpose.name.starts_with("cup-xmpp-s2s") ||
                                           purpose.name == "cup" || purpose.name == "cup-ECDSA");
    EXPECT_EQ(purpose.tls_listener, purpose.name == "tomcat");
    EXPECT_EQ(purpose.leftover_deletable, !purpose.internal);
  }
  EXPECT_EQ(Product("imp").purposes.front().name, "tomcat");
  EXPECT_EQ(Product("cucm").purposes.front().name, "tomcat");
}

TEST(CatalogueData, ApplianceHasAnInternalSigningIdentity) {
  for (const char* product : {"imp", "cucm"}) {
    const Purpose& purpose = Find(product, "appliance");
    EXPECT_TRUE(purpose.internal);
    EXPECT_EQ(purpose.default_key, (hsm::KeySpec{hsm::KeyAlgorithm::kEc, 256}));
    EXPECT_EQ(purpose.trust_store, "");
    EXPECT_THAT(purpose.profile.extended, IsEmpty());
    EXPECT_EQ(Bit(purpose, KeyUsage::kDigitalSignature).ask, Ask::kMust);
  }
}

TEST(CatalogueData, ServicesHaveTheirGroups) {
  std::map<std::string, ServiceGroup> groups;
  for (const Service& service : Product("imp").services) groups[service.name] = service.group;
  for (const char* name :
       {"Cisco Intercluster Sync Agent", "Cisco Certificate Expiry Monitor", "Cisco XCP Router"}) {
    EXPECT_EQ(groups.at(name), ServiceGroup::kNetwork) << name;
  }
  EXPECT_EQ(groups.at("Cisco SIP Proxy"), ServiceGroup::kFeature);
  EXPECT_EQ(Product("cucm").services.back().group, ServiceGroup::kFeature);
}

TEST(CatalogueData, TrustStoreIsFoundRegardlessOfCaseAndPurposeIsNot) {
  ASSERT_NE(Product("imp").FindTrustStore("CUP-Trust"), nullptr);
  EXPECT_EQ(Product("imp").FindTrustStore("CUP-Trust")->title,
            "IM and Presence (IM/P) Service Trust");
  EXPECT_EQ(Product("imp").FindTrustStore("cup"), nullptr);
  EXPECT_EQ(Product("imp").FindPurpose("TOMCAT"), nullptr);
}

TEST(CatalogueData, UnknownProductIsNotFound) {
  const auto result = LoadCatalogue("pbx");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "PRODUCT_UNKNOWN");
  EXPECT_THAT(result.error().remedy, HasSubstr("imp, cucm"));
}

constexpr const char* kThird = R"(product = "gateway"
title = "Branch gateway"
version = 1
[[trust_store]]
name = "tls-trust"
[[service]]
name = "nginx"
group = "feature"
[profiles.server]
key_usage = { digitalSignature = "Y" }
extended_key_usage = { serverAuth = "Y" }
[[purpose]]
name = "tls"
file_stem = "tls"
role = "Shown to browsers."
key = "ec:P-256"
profile = "server"
trust_store = "TLS-trust"
services = ["nginx"]
restart = [{ service = "nginx" }]
)";

TEST(CatalogueFile, ThirdProductIsRead) {
  const auto result = ParseCatalogue(kThird, "third.toml");
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(result.value().purposes.at(0).trust_store, "tls-trust");
  EXPECT_EQ(Restarts(result.value().purposes.at(0).on_certificate), "nginx on affected");
}

struct Mistake {
  const char* name;
  const char* from;
  const char* to;
  const char* line;
  const char* words;
};
void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }
class CatalogueMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(CatalogueMistake, IsRefusedWithItsLine) {
  std::string text = kThird;
  const std::size_t at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(GetParam().from).size(), GetParam().to);
  const auto result = ParseCatalogue(text, "third.toml");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::kUsage);
  EXPECT_EQ(result.error().word, "CATALOGUE_INVALID");
  EXPECT_FALSE(result.error().remedy.empty());
  EXPECT_THAT(result.error().detail, HasSubstr("third.toml:" + std::string(GetParam().line) + ":"));
  EXPECT_THAT(result.error().detail, HasSubstr(GetParam().words));
}

INSTANTIATE_TEST_SUITE_P(
    All, CatalogueMistake,
    ::testing::Values(
        Mistake{"BrokenSyntax", "version = 1", "version = ", "3", ""},
        Mistake{"UnknownKey", "group = ", "colour = \"red\"\ngroup = ", "8", "colour"},
        Mistake{"UnknownGroup", "group = \"feature\"", "group = \"core\"", "8", "feature, network"},
        Mistake{"UnknownService", "name = \"nginx\"", "name = \"ngin\"", "19", "nginx"},
        Mistake{"UnknownTrustStore", "\"TLS-trust\"", "\"other-trust\"", "18", "trust_store"},
        Mistake{"UnknownProfile", "profile = \"server\"", "profile = \"client\"", "17", "profiles"},
        Mistake{"UnknownRestartService", "{ service = \"nginx\" }", "{ service = \"apache\" }",
                "20", "service"},
        Mistake{"UnknownScope", "{ service = \"nginx\" }", "{ service = \"nginx\", scope = \"x\" }",
                "20", "all-nodes"},
        Mistake{"UnknownCurve", "ec:P-256", "ec:P-192", "16", ""},
        Mistake{"PathAsName", "name = \"tls\"", "name = \"../tls\"", "13", "A-Z"},
        Mistake{"UnknownUsageBit", "digitalSignature = \"Y\"", "signature = \"Y\"", "10",
                "key usage bit"},
        Mistake{"UnknownAsk", "digitalSignature = \"Y\"", "digitalSignature = \"maybe\"", "10",
                "Y, N"},
        Mistake{"UnknownExtendedUsage", "serverAuth = \"Y\"", "servAuth = \"Y\"", "11",
                "extended key usage"},
        Mistake{"CaWithoutCertSign", "[[purpose]]", "ca = true\n[[purpose]]", "12", "keyCertSign"},
        Mistake{"PathLengthWithoutCa", "[[purpose]]", "path_length = 0\n[[purpose]]", "12",
                "ca = true"},
        Mistake{"RepeatedTrustStore", "[[service]]",
                "[[trust_store]]\nname = \"TLS-TRUST\"\n[[service]]", "7", "already"}),
    [](const auto& tested) { return tested.param.name; });

TEST(CatalogueFile, AllProblemsAreNamedAtOnce) {
  std::string text = kThird;
  text.replace(text.find("ec:P-256"), 8, "ec:P-192");
  text += "unknown = 1\n";
  const auto result = ParseCatalogue(text, "t");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().detail, HasSubstr("t:16:"));
  EXPECT_THAT(result.error().detail, HasSubstr("t:21:"));
}

}  // namespace
}  // namespace signet::keystore
