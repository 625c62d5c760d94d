// strongSwan with a key of the appliance and the configuration that `signet` prints.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/e2e/served_world.h"

namespace signet::testing {
namespace {

class ServedIke : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why_not = ServedWorld::WhyNot();
    if (why_not.empty()) why_not = IkePair::WhyNot();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }
  static ServedWorld& World() { return ServedWorld::Get(); }

  static void Renew(const std::string& purpose, int renewals) {
    IkePair pair(World().Snippet("strongswan", purpose, "strongswan"),
                 World().Access(purpose, "strongswan"), World().Peer());
    const long before = World().Signatures(purpose, "root");
    pair.Start();
    int made = 0;
    for (int turn = 0; turn <= renewals; ++turn) {
      if (turn > 0) World().Sign(purpose);
      pair.Reload();
      const std::optional<IkePair::Sa> sa = pair.Connect();
      ASSERT_TRUE(sa.has_value()) << purpose << ", renewal " << turn;
      EXPECT_EQ(sa->state, "ESTABLISHED");
      EXPECT_EQ(sa->serial, World().Serial(purpose));
      ++made;
    }
    // strongSwan may try a key besides.
    EXPECT_GE(World().Signatures(purpose, "root"), before + made);
    EXPECT_EQ(World().Metric("signet_signatures_unaccounted"), 0);
    const std::string maps = ReadWhole("/proc/" + std::to_string(pair.pid()) + "/maps");
    EXPECT_NE(maps.find("p11-kit-client.so"), std::string::npos);
    EXPECT_EQ(maps.find("softhsm"), std::string::npos);
    std::cout << "strongSwan: " << renewals << " renewals of " << purpose << ", " << made
              << " IKE_SAs\n";
  }
};

// SPEC A3. The peer knows the root alone: it is given the intermediates, too.
TEST_F(ServedIke, AnIkeSaShowsTheNewCertificateAfterEachReload) {
  Renew("ipsec", 2);
  Renew("tomcat-ECDSA", 18);
}

}  // namespace
}  // namespace signet::testing
