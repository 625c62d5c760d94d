// SPEC M1, M3, B10: whom the certificate monitor tells of what when, over a simulated year with
// restarts, outages of the mail server and clock steps; certificates of openssl.
#include "services/monitor/certificate_monitor.h"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

#include "keystore/committer.h"
#include "keystore/lsc_register.h"
#include "keystore/node_log.h"
#include "services/monitor/digest.h"
#include "tests/services/monitor_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

ExpiryItem Item(const std::string& fingerprint, ExpiryLevel level) {
  ExpiryItem item;
  item.fingerprint = fingerprint;
  item.level = level;
  return item;
}

TEST(Notices, ACertificateIsToldOnceInItsPeriodAndAgainWhenItGetsWorse) {
  using enum ExpiryLevel;
  const WallTime start = ParseTime("2026-12-01T00:00:00Z").value();
  NoticeDecision told = DecideNotices({}, {Item("a", kWarning)}, 168h, start);
  EXPECT_EQ(told.due, 1u);
  EXPECT_EQ(DecideNotices(told.after, {Item("a", kWarning)}, 168h, start + 167h).due, 0u);
  EXPECT_EQ(DecideNotices(told.after, {Item("a", kWarning)}, 168h, start + 168h).due, 1u);
  EXPECT_EQ(DecideNotices(told.after, {Item("a", kAlarm)}, 168h, start + 1h).due, 1u);
  EXPECT_EQ(
      DecideNotices(told.after, {Item("a", kWarning), Item("b", kWarning)}, 168h, start + 1h).due,
      1u);
  // An alarm is told every day, however seldom warnings are; or as often as they are.
  told = DecideNotices({}, {Item("a", kAlarm)}, 168h, start);
  EXPECT_EQ(DecideNotices(told.after, {Item("a", kAlarm)}, 168h, start + 23h).due, 0u);
  EXPECT_EQ(DecideNotices(told.after, {Item("a", kAlarm)}, 168h, start + 24h).due, 1u);
  EXPECT_EQ(DecideNotices(told.after, {Item("a", kAlarm)}, 2h, start + 2h).due, 1u);
  // Hints are told to nobody; what is there no more is forgotten, and told anew when it is back.
  EXPECT_EQ(DecideNotices({}, {Item("a", kHint)}, 168h, start).due, 0u);
  EXPECT_THAT(DecideNotices(told.after, {}, 168h, start).after, IsEmpty());
}

TEST(Notices, AClockThatStoodAheadSilencesNothingForLong) {
  const WallTime now = ParseTime("2026-12-01T00:00:00Z").value();
  const std::vector<ExpiryItem> items = {Item("a", ExpiryLevel::kWarning)};
  NoticeDecision told = DecideNotices({}, items, 168h, now + 10 * 365 * 24h);
  told = DecideNotices(told.after, items, 168h, now);
  EXPECT_EQ(told.due, 0u);
  EXPECT_EQ(DecideNotices(told.after, items, 168h, now + 168h).due, 1u);
}

// ABUSE 118: a certificate's own words are words.
TEST(Digest, WhatACertificateSaysOfItselfIsText) {
  ExpiryLook look;
  look.items = {Item("a", ExpiryLevel::kAlarm)};
  look.items[0].subject = "CN=<img src=x onerror=alert(1)>{{title}}{{{node}}}&amp;";
  look.items[0].place = "tomcat\r\nBcc: all@example.com";
  const keystore::NodeNames names{"berlin", "imp1.example.com", "example.com", {}, {}, true};
  const MailText mail = DigestOf(look, names, ParseTime("2026-12-01T00:00:00Z").value());
  EXPECT_THAT(mail.html, AllOf(Not(HasSubstr("<img")), HasSubstr("&lt;img"),
                               HasSubstr("{{title}}{{{node}}}&amp;amp;")));
  EXPECT_THAT(mail.text, AllOf(HasSubstr("<img src=x"), Not(HasSubstr("\nBcc:"))));
  EXPECT_EQ(mail.subject, "1 certificate alarm on imp1.example.com");
}

TEST(BackOffTest, GoesFromAMinuteToAnHour) {
  EXPECT_EQ(BackOff(1, 0.5), 60s);
  EXPECT_EQ(BackOff(2, 0.5), 120s);
  EXPECT_EQ(BackOff(100, 0.5), 3600s);
  EXPECT_EQ(BackOff(1, 0), 54s);
  EXPECT_EQ(BackOff(1, 1), 66s);
}

