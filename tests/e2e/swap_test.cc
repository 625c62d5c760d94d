// The TLS identity and a trust store are swapped again and again under a thousand handshakes.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/handshake.h"

namespace signet::testing {
namespace {

constexpr int kClients = 4, kHandshakesOfEach = 250;

class Swap : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  void TrustChain(const CertificateAuthority& authority, bool undelete = false) {
    const json::array parts{json::object{{"pem", authority.Chain()}}};
    appliance_.MustRpc(
        "trust.upload",
        {{"store", "tomcat-trust"}, {"certificates", parts}, {"undelete", undelete}});
  }
  std::string SignedTomcat() {
    const json::value made = appliance_.MustRpc("csr.generate", {{"purpose", "tomcat"}});
    return ca_.Sign(Text(made.at("pem")));
  }

  Appliance appliance_;
  CertificateAuthority ca_, other_{"Other"};
};

// ABUSE 53: each handshake sees the old identity or the new one, whole; none fails.
TEST_F(Swap, EachHandshakeSeesTheOldOrTheNewIdentityAndNoneFails) {
  using Chain = std::vector<std::string>;
  TrustChain(ca_);
  const Chain self_signed = {Current(appliance_, "tomcat")};
  const std::string pem = SignedTomcat();
  const Chain ca_signed = {Fingerprint(pem), Fingerprint(ca_.Pem("int2")),
                           Fingerprint(ca_.Pem("int1"))};
  appliance_.MustRpc("certificate.upload", {{"purpose", "tomcat"}, {"pem", pem}});

  const auto port = static_cast<std::uint16_t>(std::stoi(appliance_.port()));
  std::map<Chain, int> seen;
  std::mutex mutex;
  std::atomic<int> running = kClients;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      const TlsClient client({.version = i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION});
      for (int n = 0; n < kHandshakesOfEach; ++n) {
        const Chain chain = client.Shake(port).chain;
        const std::lock_guard lock(mutex);
        ++seen[chain];
      }
      --running;
    });
  }
  int swaps = 0;
  while (running > 0) {
    // Forth and back, and a CA that comes and goes beside them.
    appliance_.MustRpc("certificate.rollback", {{"purpose", "tomcat"}});
    TrustChain(other_, /*undelete=*/true);
    appliance_.MustRpc("certificate.rollback", {{"purpose", "tomcat"}});
    for (const char* name : {"root", "int1", "int2"}) {
      appliance_.MustRpc(
          "trust.delete",
          {{"store", "tomcat-trust"}, {"id", Fingerprint(other_.Pem(name))}, {"reason", "test"}});
    }
    swaps += 2;
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GE(swaps, 4);
  EXPECT_EQ(seen[Chain()], 0) << "handshakes failed";
  EXPECT_GT(seen[self_signed], 0);
  EXPECT_GT(seen[ca_signed], 0);
  EXPECT_EQ(seen[self_signed] + seen[ca_signed], kClients * kHandshakesOfEach)
      << "some saw neither the old identity nor the new one";
  CheckInvariants(appliance_, std::to_string(swaps) + " swaps under handshakes");
}

// ABUSE 53: a list of the trust store is that of one moment, too: a chain is in it whole or not.
TEST_F(Swap, TrustStoreIsNeverSeenHalfWayThroughAnUpload) {
  const std::string root = Fingerprint(other_.Pem("root")), int1 = Fingerprint(other_.Pem("int1")),
                    int2 = Fingerprint(other_.Pem("int2"));
  using Ids = std::set<std::string>;
  // The upload is one step; the deletions are three, the root first.
  const std::set<Ids> possible = {{}, {root, int1, int2}, {int1, int2}, {int2}};
  std::atomic<bool> stop = false;
  std::map<Ids, int> seen;
  std::thread reader([&] {
    while (!stop) {
      Ids ids;
      for (const json::value& entry : appliance_.List("trust.list", {{"store", "tomcat-trust"}})) {
        if (entry.at("kind") != "pinned") ids.insert(Text(entry.at("id")));
      }
      ++seen[ids];
    }
  });
  for (int turn = 0; turn < 20; ++turn) {
    TrustChain(other_, /*undelete=*/true);
    for (const std::string& id : {root, int1, int2})
      appliance_.MustRpc("trust.delete", {{"store", "tomcat-trust"}, {"id", id}});
  }
  stop = true;
  reader.join();
  for (const auto& [ids, times] : seen)
    EXPECT_TRUE(possible.contains(ids)) << ids.size() << " entries, " << times << " times";
  EXPECT_GT(seen.size(), 1u);
}

}  // namespace
}  // namespace signet::testing
