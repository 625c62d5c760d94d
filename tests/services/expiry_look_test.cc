// SPEC M1, M4: what the certificate monitor makes of places beside identities and trust stores.
#include "services/monitor/expiry_look.h"

#include <gmock/gmock.h>

#include "services/monitor/digest.h"
#include "services/monitor/notices.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using enum ExpiryLevel;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const WallTime kNow = ParseTime("2026-12-01T00:00:00Z").value();

class ExpiryLookTest : public ::testing::Test {
 protected:
  ExpiryLook Look(OtherPlaces others) const {
    return LookAtExpiry(
        {catalogue_, names_, snapshot_, std::chrono::days(30), kNow, std::move(others)});
  }
  static ExpiryPlace Place(const std::string& place, WallTime end) {
    return {place, "CN=x",           "1a",    place + " print", end - 365 * 24h,
            end,   "they will wait", "'mend'"};
  }
  // `due` end within 20 days, `today` within a day, `lately` have ended, `long_ago` too.
  static keystore::LscCount Lscs(std::size_t total, std::size_t due, std::size_t today = 0,
                                 std::size_t lately = 0, std::size_t long_ago = 0) {
    keystore::LscCount count;
    count.total = total;
    count.lately = lately;
    count.expired = lately + long_ago;
    count.within_a_day = today;
    count.soon = due + today;
    WallTime first = kNow + 400 * 24h;
    if (due > 0) first = kNow + 20 * 24h;
    if (today > 0) first = kNow + 10h;
    if (lately > 0) first = kNow - 24h;
    if (total > long_ago) count.earliest = first;
    for (std::size_t i = 0; i < std::min<std::size_t>(due + today + lately, 50); ++i) {
      keystore::LscRow row;
      row.common_name = "SEP" + std::to_string(i);
      row.subject = "CN=" + row.common_name;
      row.fingerprint = "f" + std::to_string(i);
      row.not_before = kNow - 300 * 24h;
      row.not_after = first + std::chrono::seconds(i);
      count.nearest.push_back(row);
    }
    return count;
  }
  static OtherPlaces With(keystore::LscCount count) {
    OtherPlaces others;
    others.lscs = std::move(count);
    return others;
  }

  keystore::Catalogue catalogue_ = keystore::LoadCatalogue("cucm").value();
  keystore::NodeNames names_{"berlin", "imp1.example.com", "example.com", {}, {}, true};
  keystore::Snapshot snapshot_;
};

TEST_F(ExpiryLookTest, OtherPlacesCountAsIdentitiesDo) {
  OtherPlaces others;
  others.seen = {Place("served at 127.0.0.1:443", kNow + 10 * 24h),
                 Place("client certificate of boss", kNow - 24h),
                 Place("client certificate of helper", kNow + 100 * 24h),
                 Place("client certificate of looker", kNow + 300 * 24h)};
  const ExpiryLook look = Look(others);
  EXPECT_EQ(look.checked, 4u);
  EXPECT_EQ(look.expired, 1u);
  EXPECT_EQ(look.soon, 1u);
  EXPECT_EQ(look.earliest, kNow - 24h);
  ASSERT_THAT(look.items, SizeIs(3));
  EXPECT_EQ(look.items[0].place, "client certificate of boss");
  EXPECT_EQ(look.items[0].level, kAlarm);
  EXPECT_EQ(look.items[1].level, kWarning);
  EXPECT_EQ(look.items[2].level, kHint) << "two thirds of its life are over";
  EXPECT_THAT(look.findings.at(1).text,
              AllOf(HasSubstr("served at 127.0.0.1:443"), HasSubstr("'mend'")));
}

TEST_F(ExpiryLookTest, WhatCannotBeSeenIsUnknownNeitherFineNorExpired) {
  OtherPlaces others;
  for (int i = 0; i < 8; ++i) others.unseen.push_back("place " + std::to_string(i));
  const ExpiryLook look = Look(others);
  EXPECT_EQ(look.unknown, 8u);
  EXPECT_EQ(look.checked, 0u);
  EXPECT_EQ(look.expired, 0u);
  EXPECT_FALSE(look.earliest);
  ASSERT_THAT(look.findings, SizeIs(1));
  EXPECT_EQ(look.findings[0].id, "CERTIFICATE_UNKNOWN");
  EXPECT_THAT(look.findings[0].text,
              AllOf(HasSubstr("8 place(s)"), HasSubstr("place 4"), HasSubstr("3 more")));
}

