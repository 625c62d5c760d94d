// SPEC R1 to R4: what becomes of certificates whose responder, a real `openssl ocsp`, tells of
// them.
#include "services/revocation/revocation.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <future>

#include "keystore/committer.h"
#include "keystore/node_log.h"
#include "keystore/settings.h"
#include "services/changes.h"
#include "services/connections/connections.h"
#include "tests/services/publish_world.h"
#include "tests/support/manual_clock.h"
#include "tests/support/ocsp_responder.h"

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

class RevocationTest : public ::testing::Test {
 protected:
  RevocationTest()
      // What is made from here on is valid already.
      : clock_(MakeSystemClock()->Now() + 1min),
        root_(world_.ca, "root"),
        int2_(world_.ca, "int2") {
    log_ = keystore::NodeLog::Open(world_.Path("node.db"), true, clock_).value();
    Boot();
  }
  ~RevocationTest() override { End(); }

  void End() {
    connections_.reset();
    revocation_.reset();
    for (auto* lane : {&trust_lane_, &store_lane_, &lane_, &responder_lane_}) lane->reset();
    source_.reset();
  }
  // A new process.
  void Boot() {
    End();
    store_lane_ = std::make_unique<Lane>("store", 1, 256);
    trust_lane_ = std::make_unique<Lane>("trust", 1, 64);
    lane_ = std::make_unique<Lane>("revocation", 4, 64);
    responder_lane_ = std::make_unique<Lane>("responder", 4, 1024);
    events_ = std::make_unique<Events>(*log_, *store_lane_, clock_);
    changes_ = std::make_unique<Changes>(*log_, *store_lane_, clock_, [](const std::string&) {});
    committer_ = std::make_unique<keystore::Committer>(*world_.state, clock_);
    trust_ = std::make_unique<keystore::Trust>(world_.catalogue, names_, *world_.state, *committer_,
                                               clock_);
    source_ = std::make_unique<StatusSource>(
        StatusSource::Parts{clock_, *responder_lane_, [] { return Loopback(); }});
    revocation_ = std::make_unique<Revocation>(
        Revocation::Parts{clock_, *world_.state, *trust_, *log_, *changes_, *events_, *source_,
                          *lane_, *lane_, *trust_lane_, *store_lane_, [this] { ++told_; }});
    connections_ = std::make_unique<Connections>(Connections::Parts{
        world_.catalogue, clock_, *world_.state, *trust_, *log_, *changes_, *events_, *revocation_,
        *lane_, *store_lane_, watched_, [] { return Loopback(); }, SIGNET_RUN});
  }
  static AddressPolicy Loopback() {
    return AddressPolicy::Make({"127.0.0.0/8", "::1"}, {}).value();
  }

  template <class T>
  T Wait(boost::asio::awaitable<T> work) {
    std::optional<T> answer;  // most results have no empty value
    Wait(Into(std::move(work), answer));
    return std::move(*answer);
  }
  template <class T>
  static boost::asio::awaitable<void> Into(boost::asio::awaitable<T> work,
                                           std::optional<T>& answer) {
    answer.emplace(co_await std::move(work));
  }
  void Wait(boost::asio::awaitable<void> work) {
    boost::asio::io_context loop;
    auto future = boost::asio::co_spawn(loop, std::move(work), boost::asio::use_future);
    loop.run();
    future.get();
  }
  void Tick() {
    Wait(revocation_->Tick());
    Wait(connections_->Tick());
  }
  void Pass(Duration time) {
    clock_.Advance(time);
    Tick();
  }
  void Set(const std::string& name, const std::string& value) {
    keystore::SettingRecord record;
    record.value = value;
    world_.store.Put(world_.store.layout.Setting(name), json::serialize(ToJson(record)));
  }
  void SwitchOn() {
    Set(keystore::kRevocationCheck, "true");
    Set(keystore::kRevocationEvery, "1h");
  }
  std::shared_ptr<keystore::Operation> Operation() {
    auto operation = std::make_shared<keystore::Operation>();
    operation->id = "65000000000000000000000" + std::to_string(++operations_);
    operation->actor = "uid:0 (root)";
    return operation;
  }

