// What servers notice of the end of signetd, and of a new signet-keyd: nothing.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <iostream>

#include "tests/e2e/served_world.h"
#include "tests/support/handshake.h"

namespace signet::testing {
namespace {

// A server and clients that never rest.
struct Busy {
  const ServedRow* row;
  std::unique_ptr<ServedServer> server;
  std::unique_ptr<HandshakeLoop> loop;
};

class ServedSurvival : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why_not = ServedWorld::WhyNot();
    for (const ServedRow& row : kServedRows) {
      if (why_not.empty()) why_not = ServedServer::WhyNot(row.kind);
    }
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    for (const ServedRow& row : kServedRows) {
      if (row.kind == ServerKind::kNginxStream) continue;
      auto server = World().Server(row, ServedWorld::Purposes(row));
      server->Start();
      EXPECT_EQ(TlsClient({.ask = true}).Shake(server->port()).error, "");
      busy_.push_back({&row, std::move(server), nullptr});
    }
    // Each another version and kind of key, as far as it has both.
    int turn = 0;
    for (Busy& one : busy_) {
      const bool rsa = ++turn % 2 == 0 && Traits(one.row->kind).two_keys;
      const TlsClientOptions client = {turn % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION,
                                       rsa ? LeafKey::kRsa : LeafKey::kEcdsa,
                                       World().ca().File("root"), true};
      one.loop = std::make_unique<HandshakeLoop>(one.server->port(), std::vector{client}, kPause);
    }
  }
  static ServedWorld& World() { return ServedWorld::Get(); }

  // Until each server has made some more handshakes.
  void AwaitHandshakes(const std::string& when) {
    constexpr int kMore = 10;
    for (const Busy& one : busy_) {
      const int before = one.loop->Now().handshakes;
      EXPECT_TRUE(
          Eventually([&] { return one.loop->Now().handshakes >= before + kMore; }, Seconds(20)))
          << Traits(one.row->kind).name << " " << when;
    }
  }

  void ExpectNoFailure() {
    for (const Busy& one : busy_) {
      const HandshakeLoop::Report report = one.loop->Stop();
      const char* name = Traits(one.row->kind).name;
      for (const auto* failures : {&report.failed, &report.cut, &report.lost})
        EXPECT_EQ(*failures, std::vector<std::string>()) << name;
      std::cout << name << ": " << report.handshakes << " handshakes, "
                << report.failed.size() + report.cut.size() + report.lost.size() << " failures\n";
    }
    EXPECT_EQ(World().Metric("signet_signatures_unaccounted"), 0);
  }

  std::vector<Busy> busy_;
};

// SPEC B11.
TEST_F(ServedSurvival, ServersGoOnWhileSignetdIsKilledAndSignetKeydReplacedFiveTimes) {
  Appliance& appliance = World().appliance();
  // strongSwan makes an IKE_SA now and then, beside.
  std::unique_ptr<IkePair> pair;
  if (IkePair::WhyNot().empty()) {
    pair = std::make_unique<IkePair>(World().Snippet("strongswan", "ipsec", "strongswan"),
                                     World().Access("ipsec", "strongswan"), World().Peer());
    pair->Start();
  }
  const auto go_on = [&](const std::string& when) {
    AwaitHandshakes(when);
    EXPECT_TRUE(pair == nullptr || pair->Connect().has_value()) << when;
  };
  const pid_t keyd = appliance.keyd();
  appliance.Kill();
  go_on("while signetd is dead");
  appliance.StartAndWait();
  EXPECT_EQ(appliance.keyd(), keyd);
  go_on("with another signetd");

  const std::string program = appliance.Path("bin/signet-keyd");
  for (int turn = 1; turn <= 5; ++turn) {
    // Another file under the same name, as an upgrade of the package leaves it.
    std::filesystem::copy_file(program, program + ".new");
    std::filesystem::rename(program + ".new", program);
    const std::size_t starts = appliance.KeydStarts();
    ASSERT_EQ(::kill(keyd, SIGUSR2), 0);
    EXPECT_TRUE(Eventually([&] { return appliance.KeydStarts() == starts + 1; }, Seconds(20)));
    EXPECT_EQ(appliance.keyd(), keyd);
    go_on("after replacement " + std::to_string(turn));
  }
  EXPECT_TRUE(appliance.WaitReady());
  ExpectNoFailure();

  // And what was begun with the first one takes up a renewal.
  const ServedRow& row = *busy_[0].row;
  World().Sign(row.ec);
  busy_[0].server->Reload();
  const std::string serial = World().Serial(row.ec);
  const TlsClient client({.key = LeafKey::kEcdsa});
  EXPECT_TRUE(Eventually([&] { return client.Shake(busy_[0].server->port()).serial == serial; },
                         Seconds(20)));
}

}  // namespace
}  // namespace signet::testing
