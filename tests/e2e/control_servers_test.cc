// Servers of other makers under control: each reads what `signet service snippet` prints, is run by
// the daemon, and takes up renewals by `signet service apply`, which handshakes prove.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/e2e/control_world.h"
#include "tests/support/handshake.h"
#include "tests/support/prosody.h"
#include "tests/support/receipt.h"
#include "tests/support/renewal.h"
#include "tests/support/served.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;
using Names = std::set<std::string>;

// A service of the catalogue and the server behind it.
struct Role {
  ServerKind kind;
  const char* service;
  const char* server;                 // whose include files are published
  const char* snippet;                // that is printed
  std::vector<std::string> purposes;  // at its port
  const char* take_up;
};

std::string PurposesText(const std::vector<std::string>& purposes) {
  return "purposes = " + json::serialize(json::value_from(purposes));
}

Names NamesIn(const json::value& list) {
  Names names;
  for (const json::value& name : list.as_array()) names.insert(name.as_string().c_str());
  return names;
}

class ControlServers : public ControlWorld {
 protected:
  // The daemon is configured before it can print what the server reads: until then there is nothing
  // that it could start.
  void Begin(const Role& role, const ServedFiles& files) const {
    ASSERT_TRUE(
        Eventually([&] { return Service(role.service).at("status") == "failed"; }, Seconds(30)))
        << json::serialize(Service(role.service));
    std::vector<PrintedSnippet> printed;
    for (const std::string& purpose : role.purposes) {
      const Outcome shown =
          appliance.Cli({"service", "snippet", role.snippet, purpose, "--service", role.service});
      ASSERT_EQ(shown.code, 0) << shown.err;
      printed.emplace_back(shown.out);
      EXPECT_EQ(printed.back().UnitEnvironment()["P11_KIT_SERVER_ADDRESS"], Access().address);
    }
    files.Write(printed);
    const Outcome restarted = appliance.Cli({"service", "restart", role.service});
    ASSERT_EQ(restarted.code, 0) << restarted.err;
    AwaitCurrent(role.service);
  }

  KeyAccess Access() const { return {"unix:path=" + appliance.Spare("door/keys.sock")}; }

  std::string ServiceText(const Role& role, const ServedFiles& files) const {
    ProcessService service;
    service.name = role.service;
    service.server = role.server;
    service.socket = appliance.Spare("door/keys.sock");
    service.publish = appliance.Spare("published");
    service.endpoint = "address = \"127.0.0.1:" + std::to_string(files.port()) + "\", name = \"" +
                       kNode + "\", " + PurposesText(role.purposes);
    service.take_up = role.take_up;
    service.command = files.Command();
    if (!files.User().empty()) {
      service.command.insert(
          service.command.begin(),
          {"/usr/bin/setpriv", "--reuid=" + files.User(), "--regid=nogroup", "--clear-groups"});
    }
    service.environment = files.Variables();
    service.limit_seconds = 60;
    service.proof_seconds = 30;
    return service.Text();
  }

