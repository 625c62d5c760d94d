// A StatusSource with a clock that a test drives, and tests/support/status_server.py for it to ask.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "services/revocation/status_source.h"
#include "tests/support/command.h"
#include "tests/support/loopback.h"
#include "tests/support/manual_clock.h"
#include "tests/support/running_program.h"

namespace signet::services {

inline AddressPolicy LoopbackAllowed() {
  auto policy = AddressPolicy::Make({"127.0.0.1"}, {});
  if (!policy) std::abort();
  return std::move(policy).value();
}

// A source by itself: each has its own cache and remembers no failure of another's.
struct Sources {
  explicit Sources(const Clock& clock, std::size_t threads = 4)
      : lane("status", threads, 64), source({clock, lane, &LoopbackAllowed}) {}
  Lane lane;
  StatusSource source;
};

class StatusWorld : public ::testing::Test {
 protected:
  using Certificate = keystore::x509::Certificate;

  StatusWorld()
      : server_({"/usr/bin/python3", "-B", "-W", "ignore", STATUS_SERVER, folder_ / "world"}),
        here_("http://127.0.0.1:" + server_.Await("port ([0-9]+)\n")),
        there_("http://127.0.0.1:" + server_.Await("other ([0-9]+)\n")) {
    server_.Await("(ready)\n");
  }
  ~StatusWorld() override {
    EXPECT_THAT(server_.Output(), ::testing::Not(::testing::HasSubstr("broken")));
  }

  Certificate Player(const std::string& name) const {
    auto certificate =
        Certificate::FromDer(testing::ReadWhole(folder_ / "world" + ("/" + name + ".der")));
    if (!certificate) ADD_FAILURE() << name << ": " << certificate.error().ToString();
    return std::move(certificate).value();
  }
  StatusQuestion About(const std::string& name) const { return {Player(name), Player("ca")}; }
  std::vector<StatusQuestion> AboutMany(const std::string& prefix, int count) const {
    std::vector<StatusQuestion> questions;
    for (int i = 0; i < count; ++i) questions.push_back(About(prefix + std::to_string(i)));
    return questions;
  }
  // The leaf, by the responder at that path.
  StatusRules At(const std::string& path) const { return {.responder = here_ + path}; }
  // Of a source that has never asked before.
  StatusAnswer AskOnce(const StatusRules& rules, const std::string& about = "leaf") {
    return Sources(clock_, 1).source.Ask(About(about), rules);
  }
  std::string host(const std::string& url) const { return url.substr(7); }
  // Requests whose line holds `text`, so far.
  std::size_t Asked(const std::string& text = "") const {
    const std::string output = server_.Output();
    std::size_t count = 0;
    for (std::size_t at = output.find("asked "); at != std::string::npos;
         at = output.find("asked ", at + 1)) {
      const std::string line = output.substr(at, output.find('\n', at) - at);
      if (line.find(text) != std::string::npos) ++count;
    }
    return count;
  }

  // The most requests that one port had at a time.
  int MostAtOnce(const std::string& port) const {
    std::istringstream lines(server_.Output());
    int now = 0;
    int most = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("asked " + port + " ")) most = std::max(most, ++now);
      if (line == "done " + port) --now;
    }
    return most;
  }

  testing::ManualClock clock_{ParseTime("2026-06-01T00:00:00Z").value()};
  testing::ScratchFolder folder_;
  testing::RunningProgram server_;
  const std::string here_, there_;
};

// "good: OCSP_GOOD"; of what is unknown there is always something to do.
inline std::string Brief(const StatusAnswer& answer) {
  EXPECT_FALSE(answer.detail.empty());
  EXPECT_EQ(EscapeLine(answer.detail, 4096), answer.detail);
  EXPECT_EQ(answer.remedy.empty(), answer.status == keystore::x509::OcspStatus::kGood)
      << answer.word;
  return std::string(OcspStatusName(answer.status)) + ": " + answer.word;
}

}  // namespace signet::services
