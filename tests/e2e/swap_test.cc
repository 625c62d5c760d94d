// The TLS identity and a trust store are swapped again and again under a thousand handshakes.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "platform/encoding.h"
#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

constexpr int kClients = 4, kHandshakesOfEach = 250;

int ConnectTo(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

// The fingerprints of the chain that one handshake shows, leaf first; empty when it failed.
std::vector<std::string> Handshake(SSL_CTX* context, std::uint16_t port) {
  std::vector<std::string> chain;
  const int fd = ConnectTo(port);
  if (fd < 0) return chain;
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) == 1) {
    const STACK_OF(X509)* shown = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; i < sk_X509_num(shown); ++i) {
      unsigned char* der = nullptr;
      const int size = i2d_X509(sk_X509_value(shown, i), &der);
      chain.push_back(HexEncode(
          Sha256(std::string_view(reinterpret_cast<char*>(der), static_cast<std::size_t>(size)))));
      OPENSSL_free(der);
    }
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  ::close(fd);
  return chain;
}

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
      SSL_CTX* context = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_max_proto_version(context, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
      SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
      for (int n = 0; n < kHandshakesOfEach; ++n) {
        const Chain chain = Handshake(context, port);
        const std::lock_guard lock(mutex);
        ++seen[chain];
      }
      SSL_CTX_free(context);
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
