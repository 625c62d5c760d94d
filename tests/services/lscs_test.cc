// SPEC M4: which certificates of endpoints are taken; certificates of openssl and of
// python3-cryptography.
#include "services/lscs.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "services/lsc_issuers.h"
#include "tests/services/publish_world.h"
#include "tests/support/manual_clock.h"

namespace signet::services {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LscsTest : public ::testing::Test {
 protected:
  LscsTest() {
    world_.catalogue = keystore::LoadCatalogue("cucm").value();
    Open();
  }
  void Open() {
    lscs_ = std::make_unique<Lscs>(Lscs::Parts{world_.catalogue, *world_.state, clock_, lane_},
                                   keystore::LscRegister::Open(world_.Path("lsc.db")));
  }
  // What a coroutine comes to.
  template <class T>
  T Await(boost::asio::awaitable<T> work) {
    boost::asio::io_context loop;
    std::optional<T> result;
    boost::asio::co_spawn(loop, Keep(std::move(work), result), boost::asio::detached);
    loop.run();
    return std::move(*result);
  }
  template <class T>
  static boost::asio::awaitable<void> Keep(boost::asio::awaitable<T> work,
                                           std::optional<T>& result) {
    result.emplace(co_await std::move(work));
  }
  static RequestContext Context() {
    RequestContext context;
    context.limit = std::chrono::minutes(1);
    return context;
  }
  Result<api::LscRegistration> Register(const std::string& pem) {
    api::LscRegisterRequest request;
    request.certificates = WipedString(pem.data(), pem.size());
    auto operation = std::make_shared<keystore::Operation>();
    auto result = Await(lscs_->Register(Context(), operation, std::move(request)));
    detail_ = operation->detail;
    return result;
  }
  static std::string IdOf(const Findings& findings) {
    return findings.empty() ? "" : findings.front().id;
  }

