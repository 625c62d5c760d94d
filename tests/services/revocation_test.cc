// SPEC R1 to R3: what becomes of certificates whose responder, a real `openssl ocsp`, tells of
// them.
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

// A responder where nobody listens.
constexpr char kNobody[] = "authorityInfoAccess=OCSP;URI:http://127.0.0.1:1/";

class RevocationTest : public RevocationWorld {};

// SPEC R1.
TEST_F(RevocationTest, NothingIsAskedWhileItIsOff) {
  const std::string sub = SubCa("sub");
  TrustSub(sub);
  root_.Revoke(sub);
  Tick();
  Pass(48h);
  EXPECT_EQ(Cause(sub), "");
  EXPECT_THAT(Told("revocation"), IsEmpty());
  EXPECT_FALSE(revocation_->Show().enabled);
}

// SPEC R1, R3: within the interval, and not before it is over.
TEST_F(RevocationTest, ARevokedEntryGoesOutOfTrustWithinTheInterval) {
  const std::string sub = SubCa("sub"), peer = Peer("sub", sub);
  TrustSub(sub);
  SwitchOn();
  Tick();
  EXPECT_EQ(revocation_->Show().good, 1) << Statuses();
  EXPECT_TRUE(Leads(peer));
  root_.Revoke(sub);
  Pass(59min);
  EXPECT_EQ(Cause(sub), "");
  Pass(1min);
  EXPECT_EQ(Cause(sub), "revoked");
  EXPECT_FALSE(Leads(peer));
  EXPECT_EQ(told_, 1);
  const api::RevocationInfo info = revocation_->Show();
  ASSERT_THAT(info.distrusted, SizeIs(1));
  EXPECT_EQ(info.distrusted[0].reason, "keyCompromise");
  EXPECT_THAT(info.distrusted[0].source, HasSubstr(root_.url()));
  EXPECT_THAT(info.distrusted[0].places, ElementsAre("cup-trust"));
  EXPECT_THAT(Told("revocation"), Contains(AllOf(HasSubstr("CN=sub"), HasSubstr("cup-trust"),
                                                 HasSubstr("revoked"), HasSubstr("out of trust"))));
  const auto audit = log_->Audit(0, 100);
  EXPECT_EQ(audit.value().back().origin.method, "revocation.apply");
  EXPECT_THAT(audit.value().back().detail, HasSubstr(Id(sub)));
  // Services that read the store owe a restart.
  EXPECT_THAT(world_.state->Now()->owed, Not(IsEmpty()));
  // Once.
  Pass(2h);
  EXPECT_EQ(log_->Audit(0, 100).value().size(), audit.value().size());
  EXPECT_EQ(told_, 1);
}

// ABUSE 113.
TEST_F(RevocationTest, WhatWasRevokedAndIsSaidToBeGoodWaitsForAnOperator) {
  const std::string sub = SubCa("sub");
  TrustSub(sub);
  root_.Revoke(sub);
  SwitchOn();
  Tick();
  ASSERT_EQ(Cause(sub), "revoked");
  api::RevocationClearRequest clear;
  clear.id = Id(sub).substr(0, 12);
  EXPECT_EQ(Wait(revocation_->Clear({}, Operation(), clear)).error().word, "REASON_MISSING");
  clear.reason = "the CA was mistaken";
  EXPECT_EQ(Wait(revocation_->Clear({}, Operation(), clear)).error().word, "STILL_REVOKED");
  root_.Know(sub);
  Pass(1h);
  EXPECT_EQ(Cause(sub), "revoked");
  EXPECT_THAT(revocation_->Warnings(),
              Contains(::testing::Field(&Finding::id, std::string("SAID_GOOD"))));
  EXPECT_TRUE(revocation_->Show().distrusted.at(0).said_good);
  const auto operation = Operation();
  EXPECT_TRUE(Wait(revocation_->Clear({}, operation, clear)));
  EXPECT_EQ(Cause(sub), "");
  EXPECT_THAT(operation->detail, HasSubstr("the CA was mistaken"));
  Pass(1h);
  EXPECT_EQ(Cause(sub), "");
  clear.id = "ffff";
  EXPECT_EQ(Wait(revocation_->Clear({}, Operation(), clear)).error().word, "NOT_DISTRUSTED");
}

