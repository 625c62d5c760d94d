// After the first certificate: a rehearsal that binds, a rollback under handshakes, a trust entry
// that goes and comes back, files for other programs.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

class LifeCycleJob : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  std::string SignedFile(const std::string& purpose) {
    const json::value made = appliance_.CliJson({"csr", "generate", purpose});
    const std::string file = appliance_.Spare(purpose + ".pem");
    WriteWhole(file, ca_.Sign(Text(made.at("pem"))));
    return file;
  }
  void TrustChain(const std::string& store) {
    EXPECT_EQ(appliance_
                  .Cli({"trust", "upload", store, ca_.File("root"), ca_.File("int1"),
                        ca_.File("int2"), "--yes"})
                  .code,
              0);
  }
  std::string Served() { return Fingerprint(appliance_.ServedChain().at(0)); }

  Appliance appliance_;
  CertificateAuthority ca_;
};

TEST_F(LifeCycleJob, RehearsalChangesNothingAndItsHashBinds) {
  TrustChain("tomcat-trust");
  const std::string file = SignedFile("tomcat");
  const std::string before = Served();
  const Outcome shown = appliance_.Cli({"certificate", "upload", "tomcat", file, "--dry-run"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.out.find("install certificate"), std::string::npos) << shown.out;
  const json::value plan =
      appliance_.CliJson({"certificate", "upload", "tomcat", file, "--dry-run"});
  for (const char* member : {"hash", "steps", "findings", "replaces", "restarts"})
    EXPECT_TRUE(plan.as_object().contains(member)) << member;
  EXPECT_EQ(Served(), before);
  const std::string hash = Text(plan.at("hash"));
  const Outcome stale =
      appliance_.Cli({"certificate", "upload", "tomcat", file, "--plan", std::string(64, '0')});
  EXPECT_EQ(stale.code, 5) << stale.err;
  EXPECT_NE(stale.err.find("PLAN_STALE"), std::string::npos);
  EXPECT_EQ(Served(), before);
  EXPECT_EQ(appliance_.Cli({"certificate", "upload", "tomcat", file, "--plan", hash}).code, 0);
  EXPECT_EQ(Served(), Fingerprint(ReadWhole(file)));
  // Rehearsals leave no trace in the audit log.
  for (const json::value& record : appliance_.List("audit.list"))
    EXPECT_EQ(Text(record.at("outcome")).find("dry"), std::string::npos);
  CheckInvariants(appliance_, "a plan that was carried out");
}

TEST_F(LifeCycleJob, RollbackAndForwardLoseNoHandshake) {
  TrustChain("tomcat-trust");
  const std::string former = Served();
  const std::string file = SignedFile("tomcat");
  std::atomic<bool> stop = false;
  std::atomic<int> made = 0, failed = 0;
  std::thread client([&] {
    while (!stop) {
      const Outcome out = RunProgram(
          {"openssl", "s_client", "-connect", "127.0.0.1:" + appliance_.port(), "-brief"});
      ++made;
      if (out.code != 0) ++failed;
    }
  });
  EXPECT_EQ(appliance_.Cli({"certificate", "upload", "tomcat", file, "--yes"}).code, 0);
  EXPECT_EQ(appliance_.ServedChain().size(), 3u);
  EXPECT_EQ(appliance_.Cli({"certificate", "rollback", "tomcat", "--yes"}).code, 0);
  EXPECT_EQ(Served(), former);
  EXPECT_EQ(appliance_.ServedChain().size(), 1u);
  EXPECT_EQ(appliance_.Cli({"certificate", "rollback", "tomcat", "--yes"}).code, 0);
  EXPECT_EQ(Served(), Fingerprint(ReadWhole(file)));
  EXPECT_EQ(appliance_.ServedChain().size(), 3u);
  stop = true;
  client.join();
  EXPECT_GT(made, 3);
  EXPECT_EQ(failed, 0) << "of " << made;
  CheckInvariants(appliance_, "rollback and forward");
}

// SPEC C9.
TEST_F(LifeCycleJob, DeletedEntryStaysGoneUntilItIsWanted) {
  TrustChain("cup-trust");
  const std::string root = Fingerprint(ca_.Pem("root"));
  const std::string int2 = Fingerprint(ca_.Pem("int2"));
  const Outcome impact = appliance_.Cli({"trust", "delete", "cup-trust", root, "--dry-run"});
  EXPECT_EQ(impact.code, 0);
  EXPECT_NE((impact.out + impact.err).find("IMPACT"), std::string::npos) << impact.err;
  EXPECT_EQ(
      appliance_.Cli({"trust", "delete", "cup-trust", int2, "--yes", "--reason", "retired"}).code,
      0);
  const Outcome again = appliance_.Cli({"trust", "upload", "cup-trust", ca_.File("int2"), "--yes"});
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("DELETED_BEFORE"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("retired"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("--undelete"), std::string::npos) << again.err;
  const Outcome deleted = appliance_.Cli({"trust", "list", "cup-trust", "--deleted"});
  EXPECT_NE(deleted.out.find(int2.substr(0, 16)), std::string::npos) << deleted.out;
  EXPECT_EQ(appliance_.Cli({"trust", "undelete", "cup-trust", int2.substr(0, 12)}).code, 0);
  EXPECT_EQ(appliance_.Cli({"trust", "show", "cup-trust", int2}).code, 0);
}

TEST_F(LifeCycleJob, ListsAreFiltered) {
  TrustChain("cup-trust");
  const auto ids = [&](std::vector<std::string> filter) {
    std::vector<std::string> command = {"trust", "list", "cup-trust"};
    command.insert(command.end(), filter.begin(), filter.end());
    return appliance_.CliJson(command).as_array().size();
  };
  const std::size_t all = ids({});
  EXPECT_EQ(ids({"--kind", "anchor"}), 1u);
  EXPECT_EQ(ids({"--kind", "intermediate"}), 2u);
  EXPECT_EQ(ids({"--kind", "intermediate"}) + ids({"--self-signed"}), all);
  EXPECT_EQ(ids({"--expired"}), 0u);
  EXPECT_EQ(ids({"--unused"}), 3u) << "the pinned ones are in use";
  EXPECT_EQ(ids({"--starts-with", Fingerprint(ca_.Pem("root")).substr(0, 8)}), 1u);
  EXPECT_EQ(appliance_.Cli({"trust", "list", "--kind", "nonsense"}).code, 2);
}

TEST_F(LifeCycleJob, TrustStoreLeavesAsFilesThatOtherProgramsRead) {
  TrustChain("cup-trust");
  const auto download = [&](const std::string& format, const std::string& to) {
    EXPECT_EQ(appliance_.Cli({"trust", "download", "cup-trust", "--format", format, "-o", to}).code,
              0)
        << format;
  };
  const std::string jks = appliance_.Spare("trust.p12"), folder = appliance_.Spare("hashed/"),
                    p7b = appliance_.Spare("trust.p7b");
  download("pkcs12", jks);
  const Outcome listed = RunProgram(
      {"keytool", "-list", "-keystore", jks, "-storetype", "PKCS12", "-storepass", "changeit"});
  EXPECT_EQ(listed.code, 0) << listed.out;
  EXPECT_NE(listed.out.find("trustedCertEntry"), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find(Fingerprint(ca_.Pem("root")).substr(0, 16)), std::string::npos);
  download("hashed", folder);
  EXPECT_EQ(RunProgram({"openssl", "verify", "-CApath", folder, ca_.File("int2")}).code, 0);
  download("pkcs7", p7b);
  const Outcome read = RunProgram({"openssl", "pkcs7", "-print_certs", "-noout", "-in", p7b});
  EXPECT_EQ(read.code, 0);
  const Outcome to_terminal =
      appliance_.Cli({"trust", "download", "cup-trust", "--format", "hashed"});
  EXPECT_EQ(to_terminal.code, 2);
  EXPECT_NE(to_terminal.err.find("-o DIR/"), std::string::npos);
}

// SPEC C8.
TEST_F(LifeCycleJob, SettingsTellWhatMustBeMadeAnewAndTheListSaysWhatIsLacking) {
  const Outcome set =
      appliance_.Cli({"setting", "set", "hosted-domains", "example.com example.org"});
  EXPECT_EQ(set.code, 0) << set.err;
  EXPECT_NE(set.err.find("signet certificate regenerate"), std::string::npos) << set.err;
  const json::value shown = appliance_.CliJson({"certificate", "show", "cup-xmpp-s2s-ECDSA"});
  EXPECT_EQ(json::serialize(shown.at("uncovered")), R"(["example.com","example.org"])");
  EXPECT_GT(shown.at("daysLeft").as_int64(), 1000);
  // What is to be made anew, as one plan, and done.
  const json::value plan = appliance_.CliJson({"certificate", "regenerate", "--dry-run"});
  const std::string steps = json::serialize(plan.at("steps"));
  EXPECT_NE(steps.find("cup-xmpp-s2s rsa:2048"), std::string::npos) << steps;
  EXPECT_NE(steps.find("cup-xmpp-s2s-ECDSA ec:P-256"), std::string::npos) << steps;
  EXPECT_EQ(steps.find("tomcat"), std::string::npos) << steps;
  const Outcome made =
      appliance_.Cli({"certificate", "regenerate", "--plan", Text(plan.at("hash"))});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.out.find("cup-xmpp-s2s-ECDSA"), std::string::npos) << made.out;
  EXPECT_NE(made.err.find("Cisco XCP XMPP Federation Connection Manager"), std::string::npos)
      << made.err;
  const Outcome again = appliance_.Cli({"certificate", "regenerate", "--yes"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(json::serialize(
                appliance_.CliJson({"certificate", "show", "cup-xmpp-s2s-ECDSA"}).at("uncovered")),
            "[]");
  ASSERT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait();
  EXPECT_EQ(Text(appliance_.CliJson({"setting", "get", "hosted-domains"}).at("value")),
            "example.com example.org");
}

}  // namespace
}  // namespace signet::testing