  // What was renewed is owed by this service alone, in one step; it is done and proved.
  json::value ApplyAndProve(const Role& role, const Names& renewed) const {
    const json::value plan = appliance.CliJson({"service", "plan"});
    const json::array& steps = plan.at("steps").as_array();
    EXPECT_EQ(steps.size(), 1u) << json::serialize(plan);
    EXPECT_EQ(steps.at(0).at("service"), role.service);
    EXPECT_EQ(steps.at(0).at("action"), role.take_up);
    EXPECT_EQ(NamesIn(steps.at(0).at("causes")), renewed);
    const json::value applied =
        appliance.CliJson({"service", "apply", "--plan", plan.at("hash").as_string().c_str()});
    EXPECT_EQ(applied.at("proved"), true);
    EXPECT_EQ(applied.at("steps").as_array().size(), 1u);
    const json::value& step = applied.at("steps").at(0);
    EXPECT_EQ(step.at("service"), role.service);
    EXPECT_EQ(step.at("outcome"), "proved") << json::serialize(step);
    Names proved;
    for (const json::value& proof : step.at("proofs").as_array()) {
      EXPECT_EQ(proof.at("verdict"), "current") << json::serialize(proof);
      const std::string purpose = proof.at("purpose").as_string().c_str();
      EXPECT_EQ(proof.at("serial"), json::string(SerialOf(purpose)));
      proved.insert(purpose);
    }
    EXPECT_EQ(proved, Names(role.purposes.begin(), role.purposes.end()));
    const json::object service = Service(role.service);
    EXPECT_EQ(service.at("owed"), false) << json::serialize(service);
    EXPECT_EQ(service.at("wire"), "current");
    EXPECT_TRUE(appliance.CliJson({"service", "plan"}).at("steps").as_array().empty());
    const Receipt receipt(appliance, applied.at("receipt").as_string().c_str());
    EXPECT_TRUE(receipt.Signs(receipt.document()));
    EXPECT_FALSE(receipt.Signs(receipt.document() + " "));
    for (const std::string& purpose : renewed)
      EXPECT_THAT(receipt.document(), HasSubstr(SerialOf(purpose)));
    return applied;
  }

  // The causes that were told to be taken up, each as often as it was told.
  std::multiset<std::string> TakenUp() const {
    std::multiset<std::string> causes;
    const json::value page = appliance.MustRpc("event.list", {{"limit", std::int64_t(1000)}});
    for (const json::value& event : page.at("items").as_array()) {
      if (event.at("kind") == "restart.done")
        causes.merge(NamesIn(event.at("details").at("causes")));
    }
    return causes;
  }

  // What a client of ours is shown for a kind of key: the purpose's certificate.
  Shaken ExpectServed(const ServedFiles& files, const std::string& purpose, LeafKey key,
                      const std::string& trust = "") const {
    Shaken shaken = TlsClient({.key = key, .trust = trust}).Shake(files.port());
    EXPECT_EQ(shaken.error, "") << purpose;
    EXPECT_EQ(shaken.serial, Serial(appliance, purpose)) << purpose;
    return shaken;
  }
};

// SPEC B1, S3, S4: cup is the SIP proxy's.
TEST_F(ControlServers, StunnelTakesCupUpByAReloadAndIsSeenToServeIt) {
  if (const std::string why = ServedServer::WhyNot(ServerKind::kStunnel); !why.empty())
    GTEST_SKIP() << why;
  const Role role = {
      ServerKind::kStunnel, "Cisco SIP Proxy", "stunnel", "stunnel", {"cup"}, "reload"};
  const ServedFiles files(role.kind, Access());
  Configure(ServiceText(role, files));
  appliance.StartAndWait();
  ASSERT_NO_FATAL_FAILURE(Begin(role, files));
  const Shaken former = ExpectServed(files, "cup", LeafKey::kRsa);
  Generate(appliance, "cup");
  ApplyAndProve(role, {"cup"});
  EXPECT_NE(ExpectServed(files, "cup", LeafKey::kRsa).serial, former.serial);
  // What stands behind it answers.
  EXPECT_EQ(TlsClient({.ask = true}).Shake(files.port()).error, "");
}