// ABUSE 113: certificateHold aside.
TEST_F(RevocationTest, WhatIsOnHoldComesBackByItself) {
  const std::string sub = SubCa("sub");
  TrustSub(sub);
  root_.Revoke(sub, "certificateHold");
  SwitchOn();
  Tick();
  EXPECT_EQ(Cause(sub), "on-hold");
  root_.Know(sub);
  Pass(1h);
  EXPECT_EQ(Cause(sub), "");
  EXPECT_THAT(Told("revocation"), Contains(HasSubstr("back in trust")));
}

TEST_F(RevocationTest, AnUnknownStatusIsAWarningOrOutOfTrustAsTheSettingSays) {
  const std::string sub = SubCa("sub");
  TrustSub(sub);
  root_.Stop();
  SwitchOn();
  Tick();
  EXPECT_EQ(Cause(sub), "");
  EXPECT_THAT(revocation_->Warnings(),
              Contains(::testing::Field(&Finding::id, std::string("STATUS_UNKNOWN"))));
  // Shown before it is switched on.
  api::RevocationSetRequest hard;
  hard.unknown_trust = "hard";
  const auto plan = Wait(revocation_->ProposeSet({}, ChangeOf(hard)));
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_THAT(plan.value().findings,
              Contains(::testing::Field(&Finding::id, std::string("WOULD_BE_REFUSED"))));
  EXPECT_EQ(Cause(sub), "");
  Set(keystore::kUnknownTrust, "hard");
  Tick();
  EXPECT_EQ(Cause(sub), "unproved");
  // A failure is asked again long before the interval is over.
  root_.Start();
  Pass(10min);
  EXPECT_EQ(Cause(sub), "");
  root_.Stop();
  Pass(1h);
  // What is known stays known until its nextUpdate.
  EXPECT_EQ(Cause(sub), "");
  EXPECT_EQ(revocation_->Show().good, 1);
}

TEST_F(RevocationTest, SwitchedOffWhatWasUnprovedComesBackAndWhatIsRevokedStays) {
  const std::string lost = SubCa("lost", kNobody), bad = SubCa("bad");
  TrustSub(lost);
  TrustSub(bad);
  root_.Revoke(bad);
  SwitchOn();
  Set(keystore::kUnknownTrust, "hard");
  Tick();
  ASSERT_EQ(Cause(bad), "revoked") << Statuses();
  ASSERT_EQ(Cause(lost), "unproved") << Statuses();
  // What would go out again at once is not given back.
  api::RevocationClearRequest clear;
  clear.id = Id(lost);
  clear.reason = "we know it";
  EXPECT_EQ(Wait(revocation_->Clear({}, Operation(), clear)).error().word, "STILL_UNPROVED");
  Set(keystore::kRevocationCheck, "false");
  Pass(1h);
  EXPECT_EQ(Cause(bad), "revoked");
  EXPECT_EQ(Cause(lost), "");
}

// What lies below a CA that is out of trust is asked for all the same, and stays out itself.
TEST_F(RevocationTest, WhatIsBelowACaThatIsOutOfTrustIsNoLongerReinstated) {
  const std::string sub = SubCa("sub", kNobody);
  TrustSub(sub);
  const std::string peer = Peer("sub", sub, kNobody);
  world_.Trust("cup-trust", peer, "pinned");
  SwitchOn();
  Set(keystore::kUnknownTrust, "hard");
  for (int round = 0; round < 4; ++round) {
    Tick();
    EXPECT_EQ(Cause(sub), "unproved");
    EXPECT_EQ(Cause(peer), "unproved");
    clock_.Advance(40min);
  }
}

