// `signet events`: lists, and follows a stream that breaks off.
#include "tests/tools/cli_runner.h"
#include "tools/cli/event_reader.h"

namespace signet::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kTwo =
    R"({"items":[{"sequence":7,"time":"2026-11-23T08:00:00Z","kind":"token","text":"locked",
                  "details":{"state":"locked"}},
                 {"sequence":8,"time":"2026-11-23T08:00:01Z","kind":"operation",
                  "text":"done\u001b[31m","details":{}}],"oldest":1,"newest":8})";

std::string Sent(int id, const std::string& kind, const std::string& text) {
  const std::string number = std::to_string(id);
  return "id: " + number + R"(\nevent: )" + kind + R"(\ndata: {\"sequence\":)" + number +
         R"(,\"time\":\"2026-11-23T08:00:00Z\",\"kind\":\")" + kind + R"(\",\"text\":\")" + text +
         R"(\",\"details\":{}}\n\n)";
}

TEST(EventReader, ReadsEventsHoweverTheyAreCut) {
  const std::string text =
      "retry: 2000\n\n: \n\nid: 5\nevent: token\ndata: {\"a\":1}\n\nevent: gap\r\ndata:x\r\ndata: "
      "y\r\n"
      "\r\nid: 9\n\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EventReader reader;
    std::vector<SentEvent> events;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      reader.Feed(std::string_view(text).substr(at, piece));
      while (auto event = reader.Next()) events.push_back(*event);
    }
    ASSERT_EQ(events.size(), 2u) << piece;
    EXPECT_EQ(events[0].id, "5");
    EXPECT_EQ(events[0].name, "token");
    EXPECT_EQ(events[0].data, "{\"a\":1}");
    EXPECT_EQ(events[1].id, "");
    EXPECT_EQ(events[1].data, "x\ny");
  }
}

TEST(EventReader, AnEventWithoutEndIsTooLarge) {
  EventReader reader;
  for (int i = 0; i < 1100; ++i) {
    EXPECT_FALSE(reader.too_large()) << i;
    if (i > 1030) break;
    reader.Feed(std::string(1000, 'x'));
    EXPECT_FALSE(reader.Next());
  }
  reader.Feed(std::string(100'000, 'x'));
  EXPECT_TRUE(reader.too_large());
}

TEST_F(CliTest, EventsAreATableOrJson) {
  Play(R"({"event.list":[{"result":)" + std::string(kTwo) + "}]}");
  const Ran table = Signet({"events"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, HasSubstr("WHAT"));
  EXPECT_THAT(table.out, HasSubstr("done\\x"));
  EXPECT_THAT(table.out, Not(HasSubstr("\x1b")));
  const Ran all = Signet({"--output", "json", "events"});
  EXPECT_EQ(json::parse(all.out), json::parse(kTwo).at("items"));
  const Ran one = Signet({"--output", "json", "events", "--kind", "token", "--after", "3"});
  EXPECT_EQ(json::parse(one.out).as_array().size(), 1u);
  EXPECT_EQ(Received().back().at("request").at("params").at("after"), json::value(3));
}

TEST_F(CliTest, MoreEventsThanAPageAreAskedForBehindTheLastOne) {
  json::array items;
  for (int i = 1; i <= 1000; ++i)
    items.push_back({{"sequence", i}, {"time", "t"}, {"kind", "token"}, {"text", "x"}});
  const json::object page{{"items", items}, {"oldest", 1}, {"newest", 1008}};
  Play(R"({"event.list":[{"result":)" + json::serialize(page) + R"(},{"result":)" +
       std::string(kTwo) + "}]}");
  const Ran ran = Signet({"--output", "json", "events"});
  EXPECT_EQ(json::parse(ran.out).as_array().size(), 1002u);
  EXPECT_EQ(Received().at(1).at("request").at("params").at("after"), json::value(1000));
}

TEST_F(CliTest, UnknownKindsAndNumbersAreUsageErrors) {
  Play("{}");
  const Ran kind = Signet({"events", "--kind", "gossip"});
  EXPECT_EQ(kind.code, 2);
  EXPECT_THAT(kind.err, HasSubstr("restart.owed"));
  EXPECT_EQ(Signet({"events", "--after", "-1"}).code, 2);
  EXPECT_EQ(Signet({"events", "--after", "x"}).code, 2);
}

// The script ends with a refusal, which ends the command.
TEST_F(CliTest, FollowingGoesOnBehindTheLastEventWhenTheStreamBreaks) {
  Play(
      R"({"event.list":[{"result":)" + std::string(kTwo) + R"(}],
          "GET /events":[{"stream":"retry: 2000\n\n)" +
      Sent(9, "token", "nine") + Sent(10, "operation", "ten") +
      R"("},{"hang_up":true},{"stream":"event: gap\n)" +
      R"(data: {\"after\":10,\"oldest\":11,\"newest\":11}\n\n)" +
      Sent(11, "token", "el\\\\u001bven") +
      R"("},{"raw":"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"m\",)" +
      R"(\"data\":{\"kind\":\"denied\",\"code\":\"ACCESS_DENIED\",\"detail\":\"no more\",)" +
      R"(\"remedy\":\"Ask.\"}}}","status":403}]})");
  const Ran ran = Signet({"events", "--follow", "--kind", "token"});
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("no more (ACCESS_DENIED)"));
  EXPECT_THAT(ran.err, HasSubstr("not kept any more"));
  EXPECT_EQ(ran.out,
            "     9  2026-11-23T08:00:00Z  token         nine\n"
            "    11  2026-11-23T08:00:00Z  token         el\\x1bven\n");
  std::vector<std::string> ids;
  for (const json::value& request : Received()) {
    if (request.at("path") == "/events")
      ids.emplace_back(request.at("headers").at("last-event-id").as_string().c_str());
  }
  EXPECT_EQ(ids, (std::vector<std::string>{"8", "10", "10", "11"}));
}

TEST_F(CliTest, FollowingInJsonIsALineForEach) {
  Play(R"({"GET /events":[{"stream":")" + Sent(4, "token", "four") + Sent(5, "token", "five") +
       R"("},{"raw":"","status":403}]})");
  const Ran ran = Signet({"--output", "json", "events", "--follow", "--after", "3"});
  EXPECT_EQ(ran.code, 4);
  std::istringstream lines(ran.out);
  std::vector<std::string> texts;
  for (std::string line; std::getline(lines, line);)
    texts.emplace_back(json::parse(line).at("text").as_string().c_str());
  EXPECT_EQ(texts, (std::vector<std::string>{"four", "five"}));
}

TEST_F(CliTest, FollowingNobodyIsUnreachableAtOnce) {
  EXPECT_EQ(Signet({"events", "--follow", "--after", "0"}).code, 7);
}

TEST_F(CliTest, AStreamOfRubbishIsAnError) {
  Play(R"({"GET /events":[{"stream":"id: 4\nevent: token\ndata: {\n\n"}]})");
  const Ran ran = Signet({"events", "--follow", "--after", "3"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("ANSWER_UNREADABLE"));
}

}  // namespace
}  // namespace signet::tools
