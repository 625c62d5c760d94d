// Servers that fail in the ways that servers do, when a plan restarts them for a new certificate
// (SPEC B1, B4, S4): each ends with the former certificate served again, or in a clear failure with
// a remedy. The server is nginx, begun by a script that turns sick when it finds a certificate that
// it does not know.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "tests/e2e/control_world.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/fake_systemd.h"
#include "tests/support/printed_snippet.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;

class SickServer : public Control {
 protected:
  explicit SickServer(const std::string& take_up = "restart") : Control(take_up) {
    const std::string nginx = "\"/usr/sbin/nginx\", \"-p\", \"" + Folder() + "\", \"-c\", \"" +
                              Folder() + "/nginx.conf\", \"-e\", \"stderr\"";
    appliance.EditConfig(nginx, "\"/bin/sh\", \"" + Folder() + "/start.sh\"");
    appliance.EditConfig("limit-seconds = 10", "limit-seconds = 3");
    Begun("");
  }
  // How it begins: `sick` is done when the certificate is not the one of good.pem.
  void Begun(const std::string& sick, const std::string& last = "exec nginx_now") const {
    WriteWhole(
        Folder() + "/start.sh",
        "cd " + Folder() + "\necho begun >> starts\nconf=nginx.conf\nnow=" + Published() +
            "/current\nis_good() { [ ! -e good.pem ] || cmp -s $now/tomcat.pem good.pem; "
            "}\nis_good || { " +
            (sick.empty() ? "true" : sick) + "\n}\n" +
            Replaced(last, "nginx_now",
                     "/usr/sbin/nginx -p " + Folder() + " -c " + Folder() + "/$$conf -e stderr") +
            "\n");
  }
  // The present certificate is the good one, and the next one makes it sick.
  void TurnsSick(const std::string& sick, const std::string& last = "exec nginx_now") const {
    std::filesystem::copy_file(Published() + "/current/tomcat.pem", Folder() + "/good.pem",
                               std::filesystem::copy_options::overwrite_existing);
    Begun(sick, last);
  }
  // A certificate and key of somebody else, PEM files of that name in nginx's folder.
  void Foreign(const std::string& name, const std::vector<std::string>& key) const {
    std::vector<std::string> command = {"openssl", "req",
                                        "-x509",   "-nodes",
                                        "-days",   "30",
                                        "-subj",   "/CN=" + name,
                                        "-keyout", Folder() + "/" + name + ".key",
                                        "-out",    Folder() + "/" + name + ".pem"};
    command.insert(command.end(), key.begin(), key.end());
    MustRun(command);
  }
  // nginx.conf with other include files, as `name`.
  void Variant(const std::string& name, const std::string& pattern, const std::string& by) const {
    WriteWhole(Folder() + "/" + name, Replaced(ReadWhole(Folder() + "/nginx.conf"), pattern, by));
  }
  // The renewal fails, in words, and the former certificate is served and proved again.
  void ExpectPutBack(const std::string& words) const {
    const std::string former = SerialOf("tomcat");
    Renew("tomcat");
    EXPECT_NE(SerialOf("tomcat"), former);
    const Answer applied = appliance.Rpc("service.apply");
    ASSERT_TRUE(applied.ok()) << applied.word();
    EXPECT_EQ(applied.result.at("ok"), false);
    EXPECT_EQ(applied.result.at("rolledBack"), json::array{"tomcat"});
    const std::string text = json::serialize(applied.result);
    EXPECT_EQ(applied.result.at("steps").at(0).at("outcome"), "rolled back") << text;
    EXPECT_THAT(text, HasSubstr(words));
    EXPECT_THAT(text, HasSubstr("the former identity is back, and is served"));
    // What was proved stands in the receipt.
    EXPECT_THAT(appliance.Cli({"service", "receipt"}).out, HasSubstr(words));
    EXPECT_EQ(SerialOf("tomcat"), former);
    EXPECT_EQ(Service().at("wire"), "current") << json::serialize(Service());
    EXPECT_EQ(Service().at("owed"), false);
  }
  long Starts() const {
    const std::string starts = ReadWhole(Folder() + "/starts");
    return std::count(starts.begin(), starts.end(), '\n');
  }
};

class SickInReload : public SickServer {
 protected:
  SickInReload() : SickServer("reload") {}
};

// SPEC B4, S4.
TEST_F(SickServer, OneThatDoesNotComeBackIsGivenTheFormerCertificate) {
  Begin();
  TurnsSick("echo cannot open the shop >&2; exit 1");
  ExpectPutBack("cannot open the shop");
}