class CertificateMonitorTest : public MonitorWorld {
 protected:
  CertificateMonitorTest() { OpenLog(true); }
  ~CertificateMonitorTest() override { End(); }

  void End() {
    if (monitor_) monitor_->Stop();
    if (mails_) mails_->Stop();
    store_lane_.reset();
    mail_lane_.reset();
    monitor_.reset();
    mails_.reset();
    events_.reset();
  }
  // A new process.
  void Boot(bool with_server = true) {
    End();
    store_lane_ = std::make_unique<Lane>("store", 1, 256);
    mail_lane_ = std::make_unique<Lane>("mail", 1, 256);
    OpenLog(false);
    committer_ = std::make_unique<keystore::Committer>(*world_.state, clock_);
    shared_ = std::make_unique<keystore::Trust>(world_.catalogue, names_, *world_.state,
                                                *committer_, clock_);
    mails_ = std::make_unique<MailQueue>(
        MailQueue::Parts{*log_, clock_, *mail_lane_, *events_, "signet@imp1.example.com",
                         [this](const Mail& mail) { return Take(mail); },
                         [this] { return certificates_->Recipients(); }});
    certificates_ = std::make_unique<CertificateMonitor>(CertificateMonitor::Parts{
        world_.catalogue, names_, clock_, *shared_, with_server ? mails_.get() : nullptr,
        with_server ? "mail.example.com:587" : "", std::chrono::days(30), *store_lane_, *mail_lane_,
        *mail_lane_, [this](WallTime now) { return Others(now); }});
    monitor_ = std::make_unique<ExpiryMonitor>(
        ExpiryMonitor::Parts{world_.catalogue, names_, *log_, *world_.state, *events_, clock_,
                             *store_lane_, [this] { return certificates_->start(); },
                             [this](const ExpiryLook& look, WallTime now) {
                               Ran(look, now);
                               return certificates_->AfterRun(look, now);
                             },
                             [this](WallTime now) { return Others(now); }});
    certificates_->Watch(*monitor_);
    monitor_->Start();
    mails_->Start();
    Settle();
  }
  void Set(const std::string& name, const std::string& value) {
    keystore::SettingRecord record;
    record.value = value;
    world_.store.Put(world_.store.layout.Setting(name), json::serialize(ToJson(record)));
  }
  void MailTo(const std::string& addresses) {
    Set("monitor-email", "true");
    Set("monitor-addresses", addresses);
  }
  // The server.
  Result<std::vector<MailOutcome>> Take(const Mail& mail) {
    if (down_) return MakeError(Kind::kUnreachable, "UNREACHABLE", "nobody answers", "Wait.");
    taken_.push_back(mail);
    std::vector<MailOutcome> outcomes;
    for (const std::string& address : mail.to) {
      outcomes.push_back({address, !refused_.contains(address), later_.contains(address),
                          refused_.contains(address) ? "550 no such user" : "250 ok"});
    }
    return outcomes;
  }
  virtual void Ran(const ExpiryLook&, WallTime) {}
  virtual OtherPlaces Others(WallTime) { return {}; }

  std::unique_ptr<keystore::Committer> committer_;
  std::unique_ptr<keystore::Trust> shared_;
  std::unique_ptr<MailQueue> mails_;
  std::unique_ptr<CertificateMonitor> certificates_;
  std::unique_ptr<ExpiryMonitor> monitor_;
  std::atomic<bool> down_ = false;
  std::set<std::string> refused_, later_;
  std::vector<Mail> taken_;  // of the mail lane
};

// SPEC M3: a digest says what, when, where, whom it hits and what mends it.
TEST_F(CertificateMonitorTest, WhatExpiresIsMailedAtTheNextRun) {
  MailTo("admin@example.com;noc@example.com");
  world_.Install("tomcat", {Leaf(10), world_.ca.Pem("int2")}, "aa");
  Boot();
  EXPECT_THAT(taken_, IsEmpty());
  Advance(24h);
  ASSERT_THAT(taken_, SizeIs(1));
  EXPECT_THAT(taken_[0].to, ElementsAre("admin@example.com", "noc@example.com"));
  EXPECT_EQ(taken_[0].from, "signet@imp1.example.com");
  EXPECT_EQ(taken_[0].subject, "1 certificate warning on imp1.example.com");
  EXPECT_THAT(taken_[0].text, AllOf(HasSubstr("tomcat expires in "), HasSubstr("imp1.example.com"),
                                    HasSubstr("serial"), HasSubstr("Cisco Tomcat"),
                                    HasSubstr("'signet certificate upload tomcat FILE'")));
  EXPECT_THAT(taken_[0].html, HasSubstr("<td>"));
  Advance(6 * 24h);
  EXPECT_THAT(taken_, SizeIs(1)) << "it is told once a week";
  Advance(24h);
  EXPECT_THAT(taken_, SizeIs(2));
}

