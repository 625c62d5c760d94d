// Certificates between the two products, and what a role may do to trust stores over TLS.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/tls_login.h"

namespace signet::testing {
namespace {

class Exchange : public ::testing::Test {
 protected:
  static ApplianceOptions Product(const std::string& product) {
    ApplianceOptions options;
    options.product = product;
    return options;
  }
  void SetUp() override {
    presence_.StartAndWait();
    call_control_.StartAndWait();
  }
  static std::string KindOf(const Appliance& appliance, const std::string& store,
                            const std::string& pem) {
    const Answer shown = appliance.Rpc("trust.show", {{"store", store}, {"id", Fingerprint(pem)}});
    return shown.ok() ? shown.Text("kind") : "";
  }

  Appliance presence_{Product("imp")}, call_control_{Product("cucm")};
};

// SPEC X2: the self-signed certificate of one product is downloaded and uploaded to the other's
// trust store, both ways; no CA and no CSR is needed. SPEC X3: the services to restart are named.
TEST_F(Exchange, SelfSignedCertificatesAreTakenOverByHand) {
  struct Way {
    const Appliance* from;
    const char *purpose, *file;
    const Appliance* to;
    const char *store, *restart;
  };
  const Way ways[] = {
      {&presence_, "cup", "cup.pem", &call_control_, "CallManager-trust", "Cisco CallManager"},
      {&presence_, "cup-ECDSA", "cup_ECDSA.pem", &call_control_, "callmanager-TRUST",
       "Cisco CallManager"},
      {&call_control_, "CallManager", "CallManager.pem", &presence_, "cup-trust",
       "Cisco SIP Proxy"},
  };
  for (const Way& way : ways) {
    SCOPED_TRACE(way.purpose);
    const std::string folder = way.from->Spare("out/");
    std::filesystem::create_directories(folder);
    ASSERT_EQ(way.from->Cli({"certificate", "download", way.purpose, "-o", folder}).code, 0);
    const std::string pem = ReadWhole(folder + way.file);
    ASSERT_EQ(Fingerprint(pem), Current(*way.from, way.purpose));
    EXPECT_TRUE(way.to->List("csr.list").empty());
    const json::value done =
        way.to->CliJson({"trust", "upload", way.store, folder + way.file, "--yes"});
    EXPECT_EQ(done.at("changed"), true);
    EXPECT_EQ(json::serialize(done.at("restarts")), "[\"" + std::string(way.restart) + "\"]");
    EXPECT_EQ(KindOf(*way.to, way.store, pem), "pinned");
  }
}

// SPEC X1, X3: the import tool of the call control, from the presence side's own TLS port, by name.
TEST_F(Exchange, ImportIntoCallManagerTrustNamesCallManager) {
  const std::string own = Current(presence_, "tomcat");
  const std::string at = "localhost:" + presence_.port();
  const json::value done = call_control_.CliJson(
      {"import", "fetch", "CallManager-trust", at, "--fingerprint", own, "--yes"});
  EXPECT_EQ(json::serialize(done.at("restarts")), "[\"Cisco CallManager\"]");
  const Answer shown =
      call_control_.Rpc("trust.show", {{"store", "CallManager-trust"}, {"id", own}});
  EXPECT_EQ(shown.Text("kind"), "pinned");
  EXPECT_NE(shown.Text("origin").find("imported"), std::string::npos) << shown.Text("origin");
  // ABUSE 105: the name that was asked for is not in the certificate, which is said.
  EXPECT_NE(json::serialize(done.at("findings")).find("NAME_MISMATCH"), std::string::npos);
}

class Roles : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  Appliance appliance_;
  CertificateAuthority ca_;
  TlsLogin boss_{appliance_, "boss", "role = \"administrator\""};
  TlsLogin helper_{appliance_, "helper", "role = \"operator\""};
  TlsLogin looker_{appliance_, "looker", "role = \"auditor\""};
  TlsLogin proxy_{appliance_, "proxy", "role = \"service\"\npurposes = [\"cup\"]"};
};

// SPEC C9: deleting a trust entry needs the privilege; without it the operation is not offered.
TEST_F(Roles, OnlyAnAdministratorIsOfferedTheDeletionOfATrustEntry) {
  ASSERT_EQ(appliance_.Cli({"trust", "upload", "cup-trust", ca_.File("root"), "--yes"}).code, 0);
  const json::object entry{{"store", "cup-trust"}, {"id", Fingerprint(ca_.Pem("root"))}};
  for (const TlsLogin* client : {&helper_, &looker_, &proxy_}) {
    const std::string offered =
        json::serialize(client->Call("rpc.discover").at("result").at("methods"));
    EXPECT_EQ(offered.find("trust.delete"), std::string::npos);
    EXPECT_EQ(client->Word("trust.delete", entry), "ACCESS_DENIED");
  }
  EXPECT_EQ(helper_.Word("trust.show", entry), "");
  EXPECT_NE(json::serialize(boss_.Call("rpc.discover")).find("trust.delete"), std::string::npos);
  EXPECT_EQ(boss_.Word("trust.delete", entry), "");
  EXPECT_EQ(helper_.Word("trust.show", entry), "TRUST_ENTRY_UNKNOWN");
}

// SPEC K2: a finding is overridden by an administrator alone.
TEST_F(Roles, OperatorsDoNotOverrideFindings) {
  const json::object forced{{"purpose", "cup"},
                            {"pem", ca_.Pem("root")},
                            {"force", json::array{"SAN_MISSING"}},
                            {"reason", "why not"}};
  EXPECT_EQ(helper_.Word("certificate.upload", forced), "FORCE_DENIED");
  EXPECT_NE(boss_.Word("certificate.upload", forced), "FORCE_DENIED");
}

// ABUSE 67: with the key of another purpose.
TEST_F(Roles, ServiceSignsWithTheKeysOfItsOwnPurposesOnly) {
  const json::object message{{"purpose", "cup"}, {"data", "aGVsbG8="}};
  EXPECT_EQ(proxy_.Word("key.sign", message), "");
  for (const char* other : {"cup-ECDSA", "tomcat", "appliance", "nothing"}) {
    json::object foreign = message;
    foreign["purpose"] = other;
    EXPECT_NE(proxy_.Word("key.sign", foreign), "") << other;
  }
  EXPECT_EQ(helper_.Word("key.sign", message), "ACCESS_DENIED");
}

}  // namespace
}  // namespace signet::testing
