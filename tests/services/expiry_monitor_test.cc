// SPEC M2: the expiry monitor as a service, over a simulated year, with certificates of openssl.
#include "services/monitor/expiry_monitor.h"

#include <gmock/gmock.h>

#include <future>
#include <random>

#include "keystore/node_log.h"
#include "services/monitor/expiry_look.h"
#include "tests/services/monitor_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ExpiryMonitorTest : public MonitorWorld {
 protected:
  ExpiryMonitorTest() { OpenLog(true); }
  ~ExpiryMonitorTest() override { monitor_.reset(); }

  // A new process.
  void Boot() {
    if (monitor_) monitor_->Stop();
    monitor_.reset();
    store_lane_ = std::make_unique<Lane>("store", 1, 256);
    OpenLog(false);
    monitor_ = std::make_unique<ExpiryMonitor>(
        ExpiryMonitor::Parts{world_.catalogue, names_, *log_, *world_.state, *events_, clock_,
                             *store_lane_, [] { return std::chrono::days(30); }});
    monitor_->Start();
    Settle();
  }
  void Install(const std::string& purpose, const std::string& leaf) {
    world_.Install(purpose, {leaf}, "aa");
  }
  WallTime EndOf(const std::string& purpose) {
    const auto snapshot = world_.state->Now();
    return snapshot->Certificate(snapshot->Current(purpose)->certificate)->fields().not_after;
  }
  ExpiryMonitor::Status Look() { return monitor_->Look(); }
  std::vector<std::string> WarningIds() {
    std::vector<std::string> ids;
    const Findings warnings = Look().warnings;
    for (const Finding& finding : warnings) ids.push_back(finding.id);
    return ids;
  }
  std::size_t Told(const std::string& state) {
    Settle();
    std::size_t count = 0;
    const auto events = log_->Events(0, 10'000).value();
    for (const auto& event : events)
      count += event.details.find("\"state\":\"" + state + "\"") != std::string::npos ? 1 : 0;
    return count;
  }

  std::unique_ptr<ExpiryMonitor> monitor_;
};

TEST_F(ExpiryMonitorTest, RunsADayAfterItsStartAndEachDay) {
  Install("tomcat", Leaf(365));
  Boot();
  EXPECT_TRUE(Look().running);
  EXPECT_EQ(Look().since, start_);
  EXPECT_EQ(Look().next_run, start_ + 24h);
  EXPECT_FALSE(Look().last_run);
  Advance(24h - 1s);
  EXPECT_FALSE(Look().last_run);
  Advance(1s);
  EXPECT_EQ(Look().last_run, start_ + 24h);
  Advance(72h);
  EXPECT_EQ(Look().last_run, start_ + 96h);
  EXPECT_EQ(Told("ran"), 4u);
  EXPECT_THAT(Look().warnings, IsEmpty());
}

TEST_F(ExpiryMonitorTest, ARestartOfServiceOrDaemonPutsTheNextRunOffByADay) {
  Boot();
  Advance(30h);
  monitor_->Restart();
  EXPECT_EQ(Look().next_run, start_ + 54h);
  Advance(10h);
  Boot();
  EXPECT_EQ(Look().last_run, start_ + 24h);
  EXPECT_EQ(Look().next_run, start_ + 64h);
  EXPECT_EQ(Look().since, start_ + 40h);
}

TEST_F(ExpiryMonitorTest, StoppedItRunsNothingAndTheStatusSaysSo) {
  Boot();
  Advance(25h);
  monitor_->Stop();
  EXPECT_FALSE(Look().running);
  EXPECT_FALSE(Look().next_run);
  EXPECT_THAT(WarningIds(), ::testing::ElementsAre("MONITOR_STOPPED"));
  Advance(100h);
  EXPECT_EQ(Look().last_run, start_ + 24h);
  EXPECT_EQ(Told("stopped"), 1u);
  // Enabled by default: the next start of the daemon starts it.
  Boot();
  EXPECT_TRUE(Look().running);
  EXPECT_THAT(WarningIds(), ::testing::ElementsAre("MONITOR_OVERDUE"));
}

TEST_F(ExpiryMonitorTest, AMachineThatWasDownSaysSinceWhenARunIsOwed) {
  Boot();
  Advance(25h);
  monitor_.reset();
  clock_.Advance(100h);
  Boot();
  EXPECT_EQ(Look().overdue, std::chrono::seconds(77h));
  EXPECT_THAT(Look().warnings.at(0).text, HasSubstr("owed for 77 h"));
  EXPECT_EQ(Look().next_run, start_ + 149h);
  Advance(24h);
  EXPECT_EQ(Look().last_run, start_ + 149h);
  EXPECT_THAT(Look().warnings, IsEmpty());
}

TEST_F(ExpiryMonitorTest, FindingsNameDaysNodePlaceSerialAndWhatToDo) {
  Install("tomcat", Leaf(10));
  world_.Trust("cup-trust", Leaf(20), "pinned");
  Boot();
  const Findings found = Look().warnings;
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].id, "EXPIRES_SOON");
  EXPECT_EQ(found[0].severity, Severity::kWarning);
  const auto snapshot = world_.state->Now();
  const std::string leaf = snapshot->Current("tomcat")->certificate;
  EXPECT_EQ(found[0].certificate, leaf);
  EXPECT_THAT(found[0].text,
              AllOf(HasSubstr("tomcat"), HasSubstr("imp1.example.com"), HasSubstr("expires in "),
                    HasSubstr(std::string(snapshot->certificates->Find(leaf)->serial())),
                    HasSubstr(FormatTime(EndOf("tomcat"))), HasSubstr("'signet ")));
  EXPECT_THAT(found[1].text, AllOf(HasSubstr("cup-trust"), HasSubstr("expires in 20 days"),
                                   HasSubstr("'signet trust upload cup-trust FILE'")));
  Advance(11 * 24h);
  const Findings later = Look().warnings;
  ASSERT_THAT(later, SizeIs(2));
  EXPECT_EQ(later[0].id, "EXPIRED");
  EXPECT_EQ(later[0].severity, Severity::kError);
  EXPECT_THAT(later[0].text, HasSubstr("expired "));
}

