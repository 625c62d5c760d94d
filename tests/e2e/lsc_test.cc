// SPEC M4: certificates of endpoints through the real CLI, on an appliance with CAPF; and the
// other places that the certificate monitor looks at (SPEC M1).
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/tls_login.h"

namespace signet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class Lsc : public ::testing::Test {
 protected:
  // A phone's certificate, PEM, and its key in a file of that name.
  std::string Phone(const std::string& device, int days, const std::string& issuer = "root",
                    const CertificateAuthority* authority = nullptr) {
    const std::string key = appliance_.Spare(device + ".key");
    const std::string csr =
        MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-subj", "/CN=" + device});
    CertificateAuthority::SignOptions options;
    options.issuer = issuer;
    options.days = days;
    options.copy_extensions = false;
    options.extensions = {"extendedKeyUsage=clientAuth"};
    return (authority == nullptr ? ca_ : *authority).Sign(csr, options);
  }
  std::string File(const std::string& name, const std::string& content) const {
    const std::string path = appliance_.Spare(name);
    WriteWhole(path, content);
    return path;
  }
  void TrustCapf() {
    const Outcome trusted =
        appliance_.Cli({"trust", "upload", "CAPF-trust", ca_.File("root"), "--yes"});
    ASSERT_EQ(trusted.code, 0) << trusted.err;
  }
  json::array List(json::object filter = {}) const { return appliance_.List("lsc.list", filter); }

  CertificateAuthority ca_;
  Appliance appliance_{[] {
    ApplianceOptions options;
    options.product = "cucm";
    return options;
  }()};
};

TEST_F(Lsc, IsRegisteredWatchedListedAndRemoved) {
  appliance_.StartAndWait();
  TrustCapf();
  const std::string soon = File("soon.pem", Phone("SEP001122334455", 10));
  const std::string later = File("later.pem", Phone("SEP00AABBCCDDEE", 700));
  const Outcome registered = appliance_.Cli({"lsc", "register", soon, later});
  EXPECT_EQ(registered.code, 0) << registered.err;
  EXPECT_THAT(registered.out, HasSubstr("2"));
  const json::value before = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(before.at("lsc"), false);
  EXPECT_EQ(before.at("lscs"), 2) << "they are not watched before somebody asks for it";
  EXPECT_THAT(json::serialize(before.at("certificates")), Not(HasSubstr("LSC")));
  EXPECT_EQ(appliance_.Cli({"monitor", "set", "--lsc", "on"}).code, 0);
  const json::value after = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(after.at("lsc"), true);
  EXPECT_EQ(after.at("checked").as_int64(), before.at("checked").as_int64() + 2);
  EXPECT_EQ(after.at("soon").as_int64(), before.at("soon").as_int64() + 1);
  EXPECT_THAT(json::serialize(after.at("certificates")), HasSubstr("LSC of SEP001122334455"));
  EXPECT_EQ(appliance_.Cli({"monitor", "run"}).code, 0);
  const Outcome status = appliance_.Cli({"status"});
  EXPECT_THAT(status.err, AllOf(HasSubstr("LSCS_EXPIRE"), HasSubstr("signet lsc list")));
  // In 20 days it is over.
  const std::string day = MustRun({"date", "-u", "-d", "+20 days", "+%Y-%m-%dT%H:%M:%SZ"});
  const json::value preview =
      appliance_.MustRpc("monitor.preview", {{"at", day.substr(0, day.size() - 1)}});
  EXPECT_EQ(preview.at("expired"), 1);
  const Outcome listed = appliance_.Cli({"lsc", "list"});
  EXPECT_LT(listed.out.find("SEP001122334455"), listed.out.find("SEP00AABBCCDDEE"));
  EXPECT_THAT(List({{"endsBefore", day.substr(0, day.size() - 1)}}), SizeIs(1));
  // Its successor takes its place, whatever comes after it.
  const std::string next = File("next.pem", Phone("SEP001122334455", 800));
  ASSERT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait();
  const json::value renewed = appliance_.CliJson({"lsc", "register", next});
  EXPECT_EQ(renewed.at("replaced"), 1);
  EXPECT_THAT(List(), SizeIs(2));
  EXPECT_EQ(appliance_.CliJson({"lsc", "register", soon}).at("changed"), false);
  const std::string id = List().at(0).at("id").as_string().c_str();
  const Outcome removed = appliance_.Cli({"lsc", "remove", id.substr(0, 16)});
  EXPECT_EQ(removed.code, 0) << removed.err;
  const Outcome again = appliance_.Cli({"lsc", "remove", id});
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, AllOf(HasSubstr("LSC_UNKNOWN"), HasSubstr("remedy")));
  EXPECT_EQ(appliance_.CliJson({"lsc", "remove-expired"}).at("removed"), 0);
  EXPECT_NE(appliance_.Cli({"lsc", "remove-expired", "--before", "2099-01-01T00:00:00Z"}).code, 0);
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_THAT(appliance_.NodeDatabase("SELECT detail FROM audit WHERE method LIKE 'lsc.%'"),
              AllOf(HasSubstr("registered"), HasSubstr("LSC of CN=SEP")));
}

