#include "platform/run_once.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "tests/support/command.h"

namespace signet::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr Duration kLong = 30s;  // a machine under load
constexpr std::size_t kMost = 1000000;

ProcessSpec Shell(const std::string& script) {
  ProcessSpec spec;
  spec.command = {"/bin/sh", "-c", script};
  return spec;
}

std::string Word(const Result<RunOutput>& result) { return result ? "" : result.error().word; }

// Ended, also where nobody collected it.
bool Gone(const std::string& pid) {
  const std::string stat = ReadWhole("/proc/" + pid + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.at(name_end + 2) == 'Z';
}

// What a script wrote into a file: one process a line.
std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream text(ReadWhole(path));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(RunOnceTest, AProgramsOutputComesBackRawAndWhole) {
  const auto ran = RunOnce(SIGNET_RUN, Shell("printf 'one\\000\\377'; printf two >&2"), kLong, 8);
  ASSERT_EQ("", Word(ran));
  EXPECT_EQ(std::string("one\0\xfftwo", 8), ran.value().output);
  EXPECT_EQ("", ran.value().ended);
}

TEST(RunOnceTest, AllOfALongOutputIsThereWhenTheProgramEnds) {
  const auto ran = RunOnce(SIGNET_RUN, Shell("seq 1 100000"), kLong, kMost);
  ASSERT_EQ("", Word(ran));
  EXPECT_EQ(588895U, ran.value().output.size());
  EXPECT_TRUE(ran.value().output.ends_with("\n99999\n100000\n"));
}

TEST(RunOnceTest, AFailureIsNoErrorButSaysHowItEnded) {
  const auto failed = RunOnce(SIGNET_RUN, Shell("echo why >&2; exit 3"), kLong, kMost);
  ASSERT_EQ("", Word(failed));
  EXPECT_EQ("why\n", failed.value().output);
  EXPECT_EQ("exited with 3", failed.value().ended);
  const auto crashed = RunOnce(SIGNET_RUN, Shell("kill -SEGV $$"), kLong, kMost);
  ASSERT_EQ("", Word(crashed));
  EXPECT_EQ("killed by SIGSEGV", crashed.value().ended);
}

TEST(RunOnceTest, OneThatHangsIsEndedWithAllThatItStarted) {
  const ScratchFolder folder;
  const auto begin = std::chrono::steady_clock::now();
  const auto slow = RunOnce(SIGNET_RUN,
                            Shell("exec 2>" + folder / "pids" +
                                  "; echo $$ >&2; setsid sh -c 'trap \"\" TERM; echo $$ >&2; "
                                  "while :; do sleep 0.1; done' & trap '' TERM; "
                                  "while :; do sleep 0.1; done"),
                            1s, kMost);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ("COMMAND_SLOW", Word(slow));
  EXPECT_EQ(Kind::kTimeout, slow.error().kind);
  EXPECT_THAT(slow.error().detail, HasSubstr("/bin/sh did not end within 1000 ms"));
  EXPECT_NE("", slow.error().remedy);
  EXPECT_GE(took, 1s);
  EXPECT_LT(took, 10s);
  const auto pids = Lines(folder / "pids");
  ASSERT_EQ(2U, pids.size());
  for (const std::string& pid : pids) EXPECT_TRUE(Gone(pid)) << pid;
}

TEST(RunOnceTest, OneThatWritesWithoutEndIsEnded) {
  const ScratchFolder folder;
  const auto large = RunOnce(
      SIGNET_RUN, Shell("echo $$ >" + folder / "pids" + "; exec yes 0123456789"), kLong, 100000);
  ASSERT_EQ("OUTPUT_TOO_LARGE", Word(large));
  EXPECT_EQ(Kind::kRefused, large.error().kind);
  EXPECT_THAT(large.error().detail, HasSubstr("100000 octets"));
  EXPECT_TRUE(Gone(Lines(folder / "pids").at(0)));
}

TEST(RunOnceTest, AsMuchAsMayBeIsNotTooMuch) {
  EXPECT_EQ("", Word(RunOnce(SIGNET_RUN, Shell("printf 12345"), kLong, 5)));
  EXPECT_EQ("OUTPUT_TOO_LARGE", Word(RunOnce(SIGNET_RUN, Shell("printf 123456"), kLong, 5)));
  EXPECT_EQ("", Word(RunOnce(SIGNET_RUN, Shell("exit 0"), kLong, 0)));
}

TEST(RunOnceTest, OneThatForksAndLeavesHasEndedAndWhatItLeftIsEnded) {
  const ScratchFolder folder;
  const auto left = RunOnce(SIGNET_RUN,
                            Shell("setsid sh -c 'trap \"\" TERM; echo $$ >" + folder / "pids" +
                                  "; while :; do sleep 0.1; done' & while [ ! -s " +
                                  folder / "pids" + " ]; do sleep 0.01; done; echo done"),
                            kLong, kMost);
  ASSERT_EQ("", Word(left));
  EXPECT_EQ("done\n", left.value().output);
  EXPECT_EQ("", left.value().ended);
  EXPECT_TRUE(Gone(Lines(folder / "pids").at(0)));
}

TEST(RunOnceTest, WhatCannotRunSaysWhy) {
  ProcessSpec spec;
  EXPECT_EQ("PROCESS_SPEC_INVALID", Word(RunOnce(SIGNET_RUN, spec, kLong, kMost)));
  spec.command = {"/nonexistent/tool"};
  const auto absent = RunOnce(SIGNET_RUN, spec, kLong, kMost);
  ASSERT_EQ("PROCESS_NOT_STARTED", Word(absent));
  EXPECT_THAT(absent.error().detail, HasSubstr("/nonexistent/tool: No such file"));
  EXPECT_EQ("HELPER_NOT_STARTED",
            Word(RunOnce("/nonexistent/signet-run", Shell("exit 0"), kLong, kMost)));
  EXPECT_EQ("PROCESS_SLOW", Word(RunOnce(SIGNET_RUN, Shell("exit 0"), 0s, kMost)));
}

TEST(RunOnceTest, ManyAtOnceDoNotMixTheirOutput) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&good, i] {
      for (int turn = 0; turn < 5; ++turn) {
        const std::string text = std::to_string(i * 10 + turn);
        const auto ran = RunOnce(SIGNET_RUN, Shell("echo " + text), kLong, kMost);
        if (ran && ran.value().output == text + "\n" && ran.value().ended.empty()) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(40, good);
}

}  // namespace
}  // namespace signet::testing
