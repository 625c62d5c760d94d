#include "platform/unit_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "tests/support/fake_systemd.h"

namespace signet::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr Duration kLong = 30s;  // a machine under load

std::string Word(const Status& status) { return status ? "" : status.error().word; }
template <class T>
std::string Word(const Result<T>& result) {
  return result ? "" : result.error().word;
}

class Units : public ::testing::Test {
 protected:
  Status Restart(const std::string& unit, Duration limit = kLong) {
    return manager_.Run(UnitVerb::kRestart, unit, limit);
  }
  UnitStatus Look(const std::string& unit) {
    auto status = manager_.Look(unit, kLong);
    EXPECT_TRUE(status.has_value()) << status.error().ToString();
    return status ? std::move(status).value() : UnitStatus{};
  }
  std::string Calls() const { return fake_.Calls(); }

  FakeSystemd fake_;
  UnitManager manager_{fake_.address()};
};

TEST_F(Units, ARestartIsOneJobAndAnotherInvocation) {
  const UnitStatus before = Look("good.service");
  std::this_thread::sleep_for(1100ms);  // times have whole seconds
  const Status restarted = Restart("good.service");
  ASSERT_TRUE(restarted.has_value()) << restarted.error().ToString();
  const UnitStatus after = Look("good.service");
  EXPECT_EQ("call RestartUnit good.service replace\n", Calls());
  EXPECT_THAT(before.invocation, MatchesRegex("[0-9a-f]{32}"));
  EXPECT_THAT(after.invocation, MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(before.invocation, after.invocation);
  ASSERT_TRUE(before.started && after.started);
  EXPECT_GT(*after.started, *before.started);
  EXPECT_LE(*after.started, std::chrono::system_clock::now());
}

TEST_F(Units, AStatusTellsStateProcessAndSinceWhen) {
  const UnitStatus status = Look("good.service");
  EXPECT_EQ("loaded", status.load);
  EXPECT_EQ("active", status.active);
  EXPECT_EQ("running", status.sub);
  EXPECT_EQ("success", status.result);
  EXPECT_EQ(fake_.systemd()->pid(), status.main_pid);
  EXPECT_TRUE(status.can_reload);
  ASSERT_TRUE(status.since.has_value());
  EXPECT_LT(std::chrono::system_clock::now() - *status.since, 60s);
  EXPECT_FALSE(Look("fixed.service").can_reload);
}

TEST_F(Units, AUnitThatNeverRanHasNoTimes) {
  const UnitStatus status = Look("slow.service");
  EXPECT_EQ("inactive", status.active);
  EXPECT_FALSE(status.since.has_value());
  EXPECT_FALSE(status.started.has_value());
  EXPECT_EQ(0, status.main_pid);
  EXPECT_EQ("", status.invocation);
}

TEST_F(Units, AUnitThatIsNoServiceHasNoProcess) {
  ASSERT_TRUE(manager_.Run(UnitVerb::kStart, "plain.socket", kLong).has_value());
  const UnitStatus status = Look("plain.socket");
  EXPECT_EQ("active", status.active);
  EXPECT_EQ("", status.result);
  EXPECT_TRUE(status.started.has_value()) << "the unit's own time stands in";
}

TEST_F(Units, EachVerbIsTheCallOfItsName) {
  for (const UnitVerb verb :
       {UnitVerb::kStop, UnitVerb::kStart, UnitVerb::kReload, UnitVerb::kRestart}) {
    EXPECT_EQ("", Word(manager_.Run(verb, "good.service", kLong)));
  }
  EXPECT_EQ(
      "call StopUnit good.service replace\ncall StartUnit good.service replace\n"
      "call ReloadUnit good.service replace\ncall RestartUnit good.service replace\n",
      Calls());
}

TEST_F(Units, AStoppedUnitIsInactiveSinceThen) {
  ASSERT_TRUE(manager_.Run(UnitVerb::kStop, "good.service", kLong).has_value());
  const UnitStatus status = Look("good.service");
  EXPECT_EQ("inactive", status.active);
  EXPECT_EQ(0, status.main_pid);
  EXPECT_TRUE(status.since.has_value());
}

TEST_F(Units, AJobThatFailsIsToldWithWhatToReadNext) {
  const Status failed = Restart("failing.service");
  ASSERT_EQ("UNIT_JOB_FAILED", Word(failed));
  EXPECT_EQ(Kind::kUnavailable, failed.error().kind);
  EXPECT_THAT(failed.error().detail, HasSubstr("failing.service was not restarted: it failed"));
  EXPECT_THAT(failed.error().remedy, HasSubstr("journalctl -u failing.service"));
  const UnitStatus status = Look("failing.service");
  EXPECT_EQ("failed", status.active);
  EXPECT_EQ("exit-code", status.result);
  EXPECT_TRUE(status.since.has_value());
}

TEST_F(Units, AJobsResultWithoutAMeaningHereIsToldAsItIs) {
  const Status failed = Restart("odd.service");
  ASSERT_EQ("UNIT_JOB_FAILED", Word(failed));
  EXPECT_THAT(failed.error().detail, HasSubstr("(job collected)"));
}

TEST_F(Units, AJobThatEndsBeforeItsNameIsKnownIsNotMissed) {
  EXPECT_EQ("", Word(Restart("hasty.service", 10s)));
}

TEST_F(Units, TheEndOfOtherJobsIsNotTakenForOurs) {
  EXPECT_EQ("", Word(Restart("crowded.service")));
}

TEST_F(Units, AnEndOfTheJobThatAStrangerClaimsIsNotBelieved) {
  EXPECT_EQ("UNIT_JOB_FAILED", Word(Restart("forged.service")));
  EXPECT_THAT(fake_.systemd()->Output(), HasSubstr("forged\n"));
}

TEST_F(Units, ASlowJobIsWaitedFor) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ("", Word(Restart("slow.service")));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1400ms);
}

