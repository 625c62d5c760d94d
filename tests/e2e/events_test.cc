// What happens on a real appliance is told: to a list, to a stream, to the command line, across
// restarts and kills.
#include <gmock/gmock.h>

#include <sstream>
#include <thread>

#include "tests/support/appliance.h"
#include "tests/support/running_program.h"

namespace signet::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class EventsEndToEnd : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  json::array Listed(std::int64_t after = 0) const {
    return appliance_
        .MustRpc("event.list", json::object{{"after", after}, {"limit", std::int64_t(1000)}})
        .at("items")
        .as_array();
  }
  std::vector<std::string> Texts(const std::string& kind) const {
    std::vector<std::string> texts;
    const json::array all = Listed();
    for (const json::value& event : all) {
      if (event.at("kind") == json::value(kind))
        texts.emplace_back(event.at("text").as_string().c_str());
    }
    return texts;
  }
  std::unique_ptr<RunningProgram> Follow(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{Appliance::CliProgram(), "--output", "json", "events",
                                       "--follow"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    RunOptions options;
    options.command.environment["SIGNET_SOCKET"] = appliance_.socket();
    return std::make_unique<RunningProgram>(arguments, options);
  }

  Appliance appliance_;
};

TEST_F(EventsEndToEnd, ChangesTheTokenAndTheMonitorAreTold) {
  const json::value made = appliance_.CliJson({"csr", "generate", "tomcat"});
  ASSERT_NE(appliance_.Rpc("certificate.upload", {{"purpose", "tomcat"}, {"pem", "no certificate"}})
                .word(),
            "");
  const std::vector<std::string> before = Texts("token");
  EXPECT_EQ(before.back(), "the token is operational");
  appliance_.KillKeyd();  // a development appliance starts it again
  std::vector<std::string> token;
  for (int i = 0; i < 200 && token.size() < before.size() + 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    token = Texts("token");
  }
  ASSERT_GE(token.size(), before.size());
  token.erase(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(before.size()));
  EXPECT_THAT(token, ElementsAre(StartsWith("the token is failed: "), "the token is operational"));
  const std::vector<std::string> operations = Texts("operation");
  EXPECT_THAT(operations, Contains(AllOf(HasSubstr("csr.generate by uid:"), HasSubstr(": done"))));
  EXPECT_THAT(operations, Contains(HasSubstr("certificate.upload by uid:")));
  EXPECT_THAT(Texts("monitor"),
              Contains(HasSubstr("Cisco Certificate Expiry Monitor started; it runs next at ")));
  const json::value status = appliance_.MustRpc("status.show");
  for (const json::value& warning : status.at("warnings").as_array()) {
    EXPECT_NE(warning.at("id"), "MONITOR_STOPPED");
    EXPECT_NE(warning.at("id"), "MONITOR_OVERDUE");
  }
}

TEST_F(EventsEndToEnd, AFollowerMissesNothingThroughARestartAndAKill) {
  const std::int64_t begin = Listed().back().at("sequence").as_int64();
  const auto follower = Follow({"--after", std::to_string(begin)});
  appliance_.CliJson({"csr", "generate", "tomcat"});
  follower->Await("(csr.generate)");
  const auto stop = std::chrono::steady_clock::now();
  EXPECT_EQ(appliance_.Stop(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - stop, std::chrono::seconds(4))
      << "a stream does not hold the daemon up";
  appliance_.StartAndWait();
  appliance_.CliJson({"csr", "generate", "cup"});
  appliance_.Kill();
  appliance_.StartAndWait();
  appliance_.CliJson({"csr", "generate", "cup-xmpp"});
  const std::int64_t end = Listed().back().at("sequence").as_int64();
  follower->Await("(\"sequence\":" + std::to_string(end) + ",)");
  std::istringstream lines(follower->Output());
  std::int64_t last = begin;
  std::size_t made = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('{')) continue;
    const json::value event = json::parse(line);
    EXPECT_EQ(event.at("sequence").as_int64(), last + 1);
    last = event.at("sequence").as_int64();
    made += line.find("csr.generate") != std::string::npos ? 1 : 0;
  }
  EXPECT_GE(last, end);
  EXPECT_GE(made, 2u);  // the one before the kill may have gone with it
}

TEST_F(EventsEndToEnd, TheStreamAnswersCurlAndRefusesBadCursors) {
  EXPECT_EQ(appliance_.Get("/events?after=x").first, 400);
  const Outcome curl = RunProgram({"curl", "-sN", "-m", "3", "--unix-socket", appliance_.socket(),
                                   "-H", "Last-Event-ID: 0", "http://localhost/events"});
  EXPECT_THAT(curl.out,
              AllOf(HasSubstr("retry: 2000\n\nid: 1\nevent: "), HasSubstr("\"sequence\":2,")));
}

TEST_F(EventsEndToEnd, TheNextRunOfTheMonitorSurvivesInTheNodesDatabase) {
  EXPECT_EQ(appliance_.Stop(), 0);
  EXPECT_THAT(appliance_.NodeDatabase("SELECT value FROM memory WHERE name = 'expiry-monitor'"),
              HasSubstr("\"nextRun\":\"20"));
}

}  // namespace
}  // namespace signet::testing
