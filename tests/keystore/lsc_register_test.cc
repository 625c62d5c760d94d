// SPEC M4: the register of endpoints' certificates.
#include "keystore/lsc_register.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "tests/keystore/scratch.h"
#include "tests/support/command.h"

namespace signet::keystore {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const WallTime kNow = ParseTime("2026-12-01T00:00:00Z").value();
constexpr auto kStart = std::chrono::days(30);

// As a certificate of that device that ends then would be registered.
LscEntry Entry(const std::string& device, WallTime end, WallTime begin = kNow - 300 * 24h) {
  LscEntry entry;
  entry.row.fingerprint = Sha256Hex(device + FormatTime(begin) + FormatTime(end));
  entry.row.subject = "CN=" + device;
  entry.row.common_name = device;
  entry.row.issuer = "CN=CAPF";
  entry.row.serial = "1a";
  entry.row.not_before = begin;
  entry.row.not_after = end;
  entry.row.registered = kNow;
  entry.holder = Sha256Hex(device);
  return entry;
}

class LscRegisterTest : public ::testing::Test {
 protected:
  LscRegisterTest() { Open(); }
  void Open() {
    register_.reset();
    register_ = LscRegister::Open(file_).value();
  }
  LscOutcome Register(const LscEntry& entry) {
    return register_->Register(std::span(&entry, 1)).value().at(0);
  }
  LscCount Count(WallTime now = kNow, std::size_t most = 50) {
    return register_->Count(now, kStart, most).value();
  }
  std::vector<LscRow> All(std::size_t page, std::optional<WallTime> before = {}) {
    std::vector<LscRow> rows;
    for (std::string after;;) {
      const LscPage one = register_->Page(after, page, before).value();
      EXPECT_LE(one.rows.size(), page);
      rows.insert(rows.end(), one.rows.begin(), one.rows.end());
      if (!one.next) return rows;
      after = *one.next;
    }
  }

