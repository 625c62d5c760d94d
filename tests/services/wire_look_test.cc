// What an endpoint serves, beside what it should serve (SPEC B1, B3): every way to be wrong is told
// apart.
#include "services/control/wire_look.h"

#include <gmock/gmock.h>

#include "keystore/owed.h"
#include "keystore/x509/certificate.h"
#include "services/control/plan_answer.h"
#include "services/control/plan_rules.h"
#include "tests/services/publish_world.h"

namespace signet::services {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WireLookTest : public ::testing::Test, protected PublishWorld {
 protected:
  WireLookTest() {
    leaf = Leaf("imp1.example.com", "int2", {"subjectAltName=DNS:imp1.example.com"});
    former = Leaf("imp1.example.com");
    Install("tomcat-ECDSA", {leaf, ca.Pem("int2"), ca.Pem("int1"), ca.Pem("root")}, "ab");
    keystore::IdentityRecord record = state->Now()->identities.at("tomcat-ECDSA").value;
    record.previous = record.current;
    record.previous->certificate = Keep(former);
    store.Put(store.layout.Identity("tomcat-ECDSA"), json::serialize(ToJson(record)));
    endpoint.target = ParseHostPort("127.0.0.1:443", 0).value();
    endpoint.name = "imp1.example.com";
    // Once the certificates are made: they begin now.
    now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  static std::string Der(const std::string& pem) {
    return keystore::x509::ReadCertificates(pem, 1).value().front().der();
  }
  WireLook See(const std::vector<std::string>& pems) {
    TlsFetched fetched;
    fetched.reached = true;
    for (const std::string& pem : pems) fetched.chain.push_back(Der(pem));
    return services::Judge(*state->Now(), *catalogue.FindPurpose("tomcat-ECDSA"), endpoint, fetched,
                           now);
  }
  std::string leaf, former;
  Endpoint endpoint;
  WallTime now{};
};

TEST_F(WireLookTest, TheWholeChainWithOrWithoutItsAnchorIsCurrent) {
  WireLook look = See({leaf, ca.Pem("int2"), ca.Pem("int1")});
  EXPECT_EQ(look.verdict, WireVerdict::kCurrent) << look.detail;
  EXPECT_THAT(look.detail, IsEmpty());
  EXPECT_FALSE(look.serial.empty());
  EXPECT_EQ(See({leaf, ca.Pem("int2"), ca.Pem("int1"), ca.Pem("root")}).verdict,
            WireVerdict::kCurrent);
}

// SPEC R3: the proof of an identity fails that is revoked, or rests on what is.
TEST_F(WireLookTest, WhatIsRevokedIsNotCurrent) {
  for (const std::string& revoked : {leaf, ca.Pem("int1")}) {
    const std::string fingerprint = testing::Fingerprint(revoked);
    Distrust(fingerprint);
    const WireLook look = See({leaf, ca.Pem("int2"), ca.Pem("int1")});
    EXPECT_EQ(look.verdict, WireVerdict::kInvalid);
    EXPECT_THAT(look.detail, HasSubstr("revoked since"));
    EXPECT_THAT(look.remedy, HasSubstr("Renew"));
    TrustAgain(fingerprint);
  }
  EXPECT_EQ(See({leaf, ca.Pem("int2"), ca.Pem("int1")}).verdict, WireVerdict::kCurrent);
}

TEST_F(WireLookTest, AChainThatLacksOrMixesIssuersIsIncomplete) {
  for (const std::vector<std::string>& chain :
       {std::vector<std::string>{leaf},
        {leaf, ca.Pem("int2")},
        {leaf, ca.Pem("int1"), ca.Pem("int2")},
        {leaf, ca.Pem("int2"), ca.Pem("int1"), former},
        {leaf, ca.Pem("int2"), ca.Pem("int1"), ca.Pem("root"), ca.Pem("root"), former}}) {
    const WireLook look = See(chain);
    EXPECT_EQ(look.verdict, WireVerdict::kIncomplete) << chain.size();
    EXPECT_FALSE(look.remedy.empty());
  }
}

TEST_F(WireLookTest, FormerAndForeignCertificatesAreToldApart) {
  EXPECT_EQ(See({former, ca.Pem("int2"), ca.Pem("int1")}).verdict, WireVerdict::kFormer);
  const WireLook other = See({SelfSigned("somebody")});
  EXPECT_EQ(other.verdict, WireVerdict::kOther);
  EXPECT_THAT(other.detail, HasSubstr("somebody"));
}

TEST_F(WireLookTest, DatesAndNameAreLookedAt) {
  now += std::chrono::days(36500);
  EXPECT_EQ(See({leaf, ca.Pem("int2"), ca.Pem("int1")}).verdict, WireVerdict::kInvalid);
  now -= std::chrono::days(2 * 36500);
  EXPECT_EQ(See({leaf, ca.Pem("int2"), ca.Pem("int1")}).verdict, WireVerdict::kInvalid);
  now += std::chrono::days(36500);
  endpoint.name = "imp2.example.com";
  const WireLook look = See({leaf, ca.Pem("int2"), ca.Pem("int1")});
  EXPECT_EQ(look.verdict, WireVerdict::kInvalid);
  EXPECT_THAT(look.detail, HasSubstr("imp2.example.com"));
}

TEST_F(WireLookTest, WhatCannotBeReachedOrReadIsNeverCurrent) {
  TlsFetched fetched;
  fetched.error =
      MakeError(Kind::kUnavailable, "CONNECTION_REFUSED", "nobody listens", "Start it.");
  const keystore::Purpose& purpose = *catalogue.FindPurpose("tomcat-ECDSA");
  WireLook look = services::Judge(*state->Now(), purpose, endpoint, fetched, now);
  EXPECT_EQ(look.verdict, WireVerdict::kUnreachable);
  EXPECT_EQ(look.remedy, "Start it.");
  fetched.error.reset();
  fetched.chain = {"no certificate"};
  look = services::Judge(*state->Now(), purpose, endpoint, fetched, now);
  EXPECT_EQ(look.verdict, WireVerdict::kOther);
}

// SPEC B4: a plan goes back for what it made worse, and for nothing else.
TEST_F(WireLookTest, OnlyWhatGotWorseIsAReasonToGoBack) {
  const auto look = [](const std::string& purpose, WireVerdict verdict) {
    WireLook one;
    one.endpoint = "127.0.0.1:443";
    one.purpose = purpose;
    one.verdict = verdict;
    return one;
  };
  using enum WireVerdict;
  const std::vector<WireLook> before = {look("cup", kFormer), look("cup-ECDSA", kUnreachable)};
  EXPECT_THAT(Worsened(before, {look("cup", kCurrent), look("cup-ECDSA", kUnreachable)}),
              IsEmpty());
  for (const WireVerdict verdict : {kFormer, kOther, kIncomplete, kInvalid, kUnreachable})
    EXPECT_EQ(Worsened(before, {look("cup", verdict)}), std::set<std::string>{"cup"});
  // What the former one lacked as well is no reason to go back to it.
  std::vector<WireLook> lacking = {look("cup", kFormer)};
  lacking[0].as_former = kIncomplete;
  EXPECT_THAT(Worsened(lacking, {look("cup", kFormer)}), IsEmpty());
  EXPECT_THAT(Worsened(lacking, {look("cup", kIncomplete)}), IsEmpty());
  EXPECT_EQ(Worsened(lacking, {look("cup", kUnreachable)}), std::set<std::string>{"cup"});
  EXPECT_TRUE(WasTold(MakeError(Kind::kUnavailable, "UNIT_JOB_FAILED", "")));
  EXPECT_FALSE(WasTold(MakeError(Kind::kConflict, "SERVICE_BUSY", "")));
  EXPECT_FALSE(WasTold(MakeError(Kind::kDenied, "UNIT_DENIED", "")));
  for (const char* word : {"BUS_UNAVAILABLE", "UNIT_BROKEN", "UNIT_CALL_FAILED", "DAEMON_ENDS"})
    EXPECT_FALSE(WasTold(MakeError(Kind::kUnavailable, word, ""))) << word;
  // Of what is owed, the wire can tell of certificates alone.
  keystore::OwedRecord cup, trust;
  cup.cause = "cup";
  trust.cause = "cup-trust";
  EXPECT_EQ(ServedOf({cup, trust}, {look("cup", kCurrent)}).size(), 1u);
  EXPECT_THAT(ServedOf({cup}, {look("cup", kCurrent), look("cup", kFormer)}), IsEmpty());
  // Proved is what a handshake has shown.
  TakenUp taken;
  taken.looks = {look("cup", kCurrent)};
  api::ApplyStep step;
  Succeed({cup}, taken, step);
  EXPECT_EQ(step.outcome, "proved");
  Succeed({cup, trust}, taken, step);
  EXPECT_EQ(step.outcome, "done");
  EXPECT_THAT(step.detail, ::testing::HasSubstr("cup-trust"));
  // A plan that was stopped has proved nothing as a whole.
  api::ApplyAnswer answer;
  answer.ok = answer.proved = true;
  Conclude({"Cisco SIP Proxy"}, answer);
  EXPECT_FALSE(answer.ok || answer.proved);
  EXPECT_EQ(answer.left.size(), 1u);
}

// SPEC S3: what is owed is kept with the change, once for a cause, and goes when that one was seen.
TEST_F(WireLookTest, WhatIsOwedIsRenewedByALaterChangeAndClearedByItsOwnOnly) {
  keystore::Owed owed(*state);
  const auto put = [&](const std::string& operation,
                       const std::vector<keystore::OwedRestart>& rows) {
    keystore::Transaction transaction;
    keystore::PutOwed(rows, operation, now, state->layout(), transaction);
    ASSERT_TRUE(state->store().Commit(transaction, std::chrono::seconds(5)));
  };
  put("op1", {{"Cisco Tomcat", "tomcat"}, {"Cisco Tomcat", "tomcat"}, {"Cisco SIP Proxy", "cup"}});
  const auto before = keystore::Owed::Of(*state->Now(), "Cisco Tomcat");
  ASSERT_EQ(before.size(), 1u);
  put("op2", {{"Cisco Tomcat", "tomcat"}});
  EXPECT_TRUE(owed.Clear(before).value().empty()) << "another change came meanwhile";
  const auto after = keystore::Owed::Of(*state->Now(), "Cisco Tomcat");
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after.front().operation, "op2");
  EXPECT_EQ(owed.Clear(after).value().size(), 1u);
  EXPECT_THAT(keystore::Owed::Of(*state->Now(), "Cisco Tomcat"), IsEmpty());
  EXPECT_EQ(keystore::Owed::Of(*state->Now(), "Cisco SIP Proxy").size(), 1u);
  OpenState();
  EXPECT_EQ(keystore::Owed::Of(*state->Now(), "Cisco SIP Proxy").size(), 1u) << "it is kept";
}

}  // namespace
}  // namespace signet::services
