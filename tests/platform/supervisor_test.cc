#include "platform/supervisor.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <thread>

#include "tests/support/running_program.h"

namespace signet::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Duration kLong = 30s;  // a machine under load
const Seconds kPatience(30);

std::string Word(const Status& status) { return status ? "" : status.error().word; }

ProcessSpec Shell(const std::string& script) {
  ProcessSpec spec;
  spec.command = {"/bin/sh", "-c", script};
  return spec;
}

// Ended, also where nobody collected it.
bool Gone(pid_t pid) {
  const std::string stat = ReadWhole("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.at(name_end + 2) == 'Z';
}

bool WaitsToEnd(const Supervisor& supervisor) {
  return Eventually([&] { return !supervisor.Look().running; }, kPatience);
}

// The output, once it has that many lines.
std::vector<std::string> Lines(const Supervisor& supervisor, std::size_t count) {
  EXPECT_TRUE(Eventually([&] { return supervisor.Look().last_lines.size() >= count; }, kPatience));
  return supervisor.Look().last_lines;
}

std::vector<pid_t> Numbers(const std::vector<std::string>& lines) {
  std::vector<pid_t> numbers;
  for (const std::string& line : lines) numbers.push_back(std::atoi(line.c_str()));
  return numbers;
}

// "Name:" in /proc/PID/status.
std::string StatusLine(pid_t pid, const std::string& name) {
  std::istringstream status(ReadWhole("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "";
}

std::map<int, std::string> Descriptors(pid_t pid) {
  std::map<int, std::string> found;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    found[std::atoi(entry.path().filename().c_str())] =
        std::filesystem::read_symlink(entry.path()).string();
  }
  return found;
}

TEST(SupervisorTest, ACommandRunsUntilItIsStopped) {
  Supervisor supervisor(SIGNET_RUN, Shell("echo hello; exec sleep 1000"));
  EXPECT_FALSE(supervisor.Look().running);
  EXPECT_EQ("", Word(supervisor.Start(kLong)));
  EXPECT_THAT(Lines(supervisor, 1), ElementsAre("hello"));
  const ProcessStatus status = supervisor.Look();
  EXPECT_TRUE(status.running);
  EXPECT_FALSE(Gone(status.pid));
  EXPECT_EQ("", status.ended);
  ASSERT_TRUE(status.started.has_value());
  EXPECT_LT(std::chrono::system_clock::now() - *status.started, 60s);
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
  EXPECT_TRUE(Gone(status.pid));
  EXPECT_FALSE(supervisor.Look().running);
  EXPECT_EQ(0, supervisor.Look().pid);
  EXPECT_EQ("killed by SIGTERM", supervisor.Look().ended);
}

TEST(SupervisorTest, ACommandThatEndsIsReportedWithItsLastWords) {
  Supervisor supervisor(SIGNET_RUN, Shell("echo one; echo two >&2; printf three; exit 3"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  ASSERT_TRUE(WaitsToEnd(supervisor));
  const ProcessStatus status = supervisor.Look();
  EXPECT_EQ("exited with 3", status.ended);
  EXPECT_THAT(status.last_lines, ElementsAre("one", "two", "three"));
  EXPECT_TRUE(status.started.has_value());
}

TEST(SupervisorTest, ACommandThatCrashesIsReportedWithItsSignal) {
  Supervisor supervisor(SIGNET_RUN, Shell("kill -SEGV $$"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  ASSERT_TRUE(WaitsToEnd(supervisor));
  EXPECT_EQ("killed by SIGSEGV", supervisor.Look().ended);
}

TEST(SupervisorTest, ACommandThatIgnoresSigtermIsKilledAfterTheLimit) {
  Supervisor supervisor(SIGNET_RUN, Shell("trap '' TERM; echo ready; while :; do sleep 0.1; done"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  Lines(supervisor, 1);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ("", Word(supervisor.Stop(500ms)));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 500ms);
  EXPECT_EQ("killed by SIGKILL", supervisor.Look().ended);
}

TEST(SupervisorTest, ACommandThatEndsCleanlyOnSigtermHasTheTimeItNeeds) {
  Supervisor supervisor(
      SIGNET_RUN,
      Shell("trap 'sleep 0.3; echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  Lines(supervisor, 1);
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
  EXPECT_EQ("exited with 0", supervisor.Look().ended);
  EXPECT_THAT(supervisor.Look().last_lines, Contains("bye"));
}

TEST(SupervisorTest, WhatCannotRunSaysWhy) {
  const ScratchFolder folder;
  WriteWhole(folder / "text", "no program");
  ProcessSpec spec;
  spec.command = {"/nonexistent/nginx", "-g", "daemon off;"};
  const Status absent = Supervisor(SIGNET_RUN, spec).Start(kLong);
  ASSERT_EQ("PROCESS_NOT_STARTED", Word(absent));
  EXPECT_EQ(Kind::kUnavailable, absent.error().kind);
  EXPECT_THAT(absent.error().detail, HasSubstr("/nonexistent/nginx: No such file"));
  EXPECT_THAT(absent.error().remedy, HasSubstr("Check the command's path"));
  spec.command = {folder / "text"};
  const Status text = Supervisor(SIGNET_RUN, spec).Start(kLong);
  ASSERT_EQ("PROCESS_NOT_STARTED", Word(text));
  EXPECT_THAT(text.error().detail, HasSubstr("Permission denied"));
  EXPECT_THAT(text.error().remedy, HasSubstr("execute"));
  spec = Shell("exit 0");
  spec.directory = "/nonexistent/home";
  const Status nowhere = Supervisor(SIGNET_RUN, spec).Start(kLong);
  ASSERT_EQ("PROCESS_NOT_STARTED", Word(nowhere));
  EXPECT_THAT(nowhere.error().detail, HasSubstr("directory /nonexistent/home"));
  const Status alone = Supervisor("/nonexistent/signet-run", Shell("exit 0")).Start(kLong);
  ASSERT_EQ("HELPER_NOT_STARTED", Word(alone));
  EXPECT_THAT(alone.error().remedy, HasSubstr("Install signet-run"));
}

TEST(SupervisorTest, ASpecThatIsNoCommandIsRefused) {
  std::vector<ProcessSpec> specs(5);
  specs[1].command = {""};
  specs[2].command = {"/bin/true", std::string("a\0b", 3)};
  specs[3] = specs[4] = Shell("exit 0");
  specs[3].environment["A=B"] = "c";
  specs[4].environment[""] = "c";
  for (const ProcessSpec& spec : specs) {
    EXPECT_EQ("PROCESS_SPEC_INVALID", Word(Supervisor(SIGNET_RUN, spec).Start(kLong)));
  }
}

TEST(SupervisorTest, AllThatACommandStartedEndsWithItsStop) {
  // A child, one in a session of its own, and one that nobody of the family waits for.
  Supervisor supervisor(
      SIGNET_RUN, Shell("sleep 1001 & echo $!; setsid sh -c 'echo $$; exec sleep 1002' & "
                        "(setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.1; done' &) & "
                        "echo $$; wait; sleep 1003"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const std::vector<pid_t> family = Numbers(Lines(supervisor, 4));
  for (const pid_t pid : family) EXPECT_FALSE(Gone(pid)) << pid;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ("", Word(supervisor.Stop(700ms)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s) << "its head's end prolongs nothing";
  for (const pid_t pid : family) EXPECT_TRUE(Gone(pid)) << pid;
}

TEST(SupervisorTest, SigtermReachesTheWholeGroupAtOnce) {
  Supervisor supervisor(SIGNET_RUN,
                        Shell("sh -c 'trap \"echo child asked; exit 0\" TERM; echo ready; "
                              "while :; do sleep 0.1; done' & trap 'echo asked' TERM; echo ready; "
                              "while :; do sleep 0.1; done"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  Lines(supervisor, 2);
  EXPECT_EQ("", Word(supervisor.Stop(1500ms)));
  EXPECT_EQ("killed by SIGKILL", supervisor.Look().ended);
  EXPECT_THAT(supervisor.Look().last_lines, AllOf(Contains("asked"), Contains("child asked")));
}

TEST(SupervisorTest, WhatACommandLeavesBehindEndsAfterItAndBeforeTheNextStart) {
  // One of them takes its time to end.
  Supervisor supervisor(SIGNET_RUN, Shell("setsid sleep 1001 & echo $!; sleep 1002 & echo $!; "
                                          "setsid sh -c 'trap \"sleep 1; exit 0\" TERM; echo $$; "
                                          "while :; do sleep 0.1; done' & sleep 0.5"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const std::vector<pid_t> left = Numbers(Lines(supervisor, 3));
  ASSERT_TRUE(WaitsToEnd(supervisor));
  EXPECT_EQ("exited with 0", supervisor.Look().ended);
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  for (const pid_t pid : left) EXPECT_TRUE(Gone(pid)) << pid;
}

TEST(SupervisorTest, ARestartIsAnotherProcessWithAnotherTime) {
  Supervisor supervisor(SIGNET_RUN, Shell("echo $$; exec sleep 1000"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const ProcessStatus first = supervisor.Look();
  ASSERT_EQ("", Word(supervisor.Start(kLong))) << "it runs, so this does nothing";
  EXPECT_EQ(first.pid, supervisor.Look().pid);
  std::this_thread::sleep_for(1100ms);  // times have whole seconds
  ASSERT_EQ("", Word(supervisor.Stop(kLong)));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const ProcessStatus second = supervisor.Look();
  EXPECT_NE(first.pid, second.pid);
  EXPECT_GT(*second.started, *first.started);
  EXPECT_EQ("", second.ended);
  EXPECT_THAT(Lines(supervisor, 1), ElementsAre(std::to_string(second.pid)));
}

TEST(SupervisorTest, AReloadIsItsSignalToTheCommandAlone) {
  ProcessSpec spec = Shell(
      "trap 'echo again' USR1; sh -c 'trap \"echo child\" USR1; echo ready; "
      "while :; do sleep 0.1; done' & while :; do sleep 0.1; done");
  spec.reload_signal = SIGUSR1;
  Supervisor supervisor(SIGNET_RUN, spec);
  EXPECT_EQ("PROCESS_NOT_RUNNING", Word(supervisor.Reload()));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  Lines(supervisor, 1);
  const pid_t pid = supervisor.Look().pid;
  EXPECT_EQ("", Word(supervisor.Reload()));
  Lines(supervisor, 2);
  std::this_thread::sleep_for(300ms);
  EXPECT_THAT(supervisor.Look().last_lines, ElementsAre("ready", "again"));
  EXPECT_EQ(pid, supervisor.Look().pid);
  spec.reload_signal = 0;
  EXPECT_EQ("PROCESS_RELOAD_UNKNOWN", Word(Supervisor(SIGNET_RUN, spec).Reload()));
}

TEST(SupervisorTest, OfLongOutputTheEndIsKeptInBoundedLines) {
  Supervisor supervisor(SIGNET_RUN,
                        Shell("seq 1 1000; head -c 1000000 /dev/zero | tr '\\0' x; echo; "
                              "printf '\\033[31mred\\r\\n'; echo after"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  ASSERT_TRUE(WaitsToEnd(supervisor));
  const auto lines = supervisor.Look().last_lines;
  ASSERT_EQ(50U, lines.size());
  EXPECT_EQ("954", lines[0]);
  EXPECT_EQ("1000", lines[46]);
  EXPECT_LE(lines[47].size(), 1024U);
  EXPECT_THAT(lines[47], ::testing::EndsWith("xxx…"));
  EXPECT_EQ("\\x1b[31mred", lines[48]);
  EXPECT_EQ("after", lines[49]);
}

TEST(SupervisorTest, ACommandThatNeverStopsWritingIsStoppedAsAnyOther) {
  Supervisor supervisor(SIGNET_RUN, Shell("exec yes 0123456789"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  EXPECT_EQ("0123456789", Lines(supervisor, 50).at(0));
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
  EXPECT_EQ("killed by SIGTERM", supervisor.Look().ended);
}

TEST(SupervisorTest, NothingOfThisProcessReachesTheCommand) {
  // As a library that does not care about exec would leave them.
  const int file = ::open("/etc/hostname", O_RDONLY);
  const int high = ::fcntl(file, F_DUPFD, 700);
  ::setenv("SIGNET_SECRET", "of ours", 1);
  ::signal(SIGUSR2, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int one : {SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&blocked, one);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  const ScratchFolder folder;
  ProcessSpec spec;
  spec.command = {"sleep", "1000"};
  spec.directory = folder.path();
  spec.environment["GREETING"] = "hello = you";
  Supervisor supervisor(SIGNET_RUN, spec);
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const pid_t pid = supervisor.Look().pid;
  const std::string proc = "/proc/" + std::to_string(pid);
  auto descriptors = Descriptors(pid);
  ASSERT_EQ(3U, descriptors.size());
  EXPECT_EQ("/dev/null", descriptors[0]);
  EXPECT_THAT(descriptors[1], HasSubstr("pipe:"));
  EXPECT_EQ(descriptors[1], descriptors[2]);
  EXPECT_EQ(std::string("GREETING=hello = you\0", 21),
            ReadWhole(proc + "/environ").substr(ReadWhole(proc + "/environ").find('\0') + 1));
  EXPECT_THAT(ReadWhole(proc + "/environ"), HasSubstr("PATH=/usr/local/sbin:"));
  EXPECT_EQ(folder.path(), std::filesystem::read_symlink(proc + "/cwd"));
  EXPECT_EQ("0000000000000000", StatusLine(pid, "SigBlk"));
  // Of those with a name; 32 and 33 are glibc's own, and posix_spawn leaves them ignored.
  EXPECT_EQ(0U, std::stoull(StatusLine(pid, "SigIgn"), nullptr, 16) & 0x7FFFFFFFU);
  EXPECT_EQ(pid, ::getsid(pid));
  const pid_t helper = std::atoi(StatusLine(pid, "PPid").c_str());
  EXPECT_NE(::getsid(0), ::getsid(helper));
  for (const auto& [number, target] : Descriptors(helper)) {
    EXPECT_LE(number, 3) << target;
    EXPECT_THAT(target, Not(HasSubstr("hostname")));
  }
  EXPECT_THAT(ReadWhole("/proc/" + std::to_string(helper) + "/environ"), Not(HasSubstr("of ours")));
  ::close(high);
  ::close(file);
}

TEST(SupervisorTest, TheCommandEndsWhenTheDaemonIsKilled) {
  for (const std::string script : {"exec sleep 1000", "trap '' TERM; while :; do sleep 0.1; done",
                                   "setsid sleep 1000 & echo $!; exec sleep 1000"}) {
    RunningProgram daemon({SUPERVISING, SIGNET_RUN, "/bin/sh", "-c", script});
    const pid_t pid = std::atoi(daemon.Await("pid ([0-9]+)\n").c_str());
    const pid_t helper = std::atoi(StatusLine(pid, "PPid").c_str());
    ASSERT_GT(helper, 1);
    EXPECT_FALSE(Gone(pid));
    daemon.Signal(SIGKILL);
    EXPECT_TRUE(Eventually([&] { return Gone(pid); }, kPatience)) << script;
    EXPECT_TRUE(Eventually([&] { return Gone(helper); }, kPatience)) << script;
  }
}

TEST(SupervisorTest, TheCommandEndsWhenItsHelperIsKilled) {
  Supervisor supervisor(SIGNET_RUN, Shell("exec sleep 1000"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const pid_t pid = supervisor.Look().pid;
  ASSERT_EQ(0, ::kill(std::atoi(StatusLine(pid, "PPid").c_str()), SIGKILL));
  ASSERT_TRUE(WaitsToEnd(supervisor));
  EXPECT_THAT(supervisor.Look().ended, HasSubstr("lost"));
  EXPECT_TRUE(Eventually([&] { return Gone(pid); }, kPatience));
  EXPECT_EQ("", Word(supervisor.Start(kLong)));
}

TEST(SupervisorTest, AHelperThatDoesNotObeyIsKilledWithTheCommand) {
  Supervisor supervisor(SIGNET_RUN, Shell("sleep 1001 & echo $!; exec sleep 1000"));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  const pid_t child = Numbers(Lines(supervisor, 1)).at(0), pid = supervisor.Look().pid;
  ASSERT_EQ(0, ::kill(std::atoi(StatusLine(pid, "PPid").c_str()), SIGSTOP));
  EXPECT_EQ("", Word(supervisor.Stop(0ms)));
  EXPECT_TRUE(Eventually([&] { return Gone(pid) && Gone(child); }, kPatience));
}

TEST(SupervisorTest, TheCommandEndsWithItsSupervisor) {
  pid_t pid = 0;
  {
    Supervisor supervisor(SIGNET_RUN, Shell("exec sleep 1000"));
    ASSERT_EQ("", Word(supervisor.Start(kLong)));
    pid = supervisor.Look().pid;
  }
  EXPECT_TRUE(Gone(pid));
}

TEST(SupervisorTest, StoppingWhatDoesNotRunIsFine) {
  Supervisor supervisor(SIGNET_RUN, Shell("exit 0"));
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
  ASSERT_EQ("", Word(supervisor.Start(kLong)));
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
}

TEST(SupervisorTest, ManyThreadsMayCall) {
  Supervisor supervisor(SIGNET_RUN, Shell("echo $$; exec sleep 1000"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&supervisor, i] {
      for (int round = 0; round < 10; ++round) {
        Status done = Ok();
        if (i < 2) done = supervisor.Start(kLong);
        if (i == 2) done = supervisor.Stop(kLong);
        if (i == 3) static_cast<void>(supervisor.Reload());
        EXPECT_EQ("", Word(done));
        EXPECT_LE(supervisor.Look().last_lines.size(), 50U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ("", Word(supervisor.Stop(kLong)));
  EXPECT_FALSE(supervisor.Look().running);
}

}  // namespace
}  // namespace signet::testing
