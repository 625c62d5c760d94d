// Bundle mode through the store (SPEC C5a, A5): larger than a transaction, and still one change.
#include <gmock/gmock.h>

#include "keystore/trust.h"
#include "keystore/trust_writer.h"
#include "tests/keystore/open_store.h"
#include "tests/keystore/plan_world.h"
#include "tests/support/test_ca.h"

namespace signet::keystore {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kMany = 150;  // too many for one transaction

class TrustBundle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ca = std::make_unique<signet::testing::TestCa>();
    for (std::size_t i = 0; i < kMany; ++i)
      many += ca->SelfSigned("h" + std::to_string(i) + ".example.com");
  }
  static void TearDownTestSuite() { ca.reset(); }

  TrustBundle() { Open(); }
  // As after a crash: what is in memory is gone.
  void Open() {
    trust.reset();
    committer.reset();
    state = State::Open(store.lossy, store.layout).value();
    committer = std::make_unique<Committer>(*state, *clock);
    trust = std::make_unique<Trust>(world.catalogue, world.names, *state, *committer, *clock);
  }
  Result<ChangeResult> Upload(const std::string& pem, bool bundle = true, bool undelete = false) {
    operation = Operation();
    operation.id = "op" + std::to_string(++operations);
    TrustUploadRequest request;
    request.store = "cup-trust";
    request.parts = {{pem, "", ""}};
    request.bundle = bundle;
    request.undelete = undelete;
    return trust->Upload(operation, request, {});
  }
  std::size_t Seen() const { return state->Now()->TrustEntryCount(); }
  std::vector<std::string> ListSeen() const {
    std::vector<std::string> seen;
    state->Now()->EachTrustEntry("cup-trust", "", [&](const TrustEntryRecord& entry) {
      seen.push_back(entry.certificate);
      return true;
    });
    return seen;
  }

  static std::unique_ptr<signet::testing::TestCa> ca;
  static std::string many;
  OpenStore store;
  PlanWorld world;
  std::unique_ptr<Clock> clock = MakeSystemClock();
  std::unique_ptr<State> state;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Trust> trust;
  Operation operation;
  int operations = 0;
};
std::unique_ptr<signet::testing::TestCa> TrustBundle::ca;
std::string TrustBundle::many;

TEST_F(TrustBundle, GoodOnesAreTakenAndEachOtherOneIsReported) {
  const std::string leaf = ca->Issuer("root") + ca->Issuer("intermediate");
  const auto result =
      Upload(leaf + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" +
             ca->SelfSigned("h.example.com"));
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_THAT(result.value().stored, SizeIs(3));
  const Finding* finding = FindingOf(result.value().findings, "NOT_TAKEN");
  ASSERT_NE(finding, nullptr);
  EXPECT_THAT(finding->text, HasSubstr("certificate 3 of 4"));
  EXPECT_EQ(Seen(), 3u);
}

TEST_F(TrustBundle, SecondTimeIsANoOpThatSaysSo) {
  ASSERT_TRUE(Upload(many));
  const auto again = Upload(many);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again.value().changed);
  EXPECT_THAT(FindingOf(again.value().findings, "ALREADY_THERE")->text,
              HasSubstr(std::to_string(kMany)));
}