// SPEC B4: the key and the leaf are right, its issuers are not.
TEST_F(SickServer, OneWithAWrongChainIsGivenTheFormerCertificate) {
  Begin();
  Foreign("stranger", {"-newkey", "rsa:2048"});
  Variant("wrong.conf", "include [^;]*/tomcat.conf;", "include " + Folder() + "/wrong-pair.conf;");
  TurnsSick(
      "cat $now/tomcat.pem stranger.pem > wrong.pem; sed \"s#ssl_certificate [^;]*;#"
      "ssl_certificate $PWD/wrong.pem;#\" $now/nginx/tomcat.conf > wrong-pair.conf; "
      "conf=wrong.conf");
  ExpectPutBack("incomplete");
}

// SPEC B1: RSA and ECDSA apart; what was renewed is right, what was not is wrong now.
TEST_F(SickServer, OneThatServesRsaRightAndEcdsaWrongIsAFailureOfEcdsaAlone) {
  Begin();
  Foreign("stranger", {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"});
  Variant("wrong.conf", "include [^;]*/tomcat_ECDSA.conf;",
          "ssl_certificate " + Folder() + "/stranger.pem; ssl_certificate_key " + Folder() +
              "/stranger.key;");
  TurnsSick("conf=wrong.conf");
  Renew("tomcat-ECDSA");
  const std::string serial = SerialOf("tomcat-ECDSA");
  Renew("tomcat");
  const Answer applied = appliance.Rpc("service.apply");
  ASSERT_TRUE(applied.ok());
  EXPECT_EQ(applied.result.at("ok"), false);
  EXPECT_EQ(applied.result.at("rolledBack"), json::array{"tomcat-ECDSA"});
  const json::array proofs = applied.result.at("steps").at(0).at("proofs").as_array();
  ASSERT_GE(proofs.size(), 2u);
  EXPECT_EQ(proofs[0].at("purpose"), "tomcat");
  EXPECT_EQ(proofs[0].at("verdict"), "current");
  EXPECT_EQ(proofs[1].at("purpose"), "tomcat-ECDSA");
  EXPECT_EQ(proofs[1].at("verdict"), "other");
  // The server stays wrong, whatever certificate is current: said, and what it owes is kept.
  EXPECT_EQ(applied.result.at("steps").at(0).at("outcome"), "failed");
  EXPECT_THAT(json::serialize(applied.result), HasSubstr("with the former identity it failed too"));
  EXPECT_NE(SerialOf("tomcat-ECDSA"), serial);
  EXPECT_EQ(Service().at("owed"), true);
  EXPECT_EQ(Service().at("wire"), "other");
}

// SPEC B4.
TEST_F(SickServer, OneThatDiesASecondAfterTheProofIsGivenTheFormerCertificate) {
  Begin();
  TurnsSick("( sleep 1; kill -9 $$ ) &");
  ExpectPutBack("does not stay up");
}

// SPEC B1: what takes its time is waited for, as long as the configuration says.
TEST_F(SickServer, OneThatIsSlowIsWaitedForAndNoLongerThanItMay) {
  Begin();
  TurnsSick("sleep 2");
  Renew("tomcat");
  EXPECT_EQ(appliance.MustRpc("service.apply").at("proved"), true);
  EXPECT_EQ(Service().at("wire"), "current");
  TurnsSick("sleep 60");
  ExpectPutBack("unreachable");
}

// SPEC B4: the reload neither ends nor fails.
TEST_F(SickInReload, OneThatHangsInReloadIsRestartedWithTheFormerCertificate) {
  const std::string waiting =
      "nginx_now & server=$!\ntrap 'if is_good; then kill -HUP $server; else kill -STOP $server "
      "$(pgrep -P $server); fi' HUP\nwhile kill -0 $server; do wait $server; done";
  Begun("", waiting);
  Begin();
  TurnsSick("", waiting);
  ExpectPutBack("unreachable");
}

// SPEC S5: certificates come one after the other, and the service restarts once.
TEST_F(SickServer, SeveralUploadsAreOnePlanAndOneRestartEach) {
  const CertificateAuthority ca;
  Begin();
  for (const std::string store : {"root", "int1", "int2"})
    EXPECT_EQ(appliance.Cli({"trust", "upload", "tomcat-trust", ca.File(store), "--yes"}).code, 0);
  std::vector<std::string> upload = {"certificate", "upload"};
  for (const std::string purpose : {"tomcat", "tomcat-ECDSA"}) {
    const json::value made = appliance.CliJson({"csr", "generate", purpose});
    const std::string file = appliance.Spare(purpose + ".pem");
    WriteWhole(file, ca.Sign(made.at("pem").as_string().c_str()));
    upload.insert(upload.end(), {purpose, file});
  }
  upload.emplace_back("--yes");
  const Outcome stored = appliance.Cli(upload);
  ASSERT_EQ(stored.code, 0) << stored.err;
  const json::value plan = appliance.MustRpc("service.plan");
  ASSERT_EQ(plan.at("steps").as_array().size(), 1u) << json::serialize(plan);
  EXPECT_EQ(plan.at("steps").at(0).at("causes"), (json::array{"tomcat", "tomcat-ECDSA"}));
  const long before = Starts();
  const json::value applied = appliance.MustRpc("service.apply");
  EXPECT_EQ(applied.at("proved"), true) << json::serialize(applied);
  EXPECT_EQ(applied.at("steps").at(0).at("proofs").as_array().size(), 2u);
  EXPECT_EQ(Starts(), before + 1);
  EXPECT_EQ(Service().at("owed"), false);
}

// What an administrator sees while it goes on; nobody waits behind it.
TEST_F(SickServer, StatusAndPlanSayWhatIsBeingDone) {
  Begin();
  EXPECT_EQ(appliance.MustRpc("status.show").at("applying"), "");
  TurnsSick("sleep 3");
  Renew("tomcat");
  const long before = Starts();
  std::thread apply([&] { EXPECT_EQ(appliance.MustRpc("service.apply").at("ok"), true); });
  EXPECT_TRUE(Eventually(
      [&] {
        return Starts() > before && appliance.MustRpc("status.show")
                                        .at("applying")
                                        .as_string()
                                        .starts_with("Cisco Tomcat (1 of 1), operation ");
      },
      Seconds(10)));
  EXPECT_THAT(json::serialize(appliance.MustRpc("service.plan")), HasSubstr("APPLY_IN_PROGRESS"));
  EXPECT_EQ(appliance.Rpc("service.apply").word(), "APPLY_IN_PROGRESS");
  EXPECT_EQ(appliance.Rpc("service.restart", {{"service", kTomcat}}).word(), "SERVICE_BUSY");
  EXPECT_THAT(appliance.Cli({"status"}).out, HasSubstr("Cisco Tomcat (1 of 1)"));
  apply.join();
  EXPECT_EQ(appliance.MustRpc("status.show").at("applying"), "");
}

// A plan that the daemon's end cuts off proves nothing, and goes on at the next start.
TEST_F(SickServer, AStopInTheMiddleIsNoProofAndNoReasonToGoBack) {
  Begin();
  TurnsSick("sleep 3");
  Renew("tomcat");
  const std::string renewed = SerialOf("tomcat");
  std::thread apply([&] { std::ignore = appliance.Rpc("service.apply"); });
  std::string doing;
  EXPECT_TRUE(Eventually(
      [&] {
        doing = appliance.MustRpc("status.show").at("applying").as_string().c_str();
        return !doing.empty();
      },
      Seconds(5)));
  EXPECT_EQ(appliance.Stop(), 0);
  apply.join();
  appliance.StartAndWait();
  const std::string operation = doing.substr(doing.rfind(' ') + 1);
  const json::value receipt = json::parse(appliance.Cli({"service", "receipt", operation}).out);
  EXPECT_EQ(receipt.at("proved"), false);
  EXPECT_EQ(receipt.at("left"), json::array{kTomcat});
  EXPECT_TRUE(Eventually([&] { return Service().at("owed") == false; }, Seconds(30)));
  EXPECT_EQ(Service().at("wire"), "current");
  EXPECT_EQ(SerialOf("tomcat"), renewed);
}

// SPEC B4: the token goes when the server comes back. Without it no identity can be served, so
// nothing is put back, and what is owed stays.
TEST_F(SickServer, WithoutTheTokenNothingIsPutBackAndThePlanIsDoneOnceItIsThere) {
  appliance.EditConfig("module = \"/usr/lib/softhsm/libsofthsm2.so\"",
                       "module = \"" SIGNET_FAULTY_P11 "\"");
  const std::string faults = appliance.Spare("faults");
  appliance.StartAndWait({{"SIGNET_FAULTY_PLAN", faults}});
  ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "current"; }, Seconds(30)));
  TurnsSick("echo '* every CKR_0xE0' > " + faults + ".new; mv " + faults + ".new " + faults);
  Renew("tomcat");
  const std::string renewed = SerialOf("tomcat");
  const Answer applied = appliance.Rpc("service.apply");
  ASSERT_TRUE(applied.ok()) << applied.word();
  const std::string text = json::serialize(applied.result);
  EXPECT_EQ(applied.result.at("ok"), false) << text;
  EXPECT_EQ(applied.result.at("rolledBack"), json::array());
  EXPECT_THAT(text, HasSubstr("without the token"));
  EXPECT_THAT(text, HasSubstr("RECEIPT_NOT_SIGNED"));
  EXPECT_EQ(SerialOf("tomcat"), renewed);
  EXPECT_EQ(Service().at("owed"), true);
  Begun("");
  std::filesystem::remove(faults);
  EXPECT_TRUE(appliance.WaitState("operational", Seconds(20)));
  EXPECT_EQ(appliance.MustRpc("service.apply").at("proved"), true);
  EXPECT_EQ(SerialOf("tomcat"), renewed);
  EXPECT_EQ(Service().at("owed"), false);
}

