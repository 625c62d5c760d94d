// Services under control: restarts are owed, done, and proved by handshakes (SPEC S1 to S4, B1, B3,
// B4). The service is Debian's nginx, run by the daemon, in the role of Cisco Tomcat.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tests/e2e/control_world.h"
#include "tests/support/fake_systemd.h"
#include "tests/support/printed_snippet.h"
#include "tests/support/receipt.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;

// SPEC S3, B1.
TEST_F(Control, ARestartIsOwedUntilItWasSeen) {
  Begin();
  EXPECT_EQ(Service().at("owed"), false);
  Renew("tomcat");
  EXPECT_EQ(Service().at("owed"), true);
  EXPECT_EQ(Service().at("causes"), json::array{"tomcat"});
  ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "former"; }, Seconds(10)));
  const json::value plan = appliance.MustRpc("service.plan");
  ASSERT_EQ(plan.at("steps").as_array().size(), 1u);
  EXPECT_EQ(plan.at("steps").at(0).at("action"), "reload");
  // Asking again changes nothing, and neither does another process of the daemon; the service is
  // begun anew by it here, so it has taken the change up when it is looked at.
  EXPECT_EQ(appliance.MustRpc("service.plan").at("hash"), plan.at("hash"));
  const Outcome stale = appliance.Cli({"service", "apply", "--plan", std::string(64, '0')});
  EXPECT_EQ(stale.code, 5);
  const Outcome applied =
      appliance.Cli({"service", "apply", "--plan", plan.at("hash").as_string().c_str()});
  EXPECT_EQ(applied.code, 0) << applied.out << applied.err;
  EXPECT_THAT(applied.out, HasSubstr("proved"));
  EXPECT_EQ(Service().at("owed"), false);
  EXPECT_THAT(Service().at("serving").as_string().c_str(), HasSubstr(SerialOf("tomcat")));
  EXPECT_EQ(appliance.CliJson({"service", "apply"}).at("changed"), false);
}

// SPEC M1: what is really served is watched too, and what cannot be seen is unknown.
TEST_F(Control, TheMonitorLooksAtWhatIsServed) {
  Begin();
  ASSERT_EQ(
      appliance.Cli({"certificate", "generate", "tomcat", "--validity-days", "10", "--yes"}).code,
      0);
  ASSERT_EQ(appliance.Cli({"service", "apply"}).code, 0);
  const auto watched = [&] {
    return json::serialize(appliance.MustRpc("monitor.show").at("certificates"));
  };
  EXPECT_EQ(watched().find("served at"), std::string::npos) << "it is the current one";
  const std::int64_t before = appliance.MustRpc("monitor.show").at("checked").as_int64();
  Renew("tomcat");
  EXPECT_TRUE(
      Eventually([&] { return watched().find("served at 127.0.0.1:" + port) != std::string::npos; },
                 Seconds(15)));
  const json::value shown = appliance.MustRpc("monitor.show");
  EXPECT_EQ(shown.at("checked").as_int64(), before + 2) << "it is still in tomcat-trust, too";
  EXPECT_EQ(shown.at("unknown"), 0);
  EXPECT_NE(watched().find("signet service plan"), std::string::npos);
  ASSERT_EQ(appliance.Cli({"service", "apply"}).code, 0);
  EXPECT_EQ(watched().find("served at"), std::string::npos);
  ASSERT_EQ(appliance.Cli({"service", "stop", "Cisco Tomcat"}).code, 0);
  EXPECT_TRUE(Eventually(
      [&] { return appliance.MustRpc("monitor.show").at("unknown").as_int64() > 0; }, Seconds(15)));
}

// SPEC B1: with openssl alone.
TEST_F(Control, AReceiptIsVerifiedByOpensslAlone) {
  Begin();
  Renew("tomcat-ECDSA");
  const json::value applied = appliance.CliJson({"service", "apply"});
  EXPECT_EQ(applied.at("proved"), true);
  const Receipt receipt(appliance, applied.at("receipt").as_string().c_str());
  EXPECT_TRUE(receipt.Signs(receipt.document()));
  EXPECT_THAT(receipt.document(), HasSubstr(SerialOf("tomcat-ECDSA")));
  std::string forged = receipt.document();
  forged.replace(forged.find("true"), 4, "nope");
  EXPECT_FALSE(receipt.Signs(forged));
}

