// Real servers whose keys are the appliance's: each with exactly the configuration that `signet`
// prints.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "tests/e2e/memory_search.h"
#include "tests/e2e/served_world.h"
#include "tests/support/handshake.h"

namespace signet::testing {
namespace {

class Served : public ::testing::TestWithParam<ServedRow> {
 protected:
  void SetUp() override {
    std::string why_not = ServedWorld::WhyNot();
    if (why_not.empty()) why_not = ServedServer::WhyNot(GetParam().kind);
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }

  static ServedWorld& World() { return ServedWorld::Get(); }
  static std::vector<std::string> Purposes() { return ServedWorld::Purposes(GetParam()); }
  static LeafKey KeyOf(const std::string& purpose) {
    return purpose == GetParam().rsa ? LeafKey::kRsa : LeafKey::kEcdsa;
  }

  // A new key and certificate, until clients have seen it a few times. An RSA key takes long to
  // make: one of the renewals is of one. `current`: serials of the purposes' certificates.
  // Returns what TLS refused while the server was told.
  static std::vector<std::string> Renew(int turn, ServedServer& server, const HandshakeLoop& loop,
                                        std::map<std::string, std::string>& current) {
    const bool rsa = turn == 5 && Traits(GetParam().kind).two_keys;
    const std::string purpose = rsa ? GetParam().rsa : GetParam().ec;
    std::set<std::string> possible;
    for (const auto& [one, serial] : current) possible.insert(serial);
    const std::map<std::string, int> before = loop.Now().serials;
    if (turn % 4 == 0) {
      World().Sign(purpose);
    } else {
      World().Generate(purpose);
    }
    const std::string serial = current[purpose] = World().Serial(purpose);
    EXPECT_TRUE(possible.insert(serial).second);
    const std::size_t refused = loop.Now().failed.size();
    server.Reload();
    std::vector<std::string> meanwhile = loop.Now().failed;
    meanwhile.erase(meanwhile.begin(), meanwhile.begin() + static_cast<std::ptrdiff_t>(refused));
    constexpr int kTimes = 3;
    EXPECT_TRUE(Eventually([&] { return loop.Now().serials[serial] >= kTimes; }, Seconds(20)))
        << "renewal " << turn << " of " << purpose << " is not served";
    // What they have begun they end with the key of before, which goes with the next renewal.
    server.AwaitLastOldWorker();
    for (const auto& [seen, times] : loop.Now().serials) {
      const auto known = before.find(seen);
      const bool is_new = known == before.end() || known->second < times;
      EXPECT_TRUE(!is_new || possible.contains(seen))
          << "neither the old one nor the new: " << seen;
    }
    return meanwhile;
  }
};

// Whether a user may list a folder or read a file.
bool MayRead(const std::string& user, const std::string& path) {
  return RunProgram({"setpriv", "--reuid", user, "--regid", "nogroup", "--init-groups", "sh", "-c",
                     "if [ -d \"$1\" ]; then ls \"$1\"; else cat \"$1\"; fi", "sh", path})
             .code == 0;
}

// SPEC A3.
TEST_P(Served, ServesTheLeafAndChainThatAreShownWithRsaAndEcdsaAndTls12And13) {
  // stunnel has one key at a port: one purpose after the other.
  std::vector<std::vector<std::string>> ports = {{GetParam().rsa, GetParam().ec}};
  if (!Traits(GetParam().kind).two_keys) ports = {{GetParam().rsa}, {GetParam().ec}};
  for (const std::vector<std::string>& purposes : ports) {
    const auto server = World().Server(GetParam(), purposes);
    server->Start();
    for (const std::string& purpose : purposes) {
      const ShownIdentity shown = World().Shown(purpose);
      EXPECT_EQ(shown.chain.size(), 3u);
      const long before = World().Signatures(purpose, Traits(GetParam().kind).worker);
      for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const Shaken shaken = TlsClient({version, KeyOf(purpose), World().ca().File("root"), true})
                                  .Shake(server->port());
        EXPECT_EQ(shaken.error, "") << purpose;
        EXPECT_EQ(shaken.version, version);
        EXPECT_EQ(shaken.serial, shown.serial);
        EXPECT_EQ(shaken.chain, shown.chain);
      }
      EXPECT_EQ(World().Signatures(purpose, Traits(GetParam().kind).worker), before + 2);
    }
    server->Stop();
  }
  EXPECT_EQ(World().Metric("signet_signatures_unaccounted"), 0);
}

// SPEC A3, B11.
TEST_P(Served, NoProcessHasThePinOrTheTokenAndItsUserCannotReadThem) {
  const Appliance& appliance = World().appliance();
  const auto server = World().Server(GetParam(), Purposes());
  server->Start();
  EXPECT_EQ(TlsClient({.ask = true}).Shake(server->port()).error, "");
  const std::string token = appliance.Path("token"), keyd = appliance.Path("keyd");
  for (const pid_t pid : server->Processes()) {
    const std::string process = "/proc/" + std::to_string(pid);
    EXPECT_EQ(ReadWhole(process + "/environ").find(appliance.Pin()), std::string::npos);
    const std::string maps = ReadWhole(process + "/maps");
    EXPECT_NE(maps.find("p11-kit-client.so"), std::string::npos) << "is this a server at all?";
    EXPECT_EQ(maps.find("softhsm"), std::string::npos);
    for (const auto& open : std::filesystem::directory_iterator(process + "/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(open, gone);
      EXPECT_FALSE(target.starts_with(token) || target.starts_with(keyd)) << target;
    }
    EXPECT_EQ(Show(SearchMemory(pid, PinNeedles("PIN", appliance.Pin()))), "");
  }
  const std::set<std::string> users = server->Users();
  EXPECT_TRUE(users.contains(Traits(GetParam().kind).worker));
  for (const std::string& user : users) {
    if (user == "root") continue;
    EXPECT_TRUE(MayRead(user, appliance.Path("signet.toml")));
    for (const char* name : {"token", "keyd", "pin", "credentials/keyd", "credentials/signetd",
                             "keyd-credential", "state"})
      EXPECT_FALSE(MayRead(user, appliance.Path(name))) << user << " reads " << name;
  }
}

TEST_P(Served, RenewalsUnderHandshakesShowTheOldOrTheNewCertificateAndNoHandshakeFails) {
  const ServerTraits& traits = Traits(GetParam().kind);
  const auto server = World().Server(GetParam(), Purposes());
  server->Start();
  // A master listens before it has workers.
  EXPECT_EQ(TlsClient({.ask = true}).Shake(server->port()).error, "");
  const auto signatures = [&] {
    long sum = 0;
    for (const std::string& purpose : Purposes())
      sum += World().Signatures(purpose, Traits(GetParam().kind).worker);
    return sum;
  };
  const long before = signatures();
  std::vector<TlsClientOptions> clients;
  for (const std::string& purpose : Purposes()) {
    const int version = purpose == GetParam().rsa ? TLS1_2_VERSION : TLS1_3_VERSION;
    clients.push_back({version, KeyOf(purpose), "", true});
  }
  HandshakeLoop loop(server->port(), clients, kPause);
  std::map<std::string, std::string> current;
  for (const std::string& purpose : Purposes()) current[purpose] = World().Serial(purpose);
  const bool is_started_anew = GetParam().kind == ServerKind::kTomcat;
  // Java that stops leaves off in the middle of a handshake's messages now and then.
  std::vector<std::string> broken_by_stop;
  for (int turn = 1; turn <= GetParam().renewals && !HasFailure(); ++turn) {
    const std::vector<std::string> refused = Renew(turn, *server, loop, current);
    if (is_started_anew)
      broken_by_stop.insert(broken_by_stop.end(), refused.begin(), refused.end());
  }
  const HandshakeLoop::Report report = loop.Stop();
  EXPECT_EQ(report.failed, broken_by_stop);
  if (!is_started_anew) {
    EXPECT_EQ(report.cut, std::vector<std::string>());
  }
  if (traits.gapless) {
    EXPECT_EQ(report.lost, std::vector<std::string>());
    EXPECT_EQ(signatures() - before, report.handshakes);
  }
  EXPECT_EQ(World().Metric("signet_signatures_unaccounted"), 0);
  std::cout << traits.name << ": " << GetParam().renewals << " renewals, " << report.handshakes
            << " handshakes, " << report.failed.size() << " failed, " << report.lost.size()
            << " lost before the server's first word, " << report.cut.size()
            << " after it, longest gap " << report.gap.count() << " s\n";
}

INSTANTIATE_TEST_SUITE_P(Of, Served, ::testing::ValuesIn(kServedRows),
                         [](const auto& row) { return Traits(row.param.kind).name; });

}  // namespace
}  // namespace signet::testing