TEST_F(TrustBundle, BundleWithoutAGoodOneIsRefused) {
  const auto result = Upload("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "NOTHING_TAKEN");
  EXPECT_THAT(result.error().findings, SizeIs(1));
  EXPECT_EQ(Seen(), 0u);
}

TEST_F(TrustBundle, DeletedOneStaysOutAndTheOthersAreTaken) {
  ASSERT_TRUE(Upload(ca->Issuer("root")));
  const std::string root = ListSeen().front();
  Operation deletion;
  deletion.id = "deletion";
  ASSERT_TRUE(trust->Delete(deletion, {"cup-trust", root, "", {}}, {}));
  const auto result = Upload(ca->Issuer("root") + many);
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(Seen(), kMany);
  EXPECT_THAT(FindingOf(result.value().findings, "NOT_TAKEN")->text, HasSubstr("DELETED_BEFORE"));
  ASSERT_TRUE(Upload(ca->Issuer("root") + many, true, /*undelete=*/true));
  EXPECT_THAT(ListSeen(), Contains(root));
  EXPECT_EQ(state->Now()->Tombstone("cup-trust", root), nullptr);
}

TEST_F(TrustBundle, DeletedAnchorVouchesForNothing) {
  ASSERT_TRUE(Upload(ca->Issuer("root")));
  Operation deletion;
  deletion.id = "deletion";
  ASSERT_TRUE(trust->Delete(deletion, {"cup-trust", ListSeen().front(), "", {}}, {}));
  const auto result = Upload(ca->Issuer("root") + ca->Issuer("intermediate"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "NOTHING_TAKEN");
  ASSERT_THAT(result.error().findings, SizeIs(2));
  EXPECT_THAT(result.error().findings[0].text, HasSubstr("DELETED_BEFORE"));
  EXPECT_THAT(result.error().findings[1].text, HasSubstr("CHAIN_INCOMPLETE"));
}

TEST_F(TrustBundle, PinnedCaIsTrustedAsACaOnceItsUploadAsksForIt) {
  const auto root = x509::ReadCertificates(ca->Issuer("root"), 1).value().front();
  TrustWriter writer(*state->Now(), store.layout, "import", WallTime());
  writer.Add("cup-trust", {root, x509::EntryKind::kPinned, ""}, "imported from h");
  Transaction transaction;
  writer.WriteTo(transaction);
  ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)).value());
  const auto bundle = Upload(ca->Issuer("root") + ca->Issuer("intermediate"));
  ASSERT_FALSE(bundle);
  EXPECT_THAT(bundle.error().findings[0].text, HasSubstr("ENTRY_KIND_DIFFERS"));
  const auto raised = Upload(ca->Issuer("root") + ca->Issuer("intermediate"), /*bundle=*/false);
  ASSERT_TRUE(raised) << raised.error().ToString();
  EXPECT_THAT(raised.value().stored, SizeIs(2));
  EXPECT_EQ(state->Now()->TrustEntry("cup-trust", root.fingerprint())->kind, "anchor");
  EXPECT_EQ(Seen(), 2u);
}

// The one that is overtaken fails, though its own last transaction touches no shard.
TEST_F(TrustBundle, UploadThatIsOvertakenBeforeItsEndIsTakenBack) {
  const std::string pem = many;
  Operation other;
  other.id = "other";
  bool overtaken = false;
  state->OnChange([&](const Snapshot& snapshot) {
    overtaken = overtaken || (!snapshot.pending.empty() && snapshot.trust.contains("cup-trust"));
  });
  store.lossy.After(3, LossyStore::Fault::kRefuse);  // before the last transaction
  ASSERT_FALSE(Upload(pem));
  ASSERT_TRUE(overtaken);
  const std::string first = operation.id;
  store.lossy.Next(LossyStore::Fault::kNone);
  const Revision begun = state->Now()->pending.at(first).modified;
  ASSERT_TRUE(Upload(pem));
  ASSERT_THAT(state->Now()->pending, SizeIs(1));
  EXPECT_GT(state->Now()->pending.at(first).modified, begun);  // what the first one expects is over
  ASSERT_TRUE(trust->Undo(first));
  EXPECT_EQ(Seen(), kMany);
}

TEST_F(TrustBundle, ManyAreSeenAtOnceThoughTheyAreStoredInParts) {
  std::vector<std::size_t> counts;
  state->OnChange([&](const Snapshot& snapshot) { counts.push_back(snapshot.TrustEntryCount()); });
  ASSERT_TRUE(Upload(many));
  ASSERT_GT(counts.size(), 2u);
  EXPECT_EQ(counts.back(), kMany);
  counts.pop_back();
  EXPECT_THAT(counts, Each(0u));
  EXPECT_THAT(state->Now()->pending, IsEmpty());
  EXPECT_THAT(ListSeen(), SizeIs(kMany));
}

TEST_F(TrustBundle, StoreThatFailsBetweenPartsLeavesNothing) {
  for (const int part : {0, 1, 2, 3}) {
    store.lossy.After(part, LossyStore::Fault::kRefuse);
    const auto result = Upload(many);
    if (result) break;  // it had fewer parts
    EXPECT_EQ(result.error().word, "STORE_BUSY");
    EXPECT_EQ(Seen(), 0u);
    // The store was gone for the cleaning too, so that is left for recovery.
    EXPECT_EQ(operation.leave_for_recovery, part > 0) << part;
    store.lossy.Next(LossyStore::Fault::kNone);
    Open();
    EXPECT_EQ(Seen(), 0u);
    ASSERT_TRUE(trust->Undo(operation.id));
    EXPECT_THAT(state->Now()->pending, IsEmpty());
    EXPECT_EQ(Seen(), 0u);
  }
  store.lossy.Next(LossyStore::Fault::kNone);
  ASSERT_TRUE(Upload(many));
  EXPECT_EQ(Seen(), kMany);
}