TEST_F(ExpiryMonitorTest, ACaInTheChainIsLookedAtToo) {
  const std::string csr = testing::MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                                            "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                                            world_.Path("k.pem"), "-subj", "/CN=Brief CA"});
  testing::CertificateAuthority::SignOptions options;
  options.issuer = "root";
  options.days = 5;
  options.copy_extensions = false;
  options.extensions = {"basicConstraints=critical,CA:TRUE"};
  world_.Install("tomcat", {Leaf(300), world_.ca.Sign(csr, options)}, "aa");
  Boot();
  ASSERT_THAT(Look().warnings, SizeIs(1));
  EXPECT_THAT(Look().warnings[0].text, HasSubstr("chain of tomcat"));
  EXPECT_EQ(Look().checked, 2u);
}

TEST_F(ExpiryMonitorTest, WhatWasReplacedIsNotWarnedOfAnyMore) {
  Install("tomcat", Leaf(10));
  Boot();
  EXPECT_THAT(Look().warnings, SizeIs(1));
  Install("tomcat", Leaf(300));
  Advance(10min);
  EXPECT_THAT(Look().warnings, IsEmpty());
}

TEST_F(ExpiryMonitorTest, AClockThatIsSetNeitherSilencesNorFloodsIt) {
  Install("tomcat", Leaf(365));
  Boot();
  Advance(30h);
  ASSERT_EQ(Told("ran"), 1u);
  clock_.Step(-10 * 365 * 24h);
  Advance(24h + 10min);
  EXPECT_EQ(Told("ran"), 2u);
  clock_.Step(20 * 365 * 24h);  // beyond the certificate's end
  Advance(10min);
  EXPECT_EQ(Told("ran"), 3u);
  EXPECT_EQ(Look().warnings.at(0).id, "EXPIRED");
  Advance(3h);
  EXPECT_EQ(Told("ran"), 6u);
  clock_.Step(-1h);
  Advance(1h + 10min);
  EXPECT_EQ(Told("ran"), 7u);
}

TEST_F(ExpiryMonitorTest, RunsInTheLastDaysOfCalendars) {
  for (const char* text :
       {"2038-01-18T12:00:00Z", "2049-12-31T12:00:00Z", "9999-12-29T12:00:00Z"}) {
    clock_.Step(ParseTime(text).value() - clock_.Now());
    Boot();
    const std::size_t before = Told("ran");
    Advance(48h);
    EXPECT_EQ(Told("ran"), before + 2) << text;
  }
}

TEST_F(ExpiryMonitorTest, ADamagedPlanIsBegunAnew) {
  ASSERT_TRUE(log_->Remember("expiry-monitor", "{\"started\":7"));
  Boot();
  EXPECT_EQ(Look().next_run, start_ + 24h);
  ASSERT_TRUE(log_->Remember("expiry-monitor", "{\"started\":\"then\"}"));
  Boot();
  EXPECT_EQ(Look().next_run, start_ + 24h);
}

// From glance to glance through a year: starts, certificates that end, and their successors. The
// rule is asked at each glance, as a sentence: a day since the last run or start, or an hour in the
// last day of a certificate and beyond.
TEST_F(ExpiryMonitorTest, AYearHasTheRunsOfTheRule) {
  std::mt19937 random(7);
  const char* purposes[] = {"tomcat", "tomcat-ECDSA", "cup"};
  std::vector<std::string> leaves;
  for (const int days : {40, 41, 130, 200, 310, 500, 501, 502}) leaves.push_back(Leaf(days));
  std::size_t given = 0;
  for (const char* purpose : purposes) Install(purpose, leaves[given++]);
  Boot();
  WallTime base = start_;
  std::vector<WallTime> runs, expected;
  WallTime next_boot = start_ + std::chrono::hours(random() % (30 * 24));
  while (clock_.Now() < start_ + 365 * 24h) {
    const auto next = clock_.UntilNext();
    ASSERT_TRUE(next) << "nothing is planned any more";
    ASSERT_LE(*next, Duration(10min));
    clock_.Advance(*next);
    Settle();
    const WallTime now = clock_.Now();
    WallTime earliest = WallTime::max();
    for (const char* purpose : purposes) earliest = std::min(earliest, EndOf(purpose));
    if (now - base >= 24h || (earliest - now <= 24h && now - base >= 1h)) {
      expected.push_back(now);
      base = now;
    }
    const auto last = Look().last_run;
    if (last && (runs.empty() || *last != runs.back())) runs.push_back(*last);
    ASSERT_EQ(runs, expected);
    // Somebody notices six hours after the end.
    for (const char* purpose : purposes) {
      if (now - EndOf(purpose) >= 6h) Install(purpose, leaves.at(given++));
    }
    if (now >= next_boot) {
      Boot();
      base = now;
      next_boot = now + std::chrono::hours(random() % (60 * 24));
    }
  }
  EXPECT_EQ(Told("ran"), runs.size());
  // 365 days, and five ends with 24 + 6 hours of runs by the hour; starts put some off.
  EXPECT_GT(runs.size(), 330u + 4 * 29);
  EXPECT_LT(runs.size(), 366u + 5 * 32);
}

}  // namespace
}  // namespace signet::services
