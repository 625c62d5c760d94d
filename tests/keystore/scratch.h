// A folder for one test, a clock that stands still until it is moved, and a child process that is
// killed.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "platform/clock.h"

namespace signet::keystore {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "signet-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StandingClock final : public Clock {
 public:
  WallTime Now() const override { return WallTime(std::chrono::seconds(1'790'000'000)) + moved_; }
  SteadyTime Steady() const override { return SteadyTime() + std::chrono::hours(1) + moved_; }
  std::unique_ptr<Timer> After(Duration, std::function<void()>) override { return nullptr; }
  void Move(std::chrono::seconds by) { moved_ += by; }

 private:
  std::chrono::seconds moved_{0};
};

// Runs `body` in a child that writes numbers to the pipe it is given, kills it when `enough` of
// them came, and returns all that came. No other thread may run in this process.
inline std::vector<std::int64_t> KillWhileWriting(std::size_t enough,
                                                  const std::function<void(int pipe)>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    body(ends[1]);
    ::_exit(1);
  }
  ::close(ends[1]);
  std::vector<std::int64_t> acknowledged;
  std::int64_t number = 0;
  while (::read(ends[0], &number, sizeof number) == sizeof number) {
    acknowledged.push_back(number);
    if (acknowledged.size() == enough) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return acknowledged;
}

inline void Acknowledge(int pipe, std::int64_t number) {
  if (::write(pipe, &number, sizeof number) != sizeof number) ::_exit(2);
}

}  // namespace signet::keystore