TEST_F(TrustBundle, EntryOfAnUnfinishedUploadDoesNotHideTheSameOneOfAnother) {
  store.lossy.After(2, LossyStore::Fault::kRefuse);
  ASSERT_FALSE(Upload(many));
  const std::string unfinished = operation.id;
  store.lossy.Next(LossyStore::Fault::kNone);
  ASSERT_THAT(state->Now()->pending, SizeIs(1));
  ASSERT_TRUE(Upload(many));
  EXPECT_EQ(Seen(), kMany);
  ASSERT_TRUE(trust->Undo(unfinished));
  EXPECT_EQ(Seen(), kMany);
}

TEST_F(TrustBundle, PlanIsCarriedOutOrStale) {
  TrustUploadRequest request;
  request.store = "cup-trust";
  request.parts = {{many, "", ""}};
  request.bundle = true;
  const PlanReport report = ReportOf(PlanTrustUpload(trust->Input(), request).value());
  EXPECT_THAT(report.steps, SizeIs(kMany));
  ASSERT_TRUE(
      Upload(ca->SelfSigned("another.example.com")));  // moves a shard that it read, or none
  const bool moved = ReportOf(PlanTrustUpload(trust->Input(), request).value()).hash != report.hash;
  Operation late;
  late.id = "late";
  const auto result = trust->Upload(late, request, report.hash);
  EXPECT_EQ(!result, moved);
  if (moved) {
    EXPECT_EQ(result.error().word, "PLAN_STALE");
  }
  EXPECT_EQ(Seen(), moved ? 1 : kMany + 1);
}

// The shards that it writes are compared with what the plan saw, in each part.
TEST_F(TrustBundle, ChangeOfAnotherWhileItIsStoredTakesAllBack) {
  class Meddler final : public Store {
   public:
    Meddler(Store& real, std::function<void()> before_third)
        : real_(real), before_third_(std::move(before_third)) {}
    Result<std::optional<Record>> Get(const std::string& key, Duration limit) override {
      return real_.Get(key, limit);
    }
    Result<Range> List(const std::string& prefix, const std::string& after, std::size_t limit,
                       Duration deadline) override {
      return real_.List(prefix, after, limit, deadline);
    }
    Result<std::optional<Revision>> Commit(const Transaction& transaction,
                                           Duration limit) override {
      if (++commits_ == 3) before_third_();
      return real_.Commit(transaction, limit);
    }
    Result<std::unique_ptr<keystore::Watch>> Watch(const std::string& prefix, Revision from,
                                                   WatchSink sink) override {
      return real_.Watch(prefix, from, std::move(sink));
    }

   private:
    Store& real_;
    std::function<void()> before_third_;
    int commits_ = 0;
  };
  Meddler meddler(*store.sqlite, [this] {
    // Every shard of the store moves.
    for (int byte = 0; byte < 256; byte += 64) {
      Transaction transaction;
      for (int i = byte; i < byte + 64; ++i) {
        const std::string fingerprint = HexEncode(std::string(1, static_cast<char>(i)));
        transaction.Put(store.layout.TrustShard("cup-trust", fingerprint), "{\"entries\":[]}");
      }
      ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)));
    }
  });
  trust.reset();
  committer.reset();
  state = State::Open(meddler, store.layout).value();
  committer = std::make_unique<Committer>(*state, *clock);
  trust = std::make_unique<Trust>(world.catalogue, world.names, *state, *committer, *clock);
  const auto refused = Upload(many);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().word, "STATE_CHANGED");
  EXPECT_FALSE(operation.leave_for_recovery);
  EXPECT_EQ(Seen(), 0u);
  EXPECT_THAT(state->Now()->pending, IsEmpty());
  ASSERT_TRUE(Upload(many));
  EXPECT_EQ(Seen(), kMany);
}

TEST_F(TrustBundle, PredecessorAndModeDoNotGoTogether) {
  TrustUploadRequest request;
  request.store = "cup-trust";
  request.parts = {{ca->Issuer("root"), "", "Root"}};
  request.bundle = true;
  EXPECT_EQ(PlanTrustUpload(trust->Input(), request).error().word, "PREDECESSOR_IN_BUNDLE");
}

}  // namespace
}  // namespace signet::keystore
