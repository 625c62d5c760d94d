// Two strongSwan daemons of the distribution, and what Signet sees and does at the first of them.
#include "services/connections/ike_peers.h"

#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/certificate_authority.h"
#include "tests/support/ike_pair.h"

namespace signet::testing {
namespace {

using namespace std::chrono_literals;
using services::CloseIke;
using services::IkeDoor;
using services::IkePeer;
using services::ListIkePeers;

constexpr Duration kLong = 30s;

std::string Word(const Status& status) { return status ? "" : status.error().word; }

class IkePeersE2e : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string why_not = IkePair::WhyNot();
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    pair_ = std::make_unique<IkePair>(Side("first", "/C=DE/O=Acme, Inc/CN=first"),
                                      Side("second", "/C=DE/O=Größe/CN=second"));
    pair_->Start();
    second_ = {SIGNET_RUN, "/usr/sbin/swanctl", pair_->SecondVici()};
    first_ = {SIGNET_RUN, "/usr/sbin/swanctl", pair_->FirstVici()};
  }

  IkePair::Peer Side(const std::string& name, const std::string& subject) const {
    IkePair::Peer side = {folder_ / (name + ".pem"), folder_ / (name + ".key"), ca_.File("root")};
    side.chain = {ca_.File("int2"), ca_.File("int1")};
    WriteWhole(
        side.certificate,
        ca_.Sign(MustRun({"openssl", "req", "-new", "-nodes", "-utf8", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-keyout", side.key, "-subj", subject})));
    return side;
  }
  static std::vector<IkePeer> Peers(const IkeDoor& door) {
    const auto peers = ListIkePeers(door, kLong);
    EXPECT_TRUE(peers) << peers.error().ToString();
    return peers ? peers.value() : std::vector<IkePeer>{};
  }
  std::vector<std::string> ChainOf(const std::string& name) const {
    std::vector<std::string> chain = {Fingerprint(ReadWhole(folder_ / (name + ".pem")))};
    for (const char* above : {"int2", "int1", "root"}) chain.push_back(Fingerprint(ca_.Pem(above)));
    return chain;
  }
  static std::vector<std::string> Fingerprints(const IkePeer& peer) {
    std::vector<std::string> chain;
    for (const auto& certificate : peer.chain) chain.push_back(certificate.fingerprint());
    return chain;
  }

  const CertificateAuthority ca_;
  const ScratchFolder folder_;
  std::unique_ptr<IkePair> pair_;
  IkeDoor first_, second_;
};

// SPEC R4: of IPsec.
TEST_F(IkePeersE2e, APeerIsSeenWithTheCertificateThatItSentAndItsConnectionIsClosed) {
  EXPECT_TRUE(Peers(first_).empty());
  ASSERT_TRUE(pair_->Connect().has_value());
  const auto seen = Peers(first_);
  ASSERT_EQ(1U, seen.size());
  EXPECT_EQ("site", seen[0].connection);
  EXPECT_EQ("10.99.0.2", seen[0].host);
  EXPECT_EQ("C=DE, O=Gr????e, CN=second", seen[0].identity);
  EXPECT_EQ(ChainOf("second"), Fingerprints(seen[0]));
  const auto other = Peers(second_);
  ASSERT_EQ(1U, other.size());
  EXPECT_EQ("C=DE, O=Acme, Inc, CN=first", other[0].identity);
  EXPECT_EQ(ChainOf("first"), Fingerprints(other[0]));

  EXPECT_EQ("", Word(CloseIke(first_, seen[0].id, kLong)));
  EXPECT_TRUE(Peers(first_).empty());
  EXPECT_TRUE(Eventually([&] { return Peers(second_).empty(); }, Seconds(20)));
  const Status again = CloseIke(first_, seen[0].id, kLong);
  EXPECT_EQ("IKE_SA_GONE", Word(again));
}

TEST_F(IkePeersE2e, TheConnectionOfAPeerThatDoesNotAnswerIsClosedAllTheSame) {
  ASSERT_TRUE(pair_->Connect().has_value());
  const auto seen = Peers(first_);
  ASSERT_EQ(1U, seen.size());
  pair_->SignalSecond(SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ("", Word(CloseIke(first_, seen[0].id, 6s)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 6s);
  EXPECT_TRUE(Peers(first_).empty());
  pair_->SignalSecond(SIGCONT);
}

TEST_F(IkePeersE2e, WhatStrongSwanForgotIsUnknownAndNotGuessed) {
  ASSERT_TRUE(pair_->Connect().has_value());
  MustRun({"swanctl", "--flush-certs", "--uri", pair_->FirstVici()});
  const auto seen = Peers(first_);
  ASSERT_EQ(1U, seen.size());
  EXPECT_TRUE(seen[0].chain.empty());
}

}  // namespace
}  // namespace signet::testing