// SPEC M4: however many are due, what is said of them is bounded.
TEST_F(ExpiryLookTest, AHundredThousandLscsAreOneFindingAndFiftyItems) {
  const ExpiryLook look = Look(With(Lscs(100'000, 99'990, 4, 6)));
  EXPECT_EQ(look.checked, 100'000u);
  EXPECT_EQ(look.expired, 6u);
  EXPECT_EQ(look.soon, 99'994u);
  EXPECT_EQ(look.earliest, kNow - 24h);
  EXPECT_THAT(look.items, SizeIs(51));
  EXPECT_EQ(look.items[0].stands_for, 100'000u);
  EXPECT_EQ(look.items[0].level, kAlarm);
  EXPECT_THAT(look.items[0].when,
              AllOf(HasSubstr("6 have expired"), HasSubstr("4 expire within a day"),
                    HasSubstr("99990 expire within 30 days")));
  EXPECT_THAT(look.items[0].remedy, HasSubstr("--ends-before 2026-12-31T00:00:00Z"));
  ASSERT_THAT(look.findings, SizeIs(1));
  EXPECT_EQ(look.findings[0].id, "LSCS_EXPIRE");
  EXPECT_EQ(look.findings[0].severity, Severity::kError);
  const MailText mail = DigestOf(look, names_, kNow);
  EXPECT_EQ(mail.subject, "100000 LSCs due on imp1.example.com");
  EXPECT_LT(std::count(mail.text.begin(), mail.text.end(), '\n'), 51 * 7 + 10);
  EXPECT_THAT(mail.text, AllOf(HasSubstr("99990 expire within 30 days"), HasSubstr("LSC of SEP0")));
}

TEST_F(ExpiryLookTest, LscsThatAreFineOrEndedLongAgoAlarmNobody) {
  const ExpiryLook fine = Look(With(Lscs(5000, 0)));
  EXPECT_EQ(fine.checked, 5000u);
  EXPECT_EQ(fine.earliest, kNow + 400 * 24h);
  EXPECT_THAT(fine.items, IsEmpty());
  EXPECT_THAT(fine.findings, IsEmpty());
  const ExpiryLook old = Look(With(Lscs(10, 0, 0, 0, 10)));
  EXPECT_EQ(old.expired, 10u);
  EXPECT_FALSE(old.earliest) << "it would run by the hour for ever";
  EXPECT_THAT(old.items, IsEmpty());
  ASSERT_THAT(old.findings, SizeIs(1));
  EXPECT_EQ(old.findings[0].id, "LSCS_LONG_EXPIRED");
  EXPECT_THAT(old.findings[0].text, HasSubstr("signet lsc remove-expired"));
}

TEST_F(ExpiryLookTest, LscsPushNothingElseOut) {
  OtherPlaces others = With(Lscs(1000, 900));
  for (int i = 0; i < 1200; ++i)
    others.seen.push_back(Place("served at " + std::to_string(i), kNow + 24h * 2));
  const ExpiryLook look = Look(others);
  EXPECT_THAT(look.items, SizeIs(1000));
  EXPECT_EQ(look.items[0].stands_for, 900u);
  EXPECT_EQ(look.findings[0].id, "LSCS_EXPIRE");
  EXPECT_EQ(look.findings.back().id, "MORE_EXPIRE");
  EXPECT_THAT(look.findings.back().text, HasSubstr("1101 more"));
}

TEST_F(ExpiryLookTest, LscsAreToldAsOneAtTheFrequencyAndOnceWhenTheFirstBecomesAnAlarm) {
  const auto decide = [](const std::vector<ToldNotice>& before, const ExpiryLook& look,
                         WallTime now) { return DecideNotices(before, look.items, 168h, now); };
  NoticeDecision told = decide({}, Look(With(Lscs(1000, 10))), kNow);
  EXPECT_EQ(told.due, 1u);
  EXPECT_THAT(told.after, SizeIs(1));
  // Their number grows day by day.
  for (int day = 1; day < 7; ++day) {
    const auto next = decide(told.after, Look(With(Lscs(1000, 10 + 20 * day))), kNow + 24h * day);
    EXPECT_EQ(next.due, 0u) << day;
    told.after = next.after;
  }
  const NoticeDecision worse = decide(told.after, Look(With(Lscs(1000, 10, 1))), kNow + 24h * 6);
  EXPECT_EQ(worse.due, 1u);
  EXPECT_EQ(decide(worse.after, Look(With(Lscs(1000, 10, 3, 2))), kNow + 24h * 7).due, 0u)
      << "an alarm of endpoints is not told each day";
  EXPECT_EQ(decide(worse.after, Look(With(Lscs(1000, 10, 1))), kNow + 24h * 13).due, 1u);
  EXPECT_THAT(decide(worse.after, Look(With(Lscs(1000, 0))), kNow + 24h * 13).after, IsEmpty());
}

// What figures count: each place once, LSCs beyond those that are named among them.
TEST_F(ExpiryLookTest, PlacesAreCountedByTheirLevel) {
  OtherPlaces others = With(Lscs(1000, 200, 3, 2, 7));
  others.seen = {Place("a", kNow - 1h), Place("b", kNow + 23h), Place("c", kNow + 10 * 24h),
                 Place("d", kNow + 100 * 24h), Place("e", kNow + 360 * 24h)};
  const ExpiryLook look = Look(others);
  EXPECT_EQ(look.levels[static_cast<std::size_t>(kAlarm)], 2u + 3 + 2);
  EXPECT_EQ(look.levels[static_cast<std::size_t>(kWarning)], 1u + 200);
  EXPECT_EQ(look.levels[static_cast<std::size_t>(kHint)], 1u);
  ASSERT_TRUE(look.lscs);
  EXPECT_EQ(look.lscs->total, 1000u);
  EXPECT_THAT(look.lscs->nearest, IsEmpty());
}

}  // namespace
}  // namespace signet::services