TEST_F(Units, AJobThatDoesNotEndIsLeftAtTheLimit) {
  const auto begin = std::chrono::steady_clock::now();
  const Status slow = Restart("endless.service", 700ms);
  ASSERT_EQ("UNIT_JOB_SLOW", Word(slow));
  EXPECT_EQ(Kind::kTimeout, slow.error().kind);
  EXPECT_THAT(slow.error().remedy, HasSubstr("systemctl list-jobs"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 700ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s);
  EXPECT_THAT(Calls(), HasSubstr("RestartUnit endless.service"));
}

TEST_F(Units, AnOrderWithoutAnAnswerMayStillBeCarriedOut) {
  EXPECT_EQ("UNIT_JOB_SLOW", Word(Restart("silent.service", 700ms)));
}

TEST_F(Units, AUnitThatCannotReloadSaysToRestartIt) {
  const Status refused = manager_.Run(UnitVerb::kReload, "fixed.service", kLong);
  ASSERT_EQ("UNIT_VERB_REFUSED", Word(refused));
  EXPECT_EQ(Kind::kRefused, refused.error().kind);
  EXPECT_THAT(refused.error().remedy, HasSubstr("Restart it"));
  EXPECT_EQ("", Word(Restart("fixed.service")));
}

TEST_F(Units, AUnitThatIsNotThereIsNotFound) {
  const auto looked = manager_.Look("absent.service", kLong);
  ASSERT_EQ("UNIT_UNKNOWN", Word(looked));
  EXPECT_EQ(Kind::kNotFound, looked.error().kind);
  EXPECT_THAT(looked.error().remedy, HasSubstr("systemctl"));
  EXPECT_EQ("UNIT_UNKNOWN", Word(Restart("absent.service")));
}

TEST_F(Units, WhatPolkitOrTheBusForbidsIsDenied) {
  for (const std::string unit : {"guarded.service", "closed.service"}) {
    const Status denied = Restart(unit);
    ASSERT_EQ("UNIT_DENIED", Word(denied));
    EXPECT_EQ(Kind::kDenied, denied.error().kind);
    EXPECT_THAT(denied.error().remedy, HasSubstr("manage-units for " + unit));
  }
}

TEST_F(Units, OtherRefusalsAreToldOnOneLine) {
  EXPECT_EQ("UNIT_MASKED", Word(Restart("masked.service")));
  const Status strange = Restart("strange.service");
  ASSERT_EQ("UNIT_CALL_FAILED", Word(strange));
  EXPECT_THAT(strange.error().detail, HasSubstr("org.freedesktop.systemd1.Strange"));
  EXPECT_THAT(strange.error().detail, Not(HasSubstr("\n")));
}

TEST_F(Units, ABusThatDiesDuringTheJobIsNoticedAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  auto run = std::async(std::launch::async, [&] { return Restart("endless.service"); });
  fake_.systemd()->Await("(RestartUnit endless)");
  fake_.bus()->Signal(SIGKILL);
  const Status lost = run.get();
  ASSERT_EQ("BUS_UNAVAILABLE", Word(lost));
  EXPECT_EQ(Kind::kUnavailable, lost.error().kind);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kLong - 1s);
  EXPECT_EQ("BUS_UNAVAILABLE", Word(manager_.Look("good.service", kLong))) << "nobody listens";
}