// A CA may have a second certificate with the same key; the one that is revoked takes nobody along.
TEST_F(RevocationTest, ARenewedCaWithTheSameKeyIsTrustedBesideTheRevokedOne) {
  const std::string former = SubCa("sub"), renewed = SubCa("sub");
  const std::string peer = Peer("sub", renewed);
  TrustSub(former);
  TrustSub(renewed);
  root_.Revoke(former);
  SwitchOn();
  Tick();
  ASSERT_EQ(Cause(former), "revoked");
  EXPECT_EQ(Cause(renewed), "");
  const auto registered =
      Wait(connections_->Register({}, Operation(), {"cti", "10.1.1.7", peer, "one", std::nullopt}));
  ASSERT_TRUE(registered);
  EXPECT_EQ(registered.value().state, "good") << registered.value().reason;
}

// A late successor of a list, or a responder with short times, is no reason to ask every second.
TEST_F(RevocationTest, RoundsKeepTheirDistance) {
  TrustSub(SubCa("sub", kNobody));
  SwitchOn();
  Tick();
  const auto asked = revocation_->Show().certificates.at(0).asked;
  for (int second = 0; second < 50; ++second) Pass(1s);
  EXPECT_EQ(revocation_->Show().certificates.at(0).asked, asked);
  Pass(10min);
  EXPECT_GT(revocation_->Show().certificates.at(0).asked, asked);
}

// The book survives; a clock that was set back asks anew.
TEST_F(RevocationTest, ARestartAndAClockStepLoseNothing) {
  const std::string sub = SubCa("sub");
  TrustSub(sub);
  SwitchOn();
  Tick();
  const auto asked = revocation_->Show().last_check;
  Boot();
  Tick();
  EXPECT_EQ(revocation_->Show().last_check, asked);
  Pass(2h);
  root_.Revoke(sub);
  clock_.Step(-1h);
  Tick();
  EXPECT_EQ(Cause(sub), "revoked") << Statuses();
  Boot();
  EXPECT_EQ(Cause(sub), "revoked");
}

// SPEC R3: the clock takes expired entries out of trust, and gives them back when it was wrong.
TEST_F(RevocationTest, ExpiredEntriesAreRetiredAndComeBackWithTheClock) {
  const std::string sub = SubCa("sub");
  TrustSub(sub);
  Tick();
  Pass(366 * 24h);
  EXPECT_EQ(Cause(sub), "expired");
  Tick();  // which sees the state that this left
  EXPECT_EQ(Cause(world_.ca.Pem("root")), "");
  api::RevocationClearRequest clear;
  clear.id = Id(sub);
  clear.reason = "please";
  EXPECT_EQ(Wait(revocation_->Clear({}, Operation(), clear)).error().word, "STILL_EXPIRED");
  clock_.Step(-366 * 24h);
  Tick();
  EXPECT_EQ(Cause(sub), "");
  clock_.Step(3652 * 24h * 8);  // 2106, behind every root
  Tick();
  EXPECT_EQ(Cause(world_.ca.Pem("root")), "expired");
  clock_.Step(-3652 * 24h * 8);
  Tick();
  EXPECT_THAT(world_.state->Now()->distrusted, IsEmpty());
}

// More than one transaction takes.
TEST_F(RevocationTest, ManyEntriesThatEndAtOnceAllGoOutOfTrust) {
  std::vector<std::string> roots;
  for (int i = 0; i < 150; ++i)
    roots.push_back(world_.SelfSigned("root" + std::to_string(i), true));
  for (const std::string& pem : roots) {
    world_.Trust("cup-trust", pem, "anchor");
    world_.Trust("tomcat-trust", pem, "anchor");
  }
  Tick();
  clock_.Advance(31 * 24h);
  for (int i = 0; i < 3; ++i) Pass(1s);
  EXPECT_EQ(std::ranges::count(roots, "expired", [&](const auto& pem) { return Cause(pem); }), 150);
  const auto audited = log_->Audit(0, 100).value();
  EXPECT_TRUE(std::ranges::all_of(audited, [](const auto& row) { return row.outcome == "done"; }));
  clock_.Step(-31 * 24h);
  for (int i = 0; i < 3; ++i) Pass(1s);
  EXPECT_EQ(std::ranges::count(roots, "", [&](const auto& pem) { return Cause(pem); }), 150);
}