  Scratch scratch_;
  const std::string file_ = scratch_.File("lsc.db");
  std::unique_ptr<LscRegister> register_;
};

TEST_F(LscRegisterTest, CountsThoseThatHaveEndedAndThoseThatEndSoon) {
  EXPECT_EQ(Count().total, 0u);
  EXPECT_FALSE(Count().earliest);
  std::vector<LscEntry> entries;
  for (const auto& [device, end] :
       {std::pair{"long-ago", kNow - 31 * 24h}, std::pair{"lately", kNow - 30 * 24h},
        std::pair{"just", kNow - 1s}, std::pair{"now", kNow}, std::pair{"today", kNow + 24h - 1s},
        std::pair{"tomorrow", kNow + 24h}, std::pair{"soon", kNow + 30 * 24h - 1s},
        std::pair{"later", kNow + 30 * 24h}})
    entries.push_back(Entry(device, end));
  ASSERT_THAT(register_->Register(entries).value(), Each(LscOutcome::kRegistered));
  const LscCount count = Count();
  EXPECT_EQ(count.total, 8u);
  EXPECT_EQ(count.expired, 3u);
  EXPECT_EQ(count.lately, 2u);
  EXPECT_EQ(count.within_a_day, 2u);
  EXPECT_EQ(count.soon, 4u);
  EXPECT_EQ(count.earliest, kNow - 30 * 24h) << "what ended long ago is nobody's haste";
  std::vector<std::string> devices;
  for (const LscRow& row : count.nearest) devices.push_back(row.common_name);
  EXPECT_THAT(devices, ElementsAre("lately", "just", "now", "today", "tomorrow", "soon"));
  devices.clear();
  const LscCount few = Count(kNow, 3);
  for (const LscRow& row : few.nearest) devices.push_back(row.common_name);
  EXPECT_THAT(devices, ElementsAre("just", "now", "today"));
  // A day is a day, however short the warning.
  EXPECT_EQ(register_->Count(kNow, 1h, 50).value().soon, 2u);
}

TEST_F(LscRegisterTest, OfASubjectAndIssuerTheNewestCounts) {
  const LscEntry first = Entry("SEP1", kNow + 5 * 24h, kNow - 100 * 24h);
  const LscEntry second = Entry("SEP1", kNow + 700 * 24h, kNow - 24h);
  EXPECT_EQ(Register(first), LscOutcome::kRegistered);
  EXPECT_EQ(Register(first), LscOutcome::kKnown);
  EXPECT_EQ(Count().soon, 1u);
  EXPECT_EQ(Register(second), LscOutcome::kReplaced);
  EXPECT_EQ(Count().total, 1u);
  EXPECT_EQ(Count().soon, 0u);
  EXPECT_EQ(Register(first), LscOutcome::kSuperseded);
  EXPECT_EQ(Register(second), LscOutcome::kKnown);
  // Of two that began at once the one that lasts longer, in either order.
  const LscEntry shorter = Entry("SEP1", kNow + 600 * 24h, kNow - 24h);
  EXPECT_EQ(Register(shorter), LscOutcome::kSuperseded);
  // In one bundle as one after the other.
  const std::vector<LscEntry> both = {Entry("SEP2", kNow + 24h, kNow - 24h),
                                      Entry("SEP2", kNow + 48h, kNow), Entry("SEP3", kNow)};
  EXPECT_THAT(register_->Register(both).value(),
              ElementsAre(LscOutcome::kRegistered, LscOutcome::kReplaced, LscOutcome::kRegistered));
  EXPECT_EQ(Count().total, 3u);
}

TEST_F(LscRegisterTest, PagesShowEachOnceByEndAlsoWhereManyEndAtOnce) {
  std::vector<LscEntry> entries;
  for (int i = 0; i < 250; ++i)
    entries.push_back(Entry("SEP" + std::to_string(i), kNow + std::chrono::days(i / 50)));
  ASSERT_TRUE(register_->Register(entries));
  for (const std::size_t page : {1u, 7u, 50u, 250u, 1000u}) {
    const std::vector<LscRow> rows = All(page);
    ASSERT_THAT(rows, SizeIs(250)) << page;
    std::set<std::string> ids;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_TRUE(ids.insert(rows[i].fingerprint).second);
      EXPECT_LE(rows[i == 0 ? 0 : i - 1].not_after, rows[i].not_after);
    }
  }
  EXPECT_THAT(All(13, kNow + std::chrono::days(2)), SizeIs(100));
  EXPECT_THAT(All(13, kNow), IsEmpty());
  for (const std::string wrong : {"x", "12", "12.", "12.abc", ".", "99999999999999999999.00"}) {
    const auto refused = register_->Page(wrong, 10, {});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().word, "CURSOR_INVALID");
  }
}

TEST_F(LscRegisterTest, RemovesOneByItsIdAndAllThatHaveEnded) {
  LscEntry first = Entry("SEP1", kNow - 24h), second = Entry("SEP2", kNow + 24h);
  first.row.fingerprint = "abcdef01" + std::string(56, '0');
  second.row.fingerprint = "abcdef01" + std::string(56, 'f');
  ASSERT_TRUE(register_->Register(std::vector{first, second, Entry("SEP3", kNow)}));
  for (const auto& [id, word] : {std::pair{std::string("abcdef01"), "LSC_AMBIGUOUS"},
                                 std::pair{std::string("abc"), "LSC_ID_INVALID"},
                                 std::pair{std::string("ABCDEF01"), "LSC_ID_INVALID"},
                                 std::pair{std::string(65, 'a'), "LSC_ID_INVALID"},
                                 std::pair{std::string("' OR 1=1"), "LSC_ID_INVALID"},
                                 std::pair{std::string("00000000"), "LSC_UNKNOWN"}}) {
    const auto refused = register_->Remove(id);
    ASSERT_FALSE(refused) << id;
    EXPECT_EQ(refused.error().word, word) << id;
    EXPECT_FALSE(refused.error().remedy.empty()) << id;
  }
  EXPECT_EQ(register_->Remove("abcdef01f").value().common_name, "SEP2");
  EXPECT_EQ(register_->Remove("abcdef01f").error().word, "LSC_UNKNOWN");
  EXPECT_EQ(register_->RemoveExpired(kNow).value(), 1u) << "it ends now: that is not over";
  EXPECT_EQ(register_->RemoveExpired(kNow).value(), 0u);
  EXPECT_THAT(All(10), SizeIs(1));
  // It may come again.
  EXPECT_EQ(Register(second), LscOutcome::kRegistered);
}