  // An intermediate of the root, whose responder knows it; with a key of its own or one of before.
  std::string SubCa(const std::string& name, const std::string& access = "") {
    const std::string key = world_.Path(name + ".key");
    if (!std::filesystem::exists(key)) {
      testing::MustRun({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-out", key});
    }
    const std::string csr =
        testing::MustRun({"openssl", "req", "-new", "-key", key, "-subj", "/CN=" + name});
    testing::CertificateAuthority::SignOptions options;
    options.issuer = "root";
    options.copy_extensions = false;
    options.extensions = {"basicConstraints=critical,CA:TRUE",
                          "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash",
                          access.empty() ? root_.Access() : access};
    const std::string pem = world_.ca.Sign(csr, options);
    root_.Know(pem);
    return pem;
  }
  void TrustSub(const std::string& pem) {
    if (world_.state->Now()->TrustEntry("cup-trust", Id(world_.ca.Pem("root"))) == nullptr)
      world_.Trust("cup-trust", world_.ca.Pem("root"), "anchor");
    world_.Trust("cup-trust", pem, "intermediate");
  }
  static std::string Id(const std::string& pem) { return testing::Fingerprint(pem); }
  // Of the record about it; empty: it is in trust.
  std::string Cause(const std::string& pem) const {
    const auto snapshot = world_.state->Now();
    const auto* record = snapshot->Distrusted(Id(pem));
    return record == nullptr ? "" : record->cause;
  }
  std::vector<std::string> Told(const std::string& kind) {
    std::promise<void> done;
    EXPECT_TRUE(store_lane_->TryPost([&] { done.set_value(); }));
    done.get_future().wait();
    std::vector<std::string> texts;
    const auto rows = log_->Events(0, 1000);
    for (const keystore::EventRow& row : rows.value()) {
      if (row.kind == kind) texts.push_back(row.text);
    }
    return texts;
  }
  bool Leads(const std::string& leaf) const {
    const auto snapshot = world_.state->Now();
    const auto certificate = keystore::x509::ReadCertificates(leaf, 1).value().front();
    keystore::x509::ChainPolicy policy;
    policy.time = clock_.Now();
    policy.leaf_role = keystore::x509::LintRole::kClient;
    return keystore::x509::VerifyPath(certificate, {},
                                      keystore::Snapshot::View(snapshot, "cup-trust"), policy)
        .accepted();
  }
  // For a failure's message.
  std::string Statuses() const {
    std::string text;
    for (const api::StatusItem& item : revocation_->Show().certificates)
      text += item.subject + ": " + item.status + " " + item.word + " " + item.detail + "\n";
    return text;
  }
  // A peer's certificate of such an intermediate.
  std::string Peer(const std::string& sub, const std::string& sub_pem,
                   const std::string& access = "") {
    const std::string csr = testing::MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                              "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                                              world_.Path("peer.key"), "-subj", "/CN=peer"});
    testing::WriteWhole(world_.Path("sub.pem"), sub_pem);
    testing::WriteWhole(world_.Path("peer.ext"),
                        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
                        "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n" +
                            access + "\n");
    return testing::MustRun(
        {"openssl", "x509", "-req", "-days", "90", "-CA", world_.Path("sub.pem"), "-CAkey",
         world_.Path(sub + ".key"), "-extfile", world_.Path("peer.ext")},
        {csr, "", {}});
  }

  PublishWorld world_;
  keystore::NodeNames names_{"blue", "imp1.example.com", "example.com", {"imp1.example.com"}, {},
                             true};
  testing::ManualClock clock_;
  testing::OcspResponder root_, int2_;
  std::unique_ptr<keystore::NodeLog> log_;
  std::unique_ptr<Lane> store_lane_, trust_lane_, lane_, responder_lane_;
  std::unique_ptr<Events> events_;
  std::unique_ptr<Changes> changes_;
  std::unique_ptr<keystore::Committer> committer_;
  std::unique_ptr<keystore::Trust> trust_;
  std::unique_ptr<StatusSource> source_;
  std::unique_ptr<Revocation> revocation_;
  std::unique_ptr<Connections> connections_;
  std::vector<WatchedConnection> watched_;
  int operations_ = 0;
  std::atomic<int> told_{0};
};

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
  const auto plan = Wait(revocation_->ProposeSet({}, hard));
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

// SPEC R4.
TEST_F(RevocationTest, AConnectionThatRestsOnWhatIsRevokedMustClose) {
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
TEST_F(RevocationTest, ConnectionsAreCheckedAsOftenAsTheSettingsSay) {
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

TEST_F(RevocationTest, RegistrationsThatMakeNoSenseAreRefused) {
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
