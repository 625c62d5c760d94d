#include "platform/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace signet {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

TEST(Logging, LinesHaveAnRfc3339TimeAndTheirLevel) {
  ::testing::internal::CaptureStderr();
  InitialiseLogging("info");
  Log(LogLevel::kDebug, "hidden");
  Log(LogLevel::kInfo, "hello {} %s");
  ShutDownLogging();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info "
                           "hello \\{\\} %s\n"));
}

TEST(Logging, ALineCannotBeForged) {
  ::testing::internal::CaptureStderr();
  InitialiseLogging("info");
  Log(LogLevel::kInfo, "name\n2026-01-01T00:00:00.000Z error forged\x1b[2J");
  ShutDownLogging();
  const std::string out = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
  EXPECT_THAT(out, HasSubstr("name\\x0a2026"));
}

TEST(Logging, WarningsAreFlushedAtOnceAndOthersWithinTwoSeconds) {
  ::testing::internal::CaptureStderr();
  InitialiseLogging("debug");
  Log(LogLevel::kInfo, "quiet");
  Log(LogLevel::kWarning, "loud");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("loud"));
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "later");
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("later"));
  ShutDownLogging();
}

TEST(Logging, WithoutInitialisationNothingIsWritten) {
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kError, "lost");
  ShutDownLogging();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Logging, ThreadsMayLogWhileItShutsDown) {
  ::testing::internal::CaptureStderr();
  InitialiseLogging("error");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int j = 0; j < 200; ++j) Log(LogLevel::kError, "x");
    });
  }
  ShutDownLogging();
  for (std::thread& thread : threads) thread.join();
  ::testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace signet