// SPEC S1: by group, with status, since when, and the serials that are really served.
TEST_F(Control, TheListSaysWhatEachServiceDoesAndServes) {
  Begin();
  const json::object running = Service();
  EXPECT_EQ(running.at("group"), "network");
  EXPECT_EQ(running.at("status"), "running");
  EXPECT_TRUE(running.at("since").is_string());
  EXPECT_EQ(running.at("serving").as_string(),
            SerialOf("tomcat") + ", " + SerialOf("tomcat-ECDSA"));
  EXPECT_EQ(Service("Cisco SIP Proxy").at("group"), "feature");
  EXPECT_EQ(Service("Cisco SIP Proxy").at("status"), "unmanaged");
  EXPECT_EQ(Service("Cisco XCP Router").at("status"), "not configured");
  // SPEC M2: the monitor is there without anybody's doing.
  EXPECT_EQ(Service("Cisco Certificate Expiry Monitor").at("status"), "running");
  EXPECT_EQ(appliance.Cli({"service", "stop", kTomcat}).code, 0);
  EXPECT_EQ(Service().at("status"), "stopped");
  EXPECT_FALSE(ListensOn(static_cast<std::uint16_t>(std::stoi(port))));
  EXPECT_EQ(appliance.Cli({"service", "start", kTomcat}).code, 0);
  EXPECT_EQ(Service().at("status"), "running");
  EXPECT_TRUE(ListensOn(static_cast<std::uint16_t>(std::stoi(port))));
}

// SPEC S2; a restart by whichever way is as good.
TEST_F(Control, TheDocumentedWordsRestartAndProve) {
  Begin();
  Renew("tomcat");
  Renew("tomcat-ECDSA");
  const Outcome restarted = appliance.Cli({"utils", "service", "restart", "Cisco", "Tomcat"});
  EXPECT_EQ(restarted.code, 0) << restarted.err;
  EXPECT_EQ(Service().at("owed"), false);
  EXPECT_EQ(Service().at("wire"), "current");
  EXPECT_EQ(appliance.Cli({"utils", "service", "list"}).code, 0);
  const Outcome misspelt = appliance.Cli({"service", "restart", "Cisco Tomkat"});
  EXPECT_EQ(misspelt.code, 3);
  EXPECT_THAT(misspelt.err, HasSubstr("Cisco Tomcat"));
  const Outcome ambiguous = appliance.Cli({"service", "restart", "XCP"});
  EXPECT_EQ(ambiguous.code, 2);
  EXPECT_THAT(ambiguous.err, HasSubstr("Cisco XCP Router"));
  const Outcome absent = appliance.Cli({"service", "restart", "Cisco XCP Router"});
  EXPECT_EQ(absent.code, 1);
  EXPECT_THAT(absent.err, HasSubstr("signet.toml"));
  EXPECT_EQ(Service("Cisco XCP Router").at("status"), "not configured");
  // Of one that nobody here can restart, the administrator says that it was done.
  Renew("cup");
  EXPECT_EQ(Service("Cisco SIP Proxy").at("owed"), true);
  EXPECT_EQ(appliance.Cli({"service", "stop", "Cisco SIP Proxy"}).code, 1);
  const Outcome skipped = appliance.Cli({"service", "apply"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.out, HasSubstr("skipped"));
  EXPECT_EQ(Service("Cisco SIP Proxy").at("owed"), true);
  EXPECT_EQ(appliance.Cli({"service", "restart", "Cisco SIP Proxy"}).code, 0);
  EXPECT_EQ(Service("Cisco SIP Proxy").at("owed"), false);
}

// One that somebody has stopped is not started, and no reason to put anything back.
TEST_F(Control, AStoppedServiceIsLeftAloneAndTakesTheChangeUpWhenItStarts) {
  Begin();
  EXPECT_EQ(appliance.Cli({"service", "stop", "Cisco Tomcat"}).code, 0);
  const std::string former = SerialOf("tomcat");
  Renew("tomcat");
  const Outcome applied = appliance.Cli({"service", "apply"});
  EXPECT_EQ(applied.code, 0) << applied.err;
  EXPECT_THAT(applied.out, HasSubstr("skipped"));
  EXPECT_EQ(Service().at("status"), "stopped");
  EXPECT_NE(SerialOf("tomcat"), former);
  std::this_thread::sleep_for(std::chrono::seconds(1));  // times are whole seconds
  EXPECT_EQ(appliance.Cli({"service", "start", "Cisco Tomcat"}).code, 0);
  EXPECT_TRUE(Eventually([&] { return Service().at("owed") == false; }, Seconds(10)));
  EXPECT_EQ(Service().at("wire"), "current");
}

// SPEC B4: a server that goes on with the old certificate.
TEST_F(Control, WhatIsNotServedIsPutBackAndProved) {
  Begin();
  const std::string former = SerialOf("tomcat");
  // It reads a generation of its own, as one whose administrator has copied the files does.
  const std::string copy = std::filesystem::canonical(Published() + "/current").string();
  Serve(copy + "/nginx");
  Renew("tomcat");
  EXPECT_NE(SerialOf("tomcat"), former);
  const Outcome applied = appliance.Cli({"service", "apply"});
  EXPECT_EQ(applied.code, 1) << applied.out;
  EXPECT_THAT(applied.out, HasSubstr("rolled back"));
  EXPECT_THAT(applied.err, HasSubstr("former"));
  EXPECT_EQ(SerialOf("tomcat"), former);
  EXPECT_EQ(Service().at("wire"), "current");
  EXPECT_EQ(Service().at("owed"), false);
  EXPECT_THAT(appliance.Cli({"audit", "list"}).out, HasSubstr("certificate.rollback"));
}

TEST_F(ControlByRestart, AServiceThatDoesNotComeBackFailsWithItsLastWord) {
  Begin();
  Serve(Published() + "/current/nginx", "no_such_directive on;");
  Renew("tomcat");
  const Outcome applied = appliance.Cli({"service", "apply"});
  EXPECT_EQ(applied.code, 1);
  EXPECT_THAT(applied.out, HasSubstr("failed"));
  EXPECT_THAT(applied.err, HasSubstr("no_such_directive")) << applied.out;
  EXPECT_EQ(Service().at("status"), "failed");
  EXPECT_EQ(Service().at("owed"), true);
  // Mended, it takes up what is there.
  Serve(Published() + "/current/nginx");
  const Outcome again = appliance.Cli({"service", "apply"});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(Service().at("owed"), false);
}

// SPEC A5, B1: a plan that a crash cuts off goes on, and says so.
TEST_F(Control, AKillAtEachStepOfAPlanLeavesNothingOwed) {
#ifndef SIGNET_FAILPOINTS
  GTEST_SKIP() << "this build has no failpoints";
#endif
  appliance.StartAndWait();
  ASSERT_EQ(appliance.Stop(), 0);
  for (const char* point : {"apply.noted", "service.acted", "apply.step-done"}) {
    appliance.StartAndWait({{"SIGNET_FAILPOINT", point}});
    ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "current"; }, Seconds(30)))
        << point;
    Renew("tomcat");
    EXPECT_NE(appliance.Cli({"service", "apply"}).code, 0) << point;
    EXPECT_TRUE(appliance.WaitForEnd(Seconds(10)).has_value()) << point;
    appliance.StartAndWait();
    EXPECT_TRUE(Eventually(
        [&] { return Service().at("owed") == false && Service().at("wire") == "current"; },
        Seconds(30)))
        << point << json::serialize(Service());
    // The look at the endpoints may be quicker than the plan that goes on.
    EXPECT_TRUE(Eventually(
        [&] {
          return ReadWhole(appliance.log_file()).find("was interrupted") != std::string::npos;
        },
        Seconds(10)))
        << point;
    EXPECT_THAT(Service().at("serving").as_string().c_str(), HasSubstr(SerialOf("tomcat")));
    ASSERT_EQ(appliance.Stop(), 0);
  }
}