// SPEC A5, B4: killed between a rollback and its proof.
TEST_F(SickServer, AKillInARollbackGoesOnWithTheFormerCertificate) {
#ifndef SIGNET_FAILPOINTS
  GTEST_SKIP() << "this build has no failpoints";
#endif
  appliance.StartAndWait({{"SIGNET_FAILPOINT", "apply.rolled-back"}});
  ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "current"; }, Seconds(30)));
  TurnsSick("exit 1");
  const std::string former = SerialOf("tomcat");
  Renew("tomcat");
  EXPECT_NE(appliance.Cli({"service", "apply"}).code, 0);
  ASSERT_TRUE(appliance.WaitForEnd(Seconds(20)).has_value());
  appliance.StartAndWait();
  EXPECT_TRUE(Eventually([&] { return Service().at("owed") == false; }, Seconds(30)));
  EXPECT_EQ(SerialOf("tomcat"), former);
  EXPECT_EQ(Service().at("wire"), "current");
  EXPECT_TRUE(Eventually(
      [&] { return ReadWhole(appliance.log_file()).find("was interrupted") != std::string::npos; },
      Seconds(10)));
  // What was asked of the service is not said to be undone.
  const std::string audit = appliance.Cli({"audit", "list"}).out;
  EXPECT_THAT(audit, HasSubstr("interrupted"));
  EXPECT_THAT(audit, Not(HasSubstr("undone")));
}

