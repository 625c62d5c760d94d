// Real servers whose keys are the appliance's: each with exactly the configuration that `signet`
// prints.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

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
};

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
      for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const Shaken shaken = TlsClient({version, KeyOf(purpose), World().ca().File("root"), true})
                                  .Shake(server->port());
        EXPECT_EQ(shaken.error, "") << purpose;
        EXPECT_EQ(shaken.version, version);
        EXPECT_EQ(shaken.serial, shown.serial);
        EXPECT_EQ(shaken.chain, shown.chain);
      }
    }
    EXPECT_EQ(server->Stop(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Served, ::testing::ValuesIn(kServedRows),
                         [](const auto& row) { return Traits(row.param.kind).name; });

}  // namespace
}  // namespace signet::testing