TEST_F(Lsc, WhatIsNoneIsReportedEachWithWhatToDo) {
  appliance_.StartAndWait();
  const std::string phone = Phone("SEP1", 100);
  const Outcome unknown = appliance_.Cli({"lsc", "register", File("1.pem", phone)});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err,
              AllOf(HasSubstr("LSC_ISSUER_UNKNOWN"), HasSubstr("signet trust upload CAPF-trust")));
  EXPECT_THAT(List(), IsEmpty());
  TrustCapf();
  const CertificateAuthority other;
  const Outcome mixed = appliance_.Cli(
      {"lsc", "register",
       File("2.pem", phone + ca_.Pem("root") + Phone("SEP2", 100, "root", &other) +
                         "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" +
                         phone)});
  EXPECT_EQ(mixed.code, 1);
  EXPECT_THAT(mixed.err, AllOf(HasSubstr("LSC_IS_CA"), HasSubstr("LSC_ISSUER_UNKNOWN"),
                               HasSubstr("LSC_UNREADABLE")));
  EXPECT_THAT(List(), SizeIs(1));
  // A file with a private key is refused (SPEC C1), those beside it are not.
  const std::string third = Phone("SEP3", 100);
  const std::string key = File("key.pem", third + ReadWhole(appliance_.Spare("SEP3.key")));
  const Outcome secret =
      appliance_.Cli({"lsc", "register", key, File("4.pem", Phone("SEP4", 100))});
  EXPECT_EQ(secret.code, 1);
  EXPECT_THAT(secret.err, AllOf(HasSubstr("PRIVATE_KEY_IN_UPLOAD"), HasSubstr("key.pem")));
  EXPECT_THAT(List(), SizeIs(2));
  const Outcome alone = appliance_.Cli({"lsc", "register", key});
  EXPECT_NE(alone.code, 0);
  EXPECT_THAT(alone.err, HasSubstr("remedy"));
  for (const std::string& wrong :
       {std::string(), std::string("hello"), std::string(100'000, '\xff')})
    EXPECT_NE(appliance_.Cli({"lsc", "register", File("5.pem", wrong)}).code, 0);
  EXPECT_NE(appliance_.Cli({"lsc", "register", appliance_.Spare("none.pem")}).code, 0);
  for (const char* wrong : {"12", "zzzzzzzz", "' OR '1'='1"})
    EXPECT_NE(appliance_.Cli({"lsc", "remove", wrong}).code, 0) << wrong;
  EXPECT_NE(appliance_.Cli({"lsc", "list", "--ends-before", "soon"}).code, 0);
  EXPECT_EQ(appliance_.Rpc("lsc.list", {{"cursor", "x"}}).word(), "CURSOR_INVALID");
  EXPECT_EQ(appliance_.Rpc("monitor.set", {{"lsc", "on"}}).ok(), false);
  EXPECT_THAT(List(), SizeIs(2));
}

// More than a request takes at once, from a foreign tool.
TEST_F(Lsc, ManyAreSentInPieces) {
  appliance_.StartAndWait();
  const std::string file = appliance_.Spare("many.pem");
  MustRun(
      {"/usr/bin/python3", "-B", "-W", "ignore", MANY_CERTS, "lscs", file, "7800:1800", "200:10"});
  ASSERT_GT(std::filesystem::file_size(file), 4u << 20);
  ASSERT_EQ(appliance_.Cli({"trust", "upload", "CAPF-trust", file + ".ca", "--yes"}).code, 0);
  const json::value done = appliance_.CliJson({"lsc", "register", file});
  EXPECT_EQ(done.at("registered"), 8000);
  EXPECT_EQ(done.at("ok"), true);
  EXPECT_GE(done.at("operations").as_array().size(), 2u);
  EXPECT_EQ(appliance_.CliJson({"lsc", "register", file}).at("known"), 8000);
  EXPECT_EQ(appliance_.Cli({"monitor", "set", "--lsc", "on"}).code, 0);
  const json::value shown = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(shown.at("lscs"), 8000);
  EXPECT_GE(shown.at("soon").as_int64(), 200);
  EXPECT_LE(shown.at("certificates").as_array().size(), 60u);
  // The same in one request, of more octets than others may have.
  const Answer whole = appliance_.Rpc("lsc.register", {{"certificates", ReadWhole(file)}});
  ASSERT_TRUE(whole.ok()) << whole.word();
  EXPECT_EQ(whole.result.at("known"), 8000);
}

// All of a request or nothing; what was registered before is there.
TEST_F(Lsc, ACrashInTheMiddleLeavesWhatWasThereAndIsAudited) {
#ifndef SIGNET_FAILPOINTS
  GTEST_SKIP() << "this build has no failpoints";
#endif
  appliance_.StartAndWait();
  TrustCapf();
  ASSERT_EQ(appliance_.Cli({"lsc", "register", File("1.pem", Phone("SEP1", 100))}).code, 0);
  ASSERT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait({{"SIGNET_FAILPOINT", "lsc.before-commit"}});
  const std::string more = File("2.pem", Phone("SEP2", 100) + Phone("SEP3", 100));
  EXPECT_NE(appliance_.Cli({"lsc", "register", more}).code, 0);
  ASSERT_TRUE(appliance_.WaitForEnd(Seconds(20)).has_value());
  appliance_.StartAndWait();
  EXPECT_THAT(List(), SizeIs(1));
  EXPECT_TRUE(Eventually(
      [&] {
        return appliance_.NodeDatabase("SELECT outcome FROM audit WHERE method = 'lsc.register'")
                   .find("interrupted") != std::string::npos;
      },
      Seconds(20)));
  EXPECT_EQ(appliance_.CliJson({"lsc", "register", more}).at("registered"), 2);
}

TEST_F(Lsc, ADamagedRegisterKeepsNobodyFromTheRest) {
  appliance_.StartAndWait();
  ASSERT_EQ(appliance_.Stop(), 0);
  const std::string file = appliance_.Path("state/lsc.db");
  ASSERT_TRUE(std::filesystem::exists(file));
  WriteWhole(file, "garbage");
  appliance_.StartAndWait();
  EXPECT_EQ(appliance_.State(), "operational");
  EXPECT_THAT(appliance_.Cli({"status"}).err, HasSubstr("LSC_REGISTER_UNAVAILABLE"));
  EXPECT_EQ(appliance_.Rpc("lsc.list").word(), "STATE_DAMAGED");
  EXPECT_EQ(appliance_.Cli({"monitor", "set", "--lsc", "on"}).code, 0);
  const json::value shown = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(shown.at("unknown"), 1);
  EXPECT_EQ(appliance_.Stop(), 0);
  EXPECT_EQ(ReadWhole(file), "garbage");
}

// SPEC M1: the certificates with which administrators log in, once they did.
TEST_F(Lsc, AClientThatLoggedInIsWatched) {
  const TlsLogin boss(appliance_, "boss", "role = \"administrator\"", 10);
  appliance_.StartAndWait();
  const auto watched = [&] {
    return json::serialize(appliance_.MustRpc("monitor.show").at("certificates"));
  };
  EXPECT_THAT(watched(), Not(HasSubstr("boss")));
  EXPECT_EQ(boss.Word("status.show"), "");
  EXPECT_THAT(watched(), HasSubstr("client certificate of boss"));
  ASSERT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait();
  EXPECT_THAT(watched(), HasSubstr("client certificate of boss"));
}

}  // namespace
}  // namespace signet::testing