  PublishWorld world_;
  testing::ManualClock clock_{MakeSystemClock()->Now()};
  Lane lane_{"lsc", 1, 16};
  std::unique_ptr<Lscs> lscs_;
  std::string detail_;
};

TEST_F(LscsTest, AnIssuerIsKnownByAnyTrustStoreOrByAPurposeThatIsACa) {
  const std::string phone = world_.Leaf("SEP001122334455", "root");
  EXPECT_EQ(IdOf(Register(phone).value().findings), "LSC_ISSUER_UNKNOWN");
  // Of the CA column alone: tomcat's identity vouches for nobody.
  world_.Install("tomcat", {world_.ca.Pem("root")}, "aa");
  EXPECT_EQ(Register(phone).value().refused, 1);
  // The former identity of CAPF has issued what it has issued.
  world_.Install("CAPF", {world_.ca.Pem("root")}, "aa", "bb");
  EXPECT_EQ(Register(phone).value().registered, 1);
  EXPECT_EQ(Register(phone).value().known, 1);
  world_.Install("CAPF", {world_.ca.Pem("int1")}, "cc");
  const std::string second = world_.Leaf("SEP2", "root");
  EXPECT_EQ(Register(second).value().refused, 1);
  world_.Trust("CAPF-trust", world_.ca.Pem("root"), "anchor");
  EXPECT_EQ(Register(second).value().registered, 1);
  // By the signature, not by the name.
  const testing::CertificateAuthority impostor;
  const std::string csr = testing::MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                            "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                                            world_.Path("k.pem"), "-subj", "/CN=SEP3"});
  testing::CertificateAuthority::SignOptions options;
  options.issuer = "root";
  options.copy_extensions = false;
  const auto refused = Register(impostor.Sign(csr, options)).value();
  EXPECT_EQ(refused.refused, 1);
  EXPECT_EQ(IdOf(refused.findings), "LSC_ISSUER_UNKNOWN");
}

TEST_F(LscsTest, WhatIsBadIsReportedAndTheOthersAreTaken) {
  world_.Trust("CAPF-trust", world_.ca.Pem("root"), "anchor");
  const std::string good = world_.Leaf("SEP1", "root"), later = world_.Leaf("SEP2", "root");
  std::string damaged = world_.Leaf("SEP4", "root");
  damaged.replace(damaged.size() / 2, 4, "AAAA");
  const std::string bundle =
      "a comment\n" + good + damaged + world_.ca.Pem("root") + world_.SelfSigned("somebody") +
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" +
      "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" + good + later;
  const auto answer = Register(bundle).value();
  EXPECT_TRUE(answer.changed);
  EXPECT_FALSE(answer.ok);
  EXPECT_EQ(answer.registered, 2);
  EXPECT_EQ(answer.known, 1);
  EXPECT_EQ(answer.refused, 5);
  EXPECT_THAT(answer.findings, SizeIs(5));
  EXPECT_EQ(detail_, "LSCs: 2 registered, 0 replaced, 1 known, 0 superseded, 5 refused");
  // SPEC C1: a private key is refused with all that came with it.
  const auto refused =
      Register(world_.Leaf("SEP5", "root") + testing::ReadWhole(world_.Path("key.pem")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().word, "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(lscs_->Count(clock_.Now(), std::chrono::hours(24)).value().total, 2u);
  for (const char* nothing : {"", "hello", "-----BEGIN CERTIFICATE-----\n"}) {
    const auto none = Register(nothing);
    EXPECT_TRUE(!none || none.value().refused > 0) << nothing;
    if (!none) {
      EXPECT_FALSE(none.error().remedy.empty());
    }
  }
}

TEST_F(LscsTest, ThousandsOfAForeignCapfAreTakenAndFindingsAreBounded) {
  const std::string file = world_.Path("lscs.pem");
  testing::MustRun({"/usr/bin/python3", "-B", "-W", "ignore", MANY_CERTS, "lscs", file, "1400:1800",
                    "500:10", "100:-5"});
  const std::string bundle = testing::ReadWhole(file);
  const auto unknown = Register(bundle).value();
  EXPECT_EQ(unknown.refused, 2000);
  ASSERT_THAT(unknown.findings, SizeIs(101));
  EXPECT_EQ(unknown.findings.back().id, "MORE_FINDINGS");
  EXPECT_THAT(unknown.findings.back().text, HasSubstr("1900"));
  world_.Trust("CAPF-trust", testing::ReadWhole(file + ".ca"), "anchor");
  const auto taken = Register(bundle).value();
  EXPECT_TRUE(taken.ok);
  EXPECT_EQ(taken.registered, 2000);
  EXPECT_THAT(taken.findings, IsEmpty());
  const auto count = lscs_->Count(clock_.Now(), std::chrono::days(30)).value();
  EXPECT_EQ(count.soon, 500u);
  EXPECT_EQ(count.lately, 100u);
  api::LscListRequest request;
  request.ends_before = clock_.Now() + std::chrono::days(30);
  request.limit = 1000;
  EXPECT_THAT(Await(lscs_->List(Context(), request)).value().items, SizeIs(600));
  api::LscRemoveExpiredRequest wrong;
  wrong.before = clock_.Now() + std::chrono::days(30);
  auto operation = std::make_shared<keystore::Operation>();
  EXPECT_EQ(Await(lscs_->RemoveExpired(Context(), operation, wrong)).error().word,
            "BEFORE_IN_FUTURE");
  EXPECT_EQ(Await(lscs_->RemoveExpired(Context(), operation, {})).value().removed, 100);
}

TEST_F(LscsTest, WithoutItsRegisterEachCallSaysWhyAndTheStatusToo) {
  EXPECT_THAT(lscs_->Warnings(), IsEmpty());
  lscs_.reset();
  testing::WriteWhole(world_.Path("lsc.db"), "garbage");
  Open();
  ASSERT_THAT(lscs_->Warnings(), SizeIs(1));
  EXPECT_EQ(lscs_->Warnings()[0].id, "LSC_REGISTER_UNAVAILABLE");
  const auto refused = Register(world_.Leaf("SEP1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().word, "STATE_DAMAGED");
  EXPECT_FALSE(refused.error().remedy.empty());
  EXPECT_FALSE(lscs_->Count(clock_.Now(), std::chrono::hours(1)));
  EXPECT_EQ(testing::ReadWhole(world_.Path("lsc.db")), "garbage");
}

}  // namespace
}  // namespace signet::services