TEST_F(CertificateMonitorTest, AMailThatCannotGoIsKeptOverARestartAndTriedAgain) {
  MailTo("admin@example.com");
  world_.Install("tomcat", {Leaf(10)}, "aa");
  down_ = true;
  Boot();
  Advance(25h);
  EXPECT_THAT(taken_, IsEmpty());
  ASSERT_THAT(certificates_->Warnings(), SizeIs(1));
  EXPECT_EQ(certificates_->Warnings()[0].id, "MAIL_WAITS");
  EXPECT_THAT(certificates_->Warnings()[0].text, HasSubstr("nobody answers"));
  Boot();
  EXPECT_EQ(certificates_->Show().value().mails_waiting, 1);
  down_ = false;
  Advance(1h + 6min);
  EXPECT_THAT(taken_, SizeIs(1));
  EXPECT_THAT(certificates_->Warnings(), IsEmpty());
  EXPECT_EQ(certificates_->Show().value().mails_sent, 1);
}

TEST_F(CertificateMonitorTest, ARecipientThatIsRefusedKeepsNobodyElseWaiting) {
  MailTo("admin@example.com;gone@example.com;slow@example.com");
  refused_ = {"gone@example.com", "slow@example.com"};
  later_ = {"slow@example.com"};
  world_.Install("tomcat", {Leaf(10)}, "aa");
  Boot();
  Advance(24h);
  ASSERT_GE(taken_.size(), 1u);
  EXPECT_EQ(certificates_->Show().value().mails_sent, 1);
  std::vector<std::string> ids;
  for (const Finding& finding : certificates_->Warnings()) ids.push_back(finding.id);
  EXPECT_THAT(ids, ElementsAre("MAIL_WAITS", "MAIL_REFUSED"));
  refused_.clear();
  later_.clear();
  Advance(10min);
  EXPECT_THAT(taken_.back().to, ElementsAre("slow@example.com"));
  EXPECT_EQ(certificates_->Show().value().mails_waiting, 0);
  // He who was refused is still named, until he is no address any more.
  ASSERT_THAT(certificates_->Warnings(), SizeIs(1));
  EXPECT_THAT(certificates_->Warnings()[0].text, HasSubstr("gone@example.com"));
  MailTo("admin@example.com;slow@example.com");
  EXPECT_THAT(certificates_->Warnings(), IsEmpty());
}

TEST_F(CertificateMonitorTest, AMailThatAllRefuseWaitsAndOneForNobodyIsDropped) {
  MailTo("admin@example.com");
  refused_ = {"admin@example.com"};
  world_.Install("tomcat", {Leaf(25)}, "aa");
  Boot();
  Advance(24h);
  EXPECT_EQ(certificates_->Show().value().mails_waiting, 1);
  EXPECT_EQ(certificates_->Show().value().mails_sent, 0);
  refused_.clear();
  Advance(10min);
  EXPECT_EQ(certificates_->Show().value().mails_sent, 1);
  down_ = true;
  Advance(8 * 24h);
  EXPECT_EQ(certificates_->Show().value().mails_waiting, 1);
  MailTo("noc@example.com");
  down_ = false;
  const std::size_t before = taken_.size();
  Advance(2h);
  EXPECT_EQ(certificates_->Show().value().mails_waiting, 0);
  EXPECT_EQ(taken_.size(), before) << "it was meant for somebody else";
}

// The appliance's own certificates are not lost among old roots.
TEST_F(CertificateMonitorTest, OwnCertificatesStandBeforeTrustStores) {
  MailTo("admin@example.com");
  world_.Trust("cup-trust", Leaf(5), "pinned");
  world_.Install("tomcat", {Leaf(10)}, "aa");
  Boot();
  const auto shown = certificates_->Show().value().certificates;
  ASSERT_THAT(shown, SizeIs(2));
  EXPECT_EQ(shown[0].place, "tomcat");
  EXPECT_EQ(shown[1].place, "cup-trust");
}

