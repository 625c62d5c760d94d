// SPEC R4: long-lived connections whose peers' certificates go out of trust.
#include "services/connections/connections.h"

#include "tests/services/revocation_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ConnectionsTest : public RevocationWorld {};

// SPEC R4.
TEST_F(ConnectionsTest, AConnectionThatRestsOnWhatIsRevokedMustClose) {
  watched_ = {
      {"closer",
       "cti",
       "cup-trust",
       {},
       false,
       "",
       {"/bin/sh", "-c", "echo \"$SIGNET_CONNECTION $SIGNET_PEER\" >> " + world_.Path("closed")}}};
  Boot();
  const std::string sub = SubCa("sub"), peer = Peer("sub", sub);
  TrustSub(sub);
  SwitchOn();
  Tick();
  RequestContext service;
  service.actor = "uid:1000 (cti)";
  service.role = Role::kService;
  api::ConnectionRegisterRequest request{"cti", "10.1.1.7:2748", peer, "cti-7", std::nullopt};
  auto registered = Wait(connections_->Register(service, Operation(), request));
  ASSERT_TRUE(registered) << registered.error().ToString();
  EXPECT_EQ(registered.value().state, "good");
  root_.Revoke(sub);
  Pass(1h);
  EXPECT_EQ(Cause(sub), "revoked");
  EXPECT_THAT(Told("connection"),
              ElementsAre(AllOf(HasSubstr("cti-7"), HasSubstr("10.1.1.7:2748"),
                                HasSubstr("must be closed"), HasSubstr("closed by /bin/sh"))));
  EXPECT_EQ(testing::ReadWhole(world_.Path("closed")), "cti-7 10.1.1.7:2748\n");
  EXPECT_EQ(connections_->List({}).value().items.at(0).state, "failing");
  EXPECT_EQ(log_->Audit(0, 100).value().back().origin.method, "connection.close");
  // A restart knows it still; another service does not take it away, its own does.
  Boot();
  RequestContext other = service;
  other.actor = "uid:1001 (other)";
  EXPECT_EQ(Wait(connections_->Remove(other, Operation(), {"cti-7"})).error().word,
            "CONNECTION_OF_ANOTHER");
  EXPECT_EQ(Wait(connections_->Register(other, Operation(), request)).error().word,
            "CONNECTION_OF_ANOTHER");
  EXPECT_TRUE(Wait(connections_->Remove(service, Operation(), {"cti-7"})));
  EXPECT_EQ(Wait(connections_->Remove(service, Operation(), {"cti-7"})).error().word,
            "CONNECTION_UNKNOWN");
  Boot();
  EXPECT_THAT(connections_->List({}).value().items, IsEmpty());
}

// SPEC R4: the two parameters; the revocation check's interval wins.
TEST_F(ConnectionsTest, ConnectionsAreCheckedAsOftenAsTheSettingsSay) {
  const std::string sub = SubCa("sub"), peer = Peer("sub", sub);
  TrustSub(sub);
  Set(keystore::kValidityFrequency, "2h");
  Tick();
  ASSERT_TRUE(Wait(
      connections_->Register({}, Operation(), {"cti", "10.1.1.7", peer, "one", std::nullopt})));
  Tick();
  const auto checked = [&] { return connections_->List({}).value().items.at(0).checked; };
  WallTime last = checked().value();
  Pass(119min);
  EXPECT_EQ(checked(), last);
  Pass(1min);
  EXPECT_GT(checked(), last);
  SwitchOn();
  Tick();
  last = checked().value();
  Pass(1h);
  EXPECT_GT(checked(), last);
  Set(keystore::kValidityCheck, "false");
  Tick();
  last = checked().value();
  Pass(48h);
  EXPECT_EQ(checked(), last);
  // The peer's certificate ends after 90 days: it fails without anybody's word.
  Set(keystore::kValidityCheck, "true");
  Set(keystore::kRevocationCheck, "false");
  Pass(91 * 24h);
  EXPECT_EQ(connections_->List({}).value().items.at(0).state, "failing");
  EXPECT_THAT(Told("connection"), Not(IsEmpty()));
}

TEST_F(ConnectionsTest, OneThatFailsFromTheStartIsClosedSoon) {
  const std::string sub = SubCa("sub"), peer = Peer("sub", sub);
  TrustSub(sub);
  ASSERT_TRUE(Wait(
      connections_->Register({}, Operation(), {"cti", "10.1.1.7", peer, "one", std::nullopt})));
  Tick();
  ASSERT_EQ(Wait(connections_->Register(
                     {}, Operation(),
                     {"cti", "10.1.1.8", world_.SelfSigned("nobody"), "two", std::nullopt}))
                .value()
                .state,
            "failing");
  EXPECT_THAT(Told("connection"), IsEmpty());
  Pass(5min);
  EXPECT_THAT(Told("connection"), ElementsAre(AllOf(HasSubstr("two"), HasSubstr("10.1.1.8"))));
}

TEST_F(ConnectionsTest, RegistrationsThatMakeNoSenseAreRefused) {
  // Nobody takes the place of a probe.
  watched_ = {{"directory", "ldap", "tomcat-trust", Endpoint(), false, "", {}},
              {"site", "ipsec", "ipsec-trust", {}, true, "unix:///run/charon.vici", {}}};
  Boot();
  const std::string sub = SubCa("sub"), peer = Peer("sub", sub);
  TrustSub(sub);
  const auto word = [&](const api::ConnectionRegisterRequest& request) {
    const auto answer = Wait(connections_->Register({}, Operation(), request));
    return answer ? answer.value().state : answer.error().word;
  };
  EXPECT_EQ(word({"fax", "x", peer, {}, {}}), "CONNECTION_KIND_UNKNOWN");
  EXPECT_EQ(word({"cti", "", peer, {}, {}}), "PEER_INVALID");
  EXPECT_EQ(word({"cti", std::string(300, 'x'), peer, {}, {}}), "PEER_INVALID");
  EXPECT_EQ(word({"cti", "x", peer, "../../etc", {}}), "CONNECTION_ID_INVALID");
  EXPECT_EQ(word({"cti", "x", peer, "a b", {}}), "CONNECTION_ID_INVALID");
  EXPECT_EQ(word({"cti", "x", peer, "directory", {}}), "CONNECTION_ID_RESERVED");
  EXPECT_EQ(word({"cti", "x", peer, "site-12", {}}), "CONNECTION_ID_RESERVED");
  EXPECT_EQ(word({"cti", "x", peer, {}, "no-trust"}), "TRUST_STORE_UNKNOWN");
  EXPECT_NE(word({"cti", "x", "garbage", {}, {}}), "good");
  EXPECT_EQ(word({"cti", "x", testing::ReadWhole(world_.Path("peer.key")), {}, {}}),
            "PRIVATE_KEY_IN_UPLOAD");
  // One that leads nowhere is known, and fails.
  EXPECT_EQ(word({"cti", "x", world_.SelfSigned("nobody"), "nobody", {}}), "failing");
  EXPECT_EQ(word({"cti", "x", peer, "one", {}}), "good");
}

}  // namespace
}  // namespace signet::services