// SPEC B1, S3, S4, S5: two uploads and one restart, which is real: another process serves.
TEST_F(ControlServers, TomcatTakesBothUploadsUpByOneRestartAndServesBothChains) {
  if (const std::string why = ServedServer::WhyNot(ServerKind::kTomcat); !why.empty())
    GTEST_SKIP() << why;
  const std::vector<std::string> purposes = {"tomcat", "tomcat-ECDSA"};
  const Role role = {ServerKind::kTomcat, kTomcat, "tomcat", "tomcat", purposes, "restart"};
  const ServedFiles files(role.kind, Access());
  Configure(ServiceText(role, files));
  appliance.StartAndWait();
  ASSERT_NO_FATAL_FAILURE(Begin(role, files));
  const CertificateAuthority ca;
  Trust(appliance, ca, {"tomcat-trust"});
  for (const std::string& purpose : purposes) Sign(appliance, ca, purpose);
  const json::value since = Service().at("since");
  EXPECT_TRUE(TakenUp().empty());
  ApplyAndProve(role, {"tomcat", "tomcat-ECDSA"});
  EXPECT_NE(Service().at("since"), since);
  EXPECT_EQ(TakenUp(), (std::multiset<std::string>{"tomcat", "tomcat-ECDSA"}));
  for (const auto& [purpose, key] :
       {std::pair{"tomcat", LeafKey::kRsa}, std::pair{"tomcat-ECDSA", LeafKey::kEcdsa}}) {
    const Shaken shaken = ExpectServed(files, purpose, key, ca.File("root"));
    const std::vector<std::string> issuers = {Fingerprint(ca.Pem("int2")),
                                              Fingerprint(ca.Pem("int1"))};
    ASSERT_EQ(shaken.chain.size(), 3u);
    EXPECT_EQ(std::vector(shaken.chain.begin() + 1, shaken.chain.end()), issuers);
  }
}

// A client's stream through the front: TLS from the first octet.
Outcome Stream(const ServedFiles& front) {
  CommandOptions options;
  options.input =
      "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' "
      "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'></stream:stream>";
  return RunProgram({"timeout", "20", "openssl", "s_client", "-quiet", "-alpn", "xmpp-client",
                     "-connect", "127.0.0.1:" + std::to_string(front.port())},
                    options);
}

// SPEC B1, B3, S3: what the router would restart is restarted itself where no router is configured.
// The XMPP server shows a certificate of its own to those who come by STARTTLS: drift.
TEST_F(ControlServers, TheFrontOfProsodyTakesCupXmppUpAndProsodysOwnCertificateIsDrift) {
  for (const std::string& why :
       {ServedServer::WhyNot(ServerKind::kNginxStream), Prosody::WhyNot()}) {
    if (!why.empty()) GTEST_SKIP() << why;
  }
  const std::string own = appliance.Spare("own");
  MustRun({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", own + ".key",
           "-out", own + ".pem", "-subj", "/CN=prosody of its own", "-days", "30"});
  const Prosody prosody(own + ".pem", own + ".key");
  const Role role = {ServerKind::kNginxStream,
                     "Cisco XCP Connection Manager",
                     "nginx",
                     "xmpp-front",
                     {"cup-xmpp", "cup-xmpp-ECDSA"},
                     "reload"};
  const ServedFiles files(role.kind, Access(), prosody.clients());
  Configure(ServiceText(role, files) +
            "[service.\"Cisco Presence Engine\"]\nuser = \"nobody\"\ndriver = \"unmanaged\"\n"
            "publish = \"" +
            appliance.Spare("engine") +
            "\"\nendpoint = [{ address = \"127.0.0.1:" + std::to_string(prosody.clients()) +
            "\", name = \"localhost\", starttls = \"xmpp\", " + PurposesText({"cup"}) + " }]\n");
  appliance.StartAndWait();
  ASSERT_NO_FATAL_FAILURE(Begin(role, files));
  Generate(appliance, "cup-xmpp");
  ApplyAndProve(role, {"cup-xmpp"});
  ExpectServed(files, "cup-xmpp", LeafKey::kRsa);
  ExpectServed(files, "cup-xmpp-ECDSA", LeafKey::kEcdsa);
  const Outcome stream = Stream(files);
  EXPECT_THAT(stream.out, HasSubstr("<stream:features")) << stream.err;
  EXPECT_TRUE(Eventually([&] { return Service("Cisco Presence Engine").at("wire") == "other"; },
                         Seconds(10)))
      << json::serialize(Service("Cisco Presence Engine"));
  const std::string warnings = appliance.Cli({"status"}).err;
  EXPECT_THAT(warnings, HasSubstr("DRIFT"));
  EXPECT_THAT(warnings, HasSubstr("(xmpp)"));
  EXPECT_THAT(warnings, HasSubstr("prosody of its own"));
}