// With LSCs of which some end on each day.
class MailsOfLscs : public CertificateMonitorTest {
 protected:
  MailsOfLscs() {
    register_ = keystore::LscRegister::Open(world_.Path("lsc.db")).value();
    for (int i = 0; i < 2000; ++i) {
      keystore::LscEntry entry;
      entry.row.common_name = "SEP" + std::to_string(i);
      entry.row.subject = "CN=" + entry.row.common_name;
      entry.row.fingerprint = entry.holder = Sha256Hex(entry.row.subject);
      entry.row.not_before = start_ - std::chrono::days(100);
      entry.row.not_after = start_ + std::chrono::days(20) + std::chrono::hours(i);
      entries_.push_back(entry);
    }
    EXPECT_TRUE(register_->Register(entries_));
  }
  OtherPlaces Others(WallTime now) override {
    OtherPlaces others;
    others.lscs = register_->Count(now, std::chrono::days(30), 50).value();
    return others;
  }
  std::unique_ptr<keystore::LscRegister> register_;
  std::vector<keystore::LscEntry> entries_;
};

// SPEC M4, M3: endpoints whose certificates end day after day make a mail a week, not a mail a day.
TEST_F(MailsOfLscs, CountThemAndComeAtTheFrequency) {
  MailTo("admin@example.com");
  world_.Install("tomcat", {Leaf(3000)}, "aa");
  Boot();
  Advance(24h);
  ASSERT_THAT(taken_, SizeIs(1));
  EXPECT_THAT(taken_[0].subject, HasSubstr("LSCs due on imp1.example.com"));
  EXPECT_THAT(taken_[0].text,
              AllOf(HasSubstr("expire within 30 days"), HasSubstr("of 2000 endpoints"),
                    HasSubstr("LSC of SEP0"), HasSubstr("'signet lsc register FILE'")));
  EXPECT_LT(taken_[0].text.size(), 51u * 500);
  EXPECT_EQ(certificates_->Show().value().checked, 2001);
  EXPECT_GT(certificates_->Show().value().soon, 200);
  Advance(6 * 24h);
  EXPECT_THAT(taken_, SizeIs(1));
  Advance(24h);
  EXPECT_THAT(taken_, SizeIs(2));
  Advance(12 * 24h);  // the first one is a day from its end
  ASSERT_GE(taken_.size(), 3u);
  EXPECT_THAT(taken_.back().text, HasSubstr("alarm: LSC "));
  const std::size_t before = taken_.size();
  Advance(28 * 24h);
  EXPECT_LE(taken_.size(), before + 4) << "an alarm of endpoints is told once a week";
  EXPECT_GE(taken_.size(), before + 3);
  EXPECT_LE(mails_->Look().told.size(), 1u);
  // SPEC M2: an end within a day, or not long ago, makes runs by the hour.
  EXPECT_LE(*monitor_->Look().next_run - clock_.Now(), 1h);
}

TEST_F(CertificateMonitorTest, SilenceIsBrokenOnceAMonth) {
  MailTo("admin@example.com");
  world_.Install("tomcat", {Leaf(3000)}, "aa");
  Boot();
  Advance(24h);
  ASSERT_THAT(taken_, SizeIs(1));
  EXPECT_THAT(taken_[0].subject, HasSubstr("are watched"));
  Advance(29 * 24h);
  EXPECT_THAT(taken_, SizeIs(1));
  Advance(24h);
  EXPECT_THAT(taken_, SizeIs(2));
}

TEST_F(CertificateMonitorTest, WithoutServerOrAddressesItSaysSo) {
  Set("monitor-email", "true");
  world_.Install("tomcat", {Leaf(10)}, "aa");
  Boot(false);
  ASSERT_THAT(certificates_->Warnings(), SizeIs(1));
  EXPECT_EQ(certificates_->Warnings()[0].id, "MAIL_NOT_CONFIGURED");
  Boot();
  Advance(25h);
  EXPECT_THAT(taken_, IsEmpty());
  // Told once there is somebody to be told.
  MailTo("admin@example.com");
  Advance(24h);
  EXPECT_THAT(taken_, SizeIs(1));
}

