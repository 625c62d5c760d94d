// A node whose certificates have a real `openssl ocsp` for a responder, and a clock that is set.
#pragma once

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
#include "services/revocation/revocation.h"
#include "tests/services/publish_world.h"
#include "tests/support/manual_clock.h"
#include "tests/support/ocsp_responder.h"

namespace signet::services {

class RevocationWorld : public ::testing::Test {
 protected:
  RevocationWorld()
      // What is made from here on is valid already.
      : clock_(MakeSystemClock()->Now() + std::chrono::minutes(1)),
        root_(world_.ca, "root"),
        int2_(world_.ca, "int2") {
    log_ = keystore::NodeLog::Open(world_.Path("node.db"), true, clock_).value();
    Boot();
  }
  ~RevocationWorld() override { End(); }

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
                          *lane_, *lane_, *trust_lane_, [this] { ++told_; }});
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

}  // namespace signet::services