// SPEC R2: with a designated responder all that it vouches for would go.
TEST_F(RevocationTest, AResponderOfUnknownStatusIsBelievedStill) {
  const std::string sub = SubCa("sub", kNobody);
  TrustSub(sub);
  const std::string asked = world_.Leaf("asked", "int2", {"extendedKeyUsage=OCSPSigning", kNobody});
  const std::string unasked =
      world_.Leaf("unasked", "int2", {"extendedKeyUsage=OCSPSigning", kNobody, "noCheck=ignored"});
  world_.TrustChain();
  for (const std::string& pem : {asked, unasked})
    world_.Trust("tomcat-trust", pem, "ocsp-responder");
  SwitchOn();
  Set(keystore::kUnknownTrust, "hard");
  Tick();
  EXPECT_EQ(Cause(sub), "unproved");
  EXPECT_EQ(Cause(asked), "");
  EXPECT_THAT(Statuses(), AllOf(HasSubstr("asked"), Not(HasSubstr("unasked"))));
}

TEST_F(RevocationTest, WhatIsDeletedIsNoLongerOutOfTrustForWantOfAnAnswer) {
  const std::string sub = SubCa("sub", kNobody);
  TrustSub(sub);
  SwitchOn();
  Set(keystore::kUnknownTrust, "hard");
  Tick();
  ASSERT_EQ(Cause(sub), "unproved");
  world_.DropTrust("cup-trust", Id(sub));
  Pass(1s);
  EXPECT_EQ(Cause(sub), "");
}

TEST_F(RevocationTest, AnIdentityThatIsRevokedIsAnAlarm) {
  const std::string leaf =
      world_.Leaf("imp1.example.com", "int2", {"extendedKeyUsage=serverAuth", int2_.Access()});
  int2_.Know(leaf);
  world_.TrustChain();
  world_.Install("tomcat",
                 {leaf, world_.ca.Pem("int2"), world_.ca.Pem("int1"), world_.ca.Pem("root")}, "aa");
  SwitchOn();
  Tick();
  EXPECT_EQ(revocation_->Show().good, 1);
  EXPECT_EQ(revocation_->Show().without_source, 2);  // the intermediates
  int2_.Revoke(leaf);
  EXPECT_TRUE(Wait(revocation_->Check({}, Operation())));
  EXPECT_EQ(Cause(leaf), "revoked");
  EXPECT_THAT(revocation_->Warnings(),
              Contains(AllOf(::testing::Field(&Finding::id, std::string("REVOKED_IN_USE")),
                             ::testing::Field(&Finding::text, HasSubstr("tomcat")))));
}

// ABUSE 40.
TEST_F(RevocationTest, AnUploadIsAskedFor) {
  const std::string leaf =
      world_.Leaf("imp1.example.com", "int2", {"extendedKeyUsage=serverAuth", int2_.Access()});
  world_.TrustChain();
  int2_.Revoke(leaf);
  EXPECT_THAT(revocation_->CheckUpload({{"tomcat-trust", {leaf}}}), IsEmpty());
  SwitchOn();
  Findings findings = revocation_->CheckUpload({{"tomcat-trust", {leaf}}});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].id, "REVOKED");
  EXPECT_EQ(findings[0].severity, Severity::kError);
  int2_.Stop();
  const std::string other =
      world_.Leaf("imp1.example.com", "int2", {"extendedKeyUsage=serverAuth", int2_.Access()});
  findings = revocation_->CheckUpload({{"tomcat-trust", {other}}});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].id, "STATUS_UNKNOWN");
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
  Set(keystore::kUnknownUpload, "hard");
  EXPECT_EQ(revocation_->CheckUpload({{"tomcat-trust", {other}}}).at(0).severity, Severity::kError);
  // Not hidden by the name's case, or by what stands beside it.
  const std::string garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(revocation_->CheckUpload({{"Tomcat-Trust", {garbled, garbled + other}}}), SizeIs(1));
  // What cannot be read, and what names nobody, is somebody else's to refuse.
  EXPECT_THAT(revocation_->CheckUpload({{"tomcat-trust", {"garbage", world_.ca.Pem("int1")}}}),
              IsEmpty());
}

}  // namespace
}  // namespace signet::services
