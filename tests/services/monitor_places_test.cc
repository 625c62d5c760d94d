// SPEC M1: what endpoints serve and which certificates administrators log in with, as the monitor
// has it.
#include <gmock/gmock.h>

#include <future>

#include "services/monitor/places.h"
#include "tests/services/publish_world.h"
#include "tests/support/manual_clock.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MonitorPlaces : public ::testing::Test {
 protected:
  MonitorPlaces() { log_ = keystore::NodeLog::Open(world_.Path("node.db"), true, clock_).value(); }

  // What a handshake with an endpoint of tomcat saw.
  WireLook See(const std::string& pem) {
    Endpoint endpoint;
    endpoint.target = ParseHostPort("127.0.0.1:443", 0).value();
    TlsFetched fetched;
    if (pem.empty()) {
      fetched.error = MakeError(Kind::kUnreachable, "UNREACHABLE", "nobody answers", "Start it.");
    } else {
      fetched.reached = true;
      fetched.chain = {keystore::x509::ReadCertificates(pem, 1).value().front().der()};
    }
    return Judge(*world_.state->Now(), *world_.catalogue.FindPurpose("tomcat"), endpoint, fetched,
                 clock_.Now());
  }
  OtherPlaces Served(std::vector<WireLook> looks) {
    ControlFigures figures;
    figures["Cisco Tomcat"].looks = std::move(looks);
    OtherPlaces out;
    AddServed(figures, *world_.state->Now(), out);
    return out;
  }
  std::unique_ptr<ClientsSeen> Clients(std::map<std::string, std::string> listed) {
    return std::make_unique<ClientsSeen>(*log_, *lane_, std::move(listed));
  }
  void Settle() {
    std::promise<void> done;
    ASSERT_TRUE(lane_->TryPost([&] { done.set_value(); }));
    done.get_future().wait();
  }
  static std::string Der(const std::string& pem) {
    return keystore::x509::ReadCertificates(pem, 1).value().front().der();
  }

  PublishWorld world_;
  testing::ManualClock clock_{MakeSystemClock()->Now()};
  std::unique_ptr<keystore::NodeLog> log_;
  std::unique_ptr<Lane> lane_ = std::make_unique<Lane>("store", 1, 256);
};

TEST_F(MonitorPlaces, WhatIsServedCountsWhereItIsNotTheCurrentCertificate) {
  const std::string current = world_.Leaf("current"), former = world_.Leaf("former");
  world_.Install("tomcat", {current}, "aa");
  EXPECT_THAT(Served({See(current)}).seen, IsEmpty()) << "it is looked at as tomcat";
  const OtherPlaces out = Served({See(former)});
  ASSERT_THAT(out.seen, SizeIs(1));
  const auto expected = keystore::x509::ReadCertificates(former, 1).value().front();
  EXPECT_EQ(out.seen[0].place, "served at 127.0.0.1:443");
  EXPECT_EQ(out.seen[0].not_before, expected.fields().not_before);
  EXPECT_EQ(out.seen[0].not_after, expected.fields().not_after);
  EXPECT_EQ(out.seen[0].serial, expected.fields().serial);
  EXPECT_EQ(out.seen[0].fingerprint, expected.fingerprint());
  EXPECT_EQ(out.seen[0].remedy, "'signet service plan'");
  EXPECT_THAT(out.unseen, IsEmpty());
}

TEST_F(MonitorPlaces, AnEndpointThatIsNotReachedIsUnseen) {
  const OtherPlaces out = Served({See("")});
  EXPECT_THAT(out.seen, IsEmpty());
  EXPECT_THAT(out.unseen, ElementsAre("127.0.0.1:443 of Cisco Tomcat (tomcat)"));
}

TEST_F(MonitorPlaces, AClientCountsOnceItWasSeenAndOverARestart) {
  const std::string boss = world_.SelfSigned("boss"), other = world_.SelfSigned("other");
  std::string listed = testing::Fingerprint(boss);
  for (char& c : listed) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  auto clients = Clients({{listed.insert(2, ":"), "boss"}});
  EXPECT_THAT(clients->All(), IsEmpty());
  clients->See(Der(other));
  EXPECT_THAT(clients->All(), IsEmpty()) << "of strangers nothing is kept";
  for (int i = 0; i < 3; ++i) clients->See(Der(boss));
  ASSERT_THAT(clients->All(), SizeIs(1));
  Settle();
  clients = Clients({{testing::Fingerprint(boss), "chief"}});
  ASSERT_THAT(clients->All(), SizeIs(1));
  OtherPlaces out;
  AddClients(clients->All(), out);
  const auto read = keystore::x509::ReadCertificates(boss, 1).value().front();
  EXPECT_EQ(out.seen[0].place, "client certificate of chief");
  EXPECT_EQ(out.seen[0].not_after, read.fields().not_after);
  EXPECT_EQ(out.seen[0].fingerprint, read.fingerprint());
  EXPECT_THAT(out.seen[0].remedy, HasSubstr("[client.chief]"));
  // One that the configuration lists no more is nobody's any more.
  EXPECT_THAT(Clients({{testing::Fingerprint(other), "other"}})->All(), IsEmpty());
}

TEST_F(MonitorPlaces, ADamagedMemoryOfClientsIsBegunAnew) {
  const std::string boss = world_.SelfSigned("boss");
  for (const char* damaged : {"{\"clients\":7}", "[", "{\"clients\":[{\"notAfter\":\"soon\"}]}"}) {
    ASSERT_TRUE(log_->Remember("client-certificates", damaged));
    const auto clients = Clients({{testing::Fingerprint(boss), "boss"}});
    EXPECT_THAT(clients->All(), IsEmpty()) << damaged;
    clients->See(Der(boss));
    EXPECT_THAT(clients->All(), SizeIs(1));
    Settle();
  }
}

}  // namespace
}  // namespace signet::services