TEST_F(Control, TwoAdministratorsDoNotApplyAtOnce) {
  Begin();
  Renew("tomcat");
  Renew("tomcat-ECDSA");
  Outcome first, second;
  std::thread one([&] { first = appliance.Cli({"service", "apply"}); });
  second = appliance.Cli({"service", "apply"});
  one.join();
  // Either one is told of the other, or it came late and found nothing to do.
  EXPECT_TRUE(first.code == 0 || second.code == 0) << first.err << second.err;
  for (const Outcome& outcome : {first, second}) {
    if (outcome.code != 0) {
      EXPECT_EQ(outcome.code, 5) << outcome.err;
    }
  }
  EXPECT_EQ(Service().at("wire"), "current");
}

// SPEC B3: drift on the wire is told apart, without anybody asking.
TEST_F(Control, DriftIsSeenByItself) {
  Begin();
  const std::string other = appliance.Spare("other");
  MustRun({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", other + ".key",
           "-out", other + ".pem", "-subj", "/CN=somebody", "-days", "30"});
  Serve(Published() + "/current/nginx");
  std::string config = ReadWhole(Folder() + "/nginx.conf");
  config = Replaced(config, "include [^;]*/tomcat.conf;",
                    "ssl_certificate " + other + ".pem; ssl_certificate_key " + other + ".key;");
  WriteWhole(Folder() + "/nginx.conf", config);
  EXPECT_EQ(appliance.Cli({"service", "reload", "Cisco Tomcat"}).code, 0);
  ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "other"; }, Seconds(10)));
  EXPECT_THAT(appliance.Cli({"status"}).err, HasSubstr("DRIFT"));
  EXPECT_EQ(appliance.Cli({"service", "stop", "Cisco Tomcat"}).code, 0);
  ASSERT_TRUE(Eventually([&] { return Service().at("wire") == "unreachable"; }, Seconds(10)));
  EXPECT_EQ(Service().at("status"), "stopped");
}