// SPEC B1, S3: RSA and ECDSA, TLS 1.2 and 1.3, while twenty renewals are applied.
TEST_F(Control, TwentyRenewalsAreAppliedAndNoHandshakeIsLost) {
  if (const std::string why = ServedServer::WhyNot(ServerKind::kNginx); !why.empty())
    GTEST_SKIP() << why;
  Serve(Published() + "/current/nginx", "ssl_protocols TLSv1.2 TLSv1.3;");
  Begin();
  const std::vector<std::string> purposes = {"tomcat", "tomcat-ECDSA"};
  Names expected;
  for (const std::string& purpose : purposes) expected.insert(Serial(appliance, purpose));
  std::vector<TlsClientOptions> clients;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const LeafKey key : {LeafKey::kRsa, LeafKey::kEcdsa})
      clients.push_back({.version = version, .key = key, .ask = true});
  }
  HandshakeLoop loop(static_cast<std::uint16_t>(std::stoi(port)), clients, kPause);
  std::string last;
  for (int turn = 1; turn <= 20 && !HasFailure(); ++turn) {
    const std::string& purpose = purposes[turn % 2];
    Renew(purpose);
    last = Serial(appliance, purpose);
    EXPECT_TRUE(expected.insert(last).second);
    const Outcome applied = appliance.Cli({"service", "apply"});
    EXPECT_EQ(applied.code, 0) << turn << applied.out << applied.err;
    EXPECT_THAT(applied.out, HasSubstr("proved"));
    EXPECT_TRUE(loop.Now().serials.contains(last)) << "renewal " << turn << " of " << purpose;
  }
  const HandshakeLoop::Report report = loop.Stop();
  const std::vector<std::string> none;
  EXPECT_EQ(report.failed, none);
  EXPECT_EQ(report.cut, none);
  EXPECT_EQ(report.lost, none);
  Names seen;
  for (const auto& [serial, times] : report.serials) seen.insert(serial);
  EXPECT_EQ(seen, expected);
  EXPECT_GT(report.handshakes, 200);
}

// SPEC S3: what no service takes up is owed by nobody.
TEST(ControlOfNobody, IpsecCapfAndTvsOweNoRestart) {
  const std::map<std::string, std::vector<std::string>> renewed = {
      {"imp", {"ipsec"}}, {"cucm", {"ipsec", "CAPF", "TVS"}}};
  for (const auto& [product, purposes] : renewed) {
    Appliance appliance({.product = product});
    // It would be owed here, if it were owed at all.
    std::string services;
    const std::vector<std::string> names =
        product == "imp" ? std::vector<std::string>{"Cisco Tomcat", "Cisco SIP Proxy"}
                         : std::vector<std::string>{"Cisco Tomcat", "Cisco CallManager"};
    for (const std::string& name : names) {
      services += "[service.\"" + name + "\"]\nuser = \"nobody\"\ndriver = \"unmanaged\"\n";
    }
    appliance.EditConfig("[outgoing]", services + "[outgoing]");
    appliance.StartAndWait();
    for (const std::string& purpose : purposes) {
      Generate(appliance, purpose);
      const json::value plan = appliance.MustRpc("service.plan");
      EXPECT_TRUE(plan.at("steps").as_array().empty()) << purpose << json::serialize(plan);
      EXPECT_EQ(plan.at("hash"), "") << purpose;
    }
    Generate(appliance, "tomcat");
    EXPECT_EQ(appliance.MustRpc("service.plan").at("steps").as_array().size(), 1u);
  }
}

}  // namespace
}  // namespace signet::testing