// Certificates of a foreign tool: what is counted is what they say.
TEST_F(LscRegisterTest, ThousandsOfCertificatesAreCountedBeforeAndAfterARestart) {
  const std::string file = scratch_.File("lscs.pem");
  testing::MustRun({"/usr/bin/python3", "-B", "-W", "ignore", MANY_CERTS, "lscs", file, "1500:1800",
                    "400:10", "60:0.5", "30:-5", "10:-60"});
  const auto certificates = x509::ReadCertificates(testing::ReadWhole(file), 20'000).value();
  ASSERT_THAT(certificates, SizeIs(2000));
  const WallTime now = MakeSystemClock()->Now();
  std::vector<LscEntry> entries;
  for (const x509::Certificate& certificate : certificates)
    entries.push_back(LscEntryOf(certificate, now));
  EXPECT_THAT(register_->Register(entries).value(), Each(LscOutcome::kRegistered));
  EXPECT_THAT(register_->Register(entries).value(), Each(LscOutcome::kKnown));
  for (int i = 0; i < 2; ++i) {
    const LscCount count = Count(now);
    EXPECT_EQ(count.total, 2000u);
    EXPECT_EQ(count.expired, 40u);
    EXPECT_EQ(count.lately, 30u);
    EXPECT_EQ(count.within_a_day, 60u);
    EXPECT_EQ(count.soon, 460u);
    EXPECT_THAT(count.nearest, SizeIs(50));
    Open();
  }
  const LscRow row = All(1000).front();
  EXPECT_THAT(row.common_name, HasSubstr("SEP"));
  EXPECT_THAT(row.issuer, HasSubstr("CN=CAPF-"));
  EXPECT_EQ(row.registered, now);
}

TEST_F(LscRegisterTest, LooksGoOnWhileABundleIsWritten) {
  std::vector<LscEntry> entries;
  for (int i = 0; i < 5000; ++i) entries.push_back(Entry("SEP" + std::to_string(i), kNow + 24h));
  std::atomic<bool> done{false};
  std::set<std::size_t> seen;
  std::thread looker([&] {
    while (!done) seen.insert(Count().total);
  });
  EXPECT_TRUE(register_->Register(entries));
  done = true;
  looker.join();
  seen.insert(Count().total);
  seen.erase(0);
  EXPECT_THAT(seen, ElementsAre(5000u)) << "all of a bundle or nothing";
}

// A file that is none of ours, or was, is told of and left as it is.
TEST_F(LscRegisterTest, ADamagedFileIsRefusedAndKept) {
  ASSERT_TRUE(register_->Register(std::vector{Entry("SEP1", kNow)}));
  register_.reset();
  std::string damaged = testing::ReadWhole(file_);
  ASSERT_GT(damaged.size(), 8192u);
  damaged.replace(0, 4096, 4096, 'x');
  for (const std::string& content : {damaged, std::string("not a database"), std::string()}) {
    testing::WriteWhole(file_, content);
    std::filesystem::permissions(file_, std::filesystem::perms(0600));
    const auto opened = LscRegister::Open(file_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().word, "STATE_DAMAGED");
    EXPECT_FALSE(opened.error().remedy.empty());
    EXPECT_EQ(testing::ReadWhole(file_), content);
  }
  std::filesystem::remove(file_);
  {
    SQLite::Database(file_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE t(a)");
  }
  std::filesystem::permissions(file_, std::filesystem::perms(0600));
  EXPECT_EQ(LscRegister::Open(file_).error().word, "STATE_DAMAGED");
  std::filesystem::remove(file_);
  Open();
  register_.reset();
  { SQLite::Database(file_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version=99"); }
  EXPECT_EQ(LscRegister::Open(file_).error().word, "STATE_TOO_NEW");
}

}  // namespace
}  // namespace signet::keystore