// SPEC B10.
TEST_F(CertificateMonitorTest, APreviewSaysWhatWouldBeExpiredDueMailedAndUncovered) {
  MailTo("admin@example.com");
  for (const keystore::Purpose& purpose : world_.catalogue.purposes)
    world_.Install(purpose.name, {Leaf(purpose.name == "tomcat" ? 50 : 500)}, "aa");
  Boot();
  const auto now = certificates_->Preview({start_}).value();
  EXPECT_EQ(now.due, 0);
  EXPECT_THAT(now.certificates, IsEmpty());
  const auto soon = certificates_->Preview({start_ + 30 * 24h}).value();
  EXPECT_EQ(soon.due, 1);
  EXPECT_THAT(soon.mailed_to, ElementsAre("admin@example.com"));
  EXPECT_THAT(soon.uncovered, IsEmpty());
  const auto later = certificates_->Preview({start_ + 60 * 24h}).value();
  EXPECT_EQ(later.expired, 1);
  EXPECT_THAT(later.uncovered, ElementsAre("tomcat"));
  EXPECT_EQ(later.certificates.at(0).level, "alarm");
  EXPECT_THAT(taken_, IsEmpty());
  const auto end = certificates_->Preview({ParseTime("9999-12-31T00:00:00Z").value()}).value();
  EXPECT_EQ(end.uncovered.size(),
            static_cast<std::size_t>(std::count_if(world_.catalogue.purposes.begin(),
                                                   world_.catalogue.purposes.end(),
                                                   [](const auto& row) { return !row.internal; })));
}

// The rule as a sentence, asked at each run: somebody is told when a certificate that ends within
// 30 days was not told of in a week, one that ends within a day not in a day, or it got worse.
class AYearOfMails : public CertificateMonitorTest {
 protected:
  struct Last {
    ExpiryLevel level;
    WallTime at;
  };
  void Ran(const ExpiryLook& look, WallTime now) override {
    ++runs_;
    std::map<std::string, ExpiryLevel> worst;
    for (const ExpiryItem& item : look.items) {
      const auto left = item.end - now;
      if (left >= 30 * 24h) continue;
      auto& level = worst.try_emplace(item.fingerprint, ExpiryLevel::kWarning).first->second;
      if (left < 24h) level = ExpiryLevel::kAlarm;
    }
    bool due = false;
    for (auto& [certificate, level] : worst) {
      const auto last = told_.find(certificate);
      if (last != told_.end() && last->second.at > now) last->second.at = now;
      due = due || last == told_.end() || last->second.level < level ||
            now - last->second.at >= (level == ExpiryLevel::kAlarm ? 24h : 168h);
    }
    std::erase_if(told_, [&](const auto& one) { return !worst.contains(one.first); });
    const bool silent = !last_mail_ || *last_mail_ > now || now - *last_mail_ >= 30 * 24h;
    if (!due && !silent) return;
    ++expected_;
    last_mail_ = now;
    if (!due) return;
    for (const auto& [certificate, level] : worst) told_[certificate] = {level, now};
  }
  std::size_t runs_ = 0, expected_ = 0;
  std::map<std::string, Last> told_;
  std::optional<WallTime> last_mail_;
};

TEST_F(AYearOfMails, HasTheMailsOfTheRule) {
  MailTo("admin@example.com");
  std::mt19937 random(11);
  for (const auto& [purpose, days] :
       {std::pair{"tomcat", 45}, std::pair{"tomcat-ECDSA", 140}, std::pair{"cup", 250}})
    world_.Install(purpose, {Leaf(days)}, "aa");
  Boot();
  std::size_t outages = 0;
  for (int day = 0; day < 365; ++day) {
    if (random() % 15 == 0) Boot();
    if (random() % 20 == 0) {
      down_ = true;
      ++outages;
    }
    if (day == 100) clock_.Step(1h);
    if (day == 150) clock_.Step(-1h);
    if (day == 60) world_.Install("tomcat", {Leaf(800)}, "aa");
    Advance(std::chrono::hours(12 + random() % 24));
    down_ = false;
    Advance(1h + 6min);  // the longest back-off
    // Whatever was kept has gone by now, once.
    std::set<std::string> ids;
    for (const Mail& mail : taken_)
      EXPECT_TRUE(ids.insert(mail.message_id).second) << day << mail.subject;
    EXPECT_EQ(mails_->Look().waiting.size(), 0u) << day;
  }
  EXPECT_GT(runs_, 200u);
  EXPECT_GT(outages, 5u);
  // A mail that waited through an outage gave way to its successor.
  EXPECT_LE(taken_.size(), expected_);
  EXPECT_GE(taken_.size() + outages, expected_);
  EXPECT_GT(taken_.size(), 20u);
}

}  // namespace
}  // namespace signet::services