// SPEC S4: units of systemd, here of a bus of the test's own.
TEST(ControlOfUnits, ARestartIsOneJobOfSystemdAndClearsWhatWasOwed) {
  const FakeSystemd systemd;
  Appliance appliance;
  appliance.EditConfig("[outgoing]",
                       "[service.\"Cisco SIP Proxy\"]\nuser = \"nobody\"\ndriver = \"systemd\"\n"
                       "unit = \"good.service\"\npublish = \"" +
                           appliance.Spare("sip") +
                           "\"\n[service.\"Cisco Presence Engine\"]\nuser = \"nobody\"\ndriver = "
                           "\"systemd\"\nunit = \"absent.service\"\npublish = \"" +
                           appliance.Spare("engine") + "\"\n[control]\nbus = \"" +
                           systemd.address() + "\"\n[outgoing]");
  appliance.StartAndWait();
  const auto service = [&](const std::string& name) {
    for (const json::value& item : appliance.List("service.list")) {
      if (item.at("service") == json::string(name)) return item.as_object();
    }
    return json::object();
  };
  EXPECT_EQ(service("Cisco SIP Proxy").at("status"), "running");
  EXPECT_EQ(service("Cisco Presence Engine").at("status"), "failed");
  ASSERT_EQ(appliance.Cli({"certificate", "generate", "cup", "--yes"}).code, 0);
  EXPECT_EQ(service("Cisco SIP Proxy").at("owed"), true);
  const Outcome restarted = appliance.Cli({"service", "restart", "Cisco SIP Proxy"});
  EXPECT_EQ(restarted.code, 0) << restarted.err;
  EXPECT_EQ(systemd.Calls(), "call RestartUnit good.service replace\n");
  EXPECT_EQ(service("Cisco SIP Proxy").at("owed"), false);
  const Outcome absent = appliance.Cli({"service", "restart", "Cisco Presence Engine"});
  EXPECT_EQ(absent.code, 3);
  EXPECT_THAT(absent.err, HasSubstr("absent.service"));
  EXPECT_EQ(service("Cisco Presence Engine").at("owed"), true);
}

// SPEC S3: the router's restart is that of the services below it, too.
TEST(ControlOfUnits, WhatIsBelowTheRouterRestartsWithIt) {
  const FakeSystemd systemd;
  Appliance appliance;
  std::string services;
  for (const auto& [name, folder] :
       {std::pair{"Cisco XCP Router", "router"}, std::pair{"Cisco XCP Connection Manager", "cm"}}) {
    services += "[service.\"" + std::string(name) +
                "\"]\nuser = \"nobody\"\ndriver = \"systemd\"\nunit = \"good.service\"\n" +
                "publish = \"" + appliance.Spare(folder) + "\"\n";
  }
  appliance.EditConfig("[outgoing]",
                       services + "[control]\nbus = \"" + systemd.address() + "\"\n[outgoing]");
  appliance.StartAndWait();
  // The unit begins when somebody first asks for it, which is to be before the change.
  ASSERT_FALSE(appliance.List("service.list").empty());
  ASSERT_EQ(appliance.Cli({"certificate", "generate", "cup-xmpp", "--yes"}).code, 0);
  const json::value plan = appliance.MustRpc("service.plan");
  ASSERT_EQ(plan.at("steps").as_array().size(), 2u) << json::serialize(plan);
  EXPECT_EQ(plan.at("steps").at(0).at("service"), "Cisco XCP Router");
  const Outcome applied = appliance.Cli({"service", "apply"});
  EXPECT_EQ(applied.code, 0) << applied.err;
  const std::string once = "call RestartUnit good.service replace\n";
  EXPECT_EQ(systemd.Calls(), once + once);
  EXPECT_EQ(appliance.MustRpc("service.plan").at("steps").as_array().size(), 0u);
}

// What is no unit of this machine is refused where it is written.
TEST(ControlOfUnits, NamesThatAreNoUnitsAreRefusedWithTheirLine) {
  for (const char* unit : {"good", "a/b.service", "x@host", "*.service", ""}) {
    Appliance appliance;
    appliance.EditConfig("[outgoing]",
                         "[service.\"Cisco SIP Proxy\"]\nuser = \"nobody\"\ndriver = "
                         "\"systemd\"\nunit = \"" +
                             std::string(unit) + "\"\n[outgoing]");
    const Outcome refused = appliance.RunToEnd();
    EXPECT_EQ(refused.code, 2) << unit;
    EXPECT_THAT(refused.err, HasSubstr("signet.toml:")) << unit;
  }
}

}  // namespace
}  // namespace signet::testing