TEST_F(Units, ASystemdThatDiesInsteadOfAnsweringIsNoticedAtOnce) {
  EXPECT_EQ("BUS_UNAVAILABLE", Word(Restart("deadly.service")));
  EXPECT_EQ("BUS_UNAVAILABLE", Word(manager_.Look("good.service", kLong))) << "nobody has the name";
}

TEST_F(Units, CallsOfManyThreadsDoNotMeet) {
  std::vector<std::future<Status>> runs;
  for (const std::string unit : {"good.service", "failing.service", "hasty.service",
                                 "crowded.service", "good.service", "failing.service"}) {
    runs.push_back(std::async(std::launch::async, [this, unit] { return Restart(unit); }));
  }
  std::vector<std::string> words;
  for (auto& run : runs) words.push_back(Word(run.get()));
  EXPECT_THAT(words, ElementsAre("", "UNIT_JOB_FAILED", "", "", "", "UNIT_JOB_FAILED"));
}

TEST(UnitManagerAlone, SilenceOnTheBusEndsAtTheLimit) {
  const ScratchFolder folder;
  const std::string path = folder / "bus";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(0, ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  ASSERT_EQ(0, ::listen(listener, 8));
  const UnitManager manager("unix:path=" + path);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ("BUS_UNAVAILABLE", Word(manager.Look("good.service", 300ms)));
  EXPECT_EQ("BUS_UNAVAILABLE", Word(manager.Run(UnitVerb::kStop, "good.service", 300ms)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  ::close(listener);
}

TEST(UnitManagerAlone, ABusThatIsNotThereIsUnavailable) {
  const UnitManager manager("unix:path=/nonexistent/bus");
  const auto looked = manager.Look("good.service", kLong);
  ASSERT_EQ("BUS_UNAVAILABLE", Word(looked));
  EXPECT_THAT(looked.error().remedy, HasSubstr("systemctl status dbus"));
}

TEST(UnitName, NamesOfUnitsOfThisMachineAreFine) {
  for (const std::string name :
       {"nginx.service", "php@8.1.service", "getty@tty1.service", "a.socket", "dev-sda\\x2d1.swap",
        "user@0.service", "-.mount", "multi-user.target"}) {
    EXPECT_EQ("", Word(CheckUnitName(name))) << name;
  }
  EXPECT_EQ("", Word(CheckUnitName(std::string(247, 'a') + ".service")));
}

TEST(UnitName, AllElseIsRefused) {
  for (const std::string name : {"",
                                 "nginx",
                                 ".service",
                                 "nginx.services",
                                 "nginx.conf",
                                 "a/b.service",
                                 "../a.service",
                                 "a\n.service",
                                 "a.service\n",
                                 "a b.service",
                                 "*.service",
                                 "ngin?.service",
                                 "[a].service",
                                 "@host",
                                 "@a.service",
                                 "nginx.service@host",
                                 "foo@.service",
                                 "a;b.service",
                                 "--now.service ",
                                 "n\xc3\xa4.service",
                                 "$(a).service"}) {
    const Status checked = CheckUnitName(name);
    ASSERT_EQ("UNIT_NAME_INVALID", Word(checked)) << name;
    EXPECT_EQ(Kind::kUsage, checked.error().kind);
    EXPECT_THAT(checked.error().remedy, HasSubstr("nginx.service"));
  }
  EXPECT_EQ("UNIT_NAME_INVALID", Word(CheckUnitName(std::string(248, 'a') + ".service")));
  EXPECT_EQ("UNIT_NAME_INVALID", Word(CheckUnitName(std::string("a\0.service", 10))));
  EXPECT_EQ("UNIT_NAME_INVALID", Word(UnitManager().Look("*.service", kLong)));
  EXPECT_EQ("UNIT_NAME_INVALID", Word(UnitManager().Run(UnitVerb::kStop, "*.service", kLong)));
}

// Journal Export Format (systemd.io/JOURNAL_EXPORT_FORMATS): an entry a block.
std::string Entry(int second, const std::string& fields) {
  return "__REALTIME_TIMESTAMP=17000000" + std::to_string(10 + second) +
         "000000\n__MONOTONIC_TIMESTAMP=" + std::to_string(1000 + second) +
         "000000\n_BOOT_ID=0123456789abcdef0123456789abcdef\n" + fields + "\n\n";
}

TEST(UnitJournal, TheLastLinesOfAndAboutAUnitAreReadOldestFirst) {
  const ScratchFolder folder;
  WriteWhole(folder / "text",
             Entry(1, "MESSAGE=too old\n_SYSTEMD_UNIT=web.service") +
                 Entry(2, "MESSAGE=first\n_SYSTEMD_UNIT=web.service") +
                 Entry(3, "MESSAGE=another's\n_SYSTEMD_UNIT=db.service") +
                 Entry(4, "MESSAGE=tab\there\n_SYSTEMD_UNIT=web.service") +
                 Entry(5, "MESSAGE=forged\nUNIT=web.service\n_PID=77") +
                 Entry(6, "MESSAGE=web.service: Failed.\nUNIT=web.service\n_PID=1") +
                 Entry(7, "MESSAGE=" + std::string(5000, 'x') + "\n_SYSTEMD_UNIT=long.service"));
  MustRun({"/lib/systemd/systemd-journal-remote", "--output=" + (folder / "a.journal"),
           "--split-mode=none", folder / "text"});
  const UnitManager manager({}, folder.path());
  EXPECT_THAT(manager.LastLines("web.service", 3),
              ElementsAre("first", "tab\\x09here", "web.service: Failed."));
  EXPECT_THAT(manager.LastLines("web.service", 0), IsEmpty());
  EXPECT_THAT(manager.LastLines("absent.service", 3), IsEmpty());
  const auto lines = manager.LastLines("long.service", 3);
  ASSERT_EQ(1U, lines.size());
  EXPECT_LE(lines[0].size(), 1024 + std::string("…").size());
}

TEST(UnitJournal, WithoutAJournalThereAreNoLines) {
  EXPECT_THAT(UnitManager({}, "/nonexistent").LastLines("web.service", 3), IsEmpty());
  EXPECT_THAT(UnitManager().LastLines("*.service", 3), IsEmpty());
}

}  // namespace
}  // namespace signet::testing