// The configuration leads back to the appliance: nobody shakes hands with itself, and it is said.
TEST_F(SickServer, AnEndpointThatIsTheAppliancesOwnDoorIsRefused) {
  const std::string door = std::to_string(FreePort());
  appliance.EditConfig("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:" + door + "\"");
  appliance.EditConfig("address = \"127.0.0.1:" + port, "address = \"127.0.0.1:" + door);
  appliance.StartAndWait();
  ASSERT_EQ(appliance.port(), door);
  ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "unreachable"; }, Seconds(20)));
  EXPECT_THAT(appliance.Cli({"status"}).err, HasSubstr("127.0.0.1:" + door));
  EXPECT_THAT(appliance.Cli({"status"}).err, HasSubstr("the appliance itself listens there"));
}

// What nobody should send: refused in words, and nothing moves.
TEST_F(SickServer, RequestsThatMakeNoSenseAreRefused) {
  Begin();
  const long before = Starts();
  for (const json::value& name :
       {json::value(""), json::value("\n"), json::value("Cisco Tomcat\n"), json::value("../nginx"),
        json::value("nginx.service"), json::value(std::string(100'000, 'x')), json::value(5),
        json::value(nullptr), json::value(json::array{"Cisco Tomcat"})}) {
    for (const char* method :
         {"service.start", "service.stop", "service.restart", "service.reload"}) {
      const Answer answer = appliance.Rpc(method, {{"service", name}});
      EXPECT_FALSE(answer.ok()) << method << json::serialize(name).substr(0, 40);
      EXPECT_FALSE(answer.word().empty());
    }
  }
  EXPECT_FALSE(appliance.Rpc("service.restart").ok());
  for (const json::value& plan : {json::value("zz"), json::value(7), json::value(json::object()),
                                  json::value(std::string(64, 'a'))})
    EXPECT_FALSE(appliance.Rpc("service.apply", {{"plan", plan}}).ok()) << plan;
  for (const json::value& id : {json::value(""), json::value("../../x"), json::value(3)})
    EXPECT_FALSE(appliance.Rpc("service.receipt", {{"id", id}}).ok()) << id;
  EXPECT_EQ(Starts(), before);
  EXPECT_EQ(Service().at("status"), "running");
}

// A router of systemd that restarts well, and below it a service that does not.
class SickBelow : public ::testing::Test {
 protected:
  SickBelow() {
    appliance.EditConfig("[outgoing]", Unit("Cisco XCP Router", "good") +
                                           Unit("Cisco XCP Connection Manager", "breaking") +
                                           "[control]\nbus = \"" + systemd.address() +
                                           "\"\n[outgoing]");
  }
  std::string Unit(const std::string& name, const std::string& unit) const {
    return "[service.\"" + name + "\"]\nuser = \"nobody\"\ndriver = \"systemd\"\nunit = \"" + unit +
           ".service\"\npublish = \"" + appliance.Spare(unit) + "\"\n";
  }
  // The units ran before: the fake begins one when it is first asked for.
  void RenewCupXmpp() const {
    EXPECT_THAT(json::serialize(appliance.MustRpc("service.list")), HasSubstr("running"));
    ASSERT_EQ(appliance.Cli({"certificate", "generate", "cup-xmpp", "--yes"}).code, 0);
  }
  // The router restarted again with the former certificate; the other one still owes it.
  void ExpectRouterIsBack() const {
    const std::string calls = systemd.Calls(), restart = "RestartUnit good.service";
    EXPECT_NE(calls.find(restart), calls.rfind(restart)) << calls;
    const json::value plan = appliance.MustRpc("service.plan");
    ASSERT_EQ(plan.at("steps").as_array().size(), 1u) << json::serialize(plan);
    EXPECT_EQ(plan.at("steps").at(0).at("service"), "Cisco XCP Connection Manager");
    const json::value receipt = json::parse(appliance.Cli({"service", "receipt"}).out);
    EXPECT_EQ(receipt.at("rolledBack"), json::array{"cup-xmpp"});
    EXPECT_EQ(receipt.at("proved"), false);
  }
  const FakeSystemd systemd;
  Appliance appliance;
};

// SPEC S3, B4: what is below the router owes for itself, so that its failure takes back the change,
// also at the router, which had taken it up.
TEST_F(SickBelow, AFailureBelowTheRouterTakesTheChangeBackAtTheRouterToo) {
  appliance.StartAndWait();
  RenewCupXmpp();
  const Answer applied = appliance.Rpc("service.apply");
  ASSERT_TRUE(applied.ok()) << applied.word();
  EXPECT_EQ(applied.result.at("steps").as_array().size(), 3u) << json::serialize(applied.result);
  ExpectRouterIsBack();
}

TEST_F(SickBelow, AKillAfterTheRollbackIsNoReasonToLeaveTheRouterOnWhatWasTakenBack) {
#ifndef SIGNET_FAILPOINTS
  GTEST_SKIP() << "this build has no failpoints";
#endif
  appliance.StartAndWait({{"SIGNET_FAILPOINT", "apply.rolled-back"}});
  RenewCupXmpp();
  EXPECT_NE(appliance.Cli({"service", "apply"}).code, 0);
  ASSERT_TRUE(appliance.WaitForEnd(Seconds(20)).has_value());
  appliance.StartAndWait();
  ASSERT_TRUE(Eventually(
      [&] {
        return !appliance.MustRpc("service.plan").at("steps").as_array().empty() &&
               appliance.Cli({"service", "receipt"}).code == 0;
      },
      Seconds(20)));
  ExpectRouterIsBack();
}

// SPEC S4: a job of systemd that does not end is a failure with a remedy, and what is owed stays.
TEST(SickUnit, AReloadThatNeverEndsFailsInTime) {
  const FakeSystemd systemd;
  Appliance appliance;
  appliance.EditConfig("[outgoing]",
                       "[service.\"Cisco SIP Proxy\"]\nuser = \"nobody\"\ndriver = \"systemd\"\n"
                       "unit = \"stuck.service\"\ntake-up = \"reload\"\nlimit-seconds = 1\n"
                       "publish = \"" +
                           appliance.Spare("sip") + "\"\n[control]\nbus = \"" + systemd.address() +
                           "\"\n[outgoing]");
  appliance.StartAndWait();
  ASSERT_EQ(appliance.Cli({"certificate", "generate", "cup", "--yes"}).code, 0);
  const Outcome applied = appliance.Cli({"service", "apply"});
  EXPECT_EQ(applied.code, 1) << applied.out << applied.err;
  EXPECT_THAT(applied.err, HasSubstr("stuck.service"));
  EXPECT_EQ(appliance.MustRpc("service.plan").at("steps").as_array().size(), 1u);
}

}  // namespace
}  // namespace signet::testing
