// GET /events over both doors: where it begins, who may read, who does not read, how it ends.
// ABUSE 99: the same checks as for other requests.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keystore/node_log.h"
#include "rpc/event_stream.h"
#include "rpc/http_rules.h"
#include "tests/rpc/test_server.h"

namespace signet::rpc {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// One reader: what came, as blocks between empty lines, without the head.
class Reader {
 public:
  explicit Reader(RawClient client) : client_(std::move(client)) {}
  Reader(TestServer& server, const std::string& query = "", const std::string& fields = "")
      : Reader(RawClient::Unix(server.socket())) {
    Ask(query, fields);
  }
  void Ask(const std::string& query, const std::string& fields = "") {
    client_.Send("GET /events" + query + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    while (head_.find("\r\n\r\n") == std::string::npos) {
      const std::string piece = client_.ReadSome();
      if (piece.empty()) return;
      head_ += piece;
    }
    const std::size_t end = head_.find("\r\n\r\n") + 4;
    text_ = head_.substr(end);
    head_.resize(end);
  }
  const std::string& head() const { return head_; }
  const std::string& rest() const { return text_; }
  int status() const { return StatusOf(head_); }
  // The next block; empty at the end.
  std::string Block() {
    std::size_t end = 0;
    while ((end = text_.find("\n\n")) == std::string::npos) {
      const std::string piece = client_.ReadSome();
      if (piece.empty()) return {};
      text_ += piece;
    }
    std::string block = text_.substr(0, end);
    text_.erase(0, end + 2);
    return block;
  }
  // The next `count` events: "id kind text".
  std::vector<std::string> Events(std::size_t count) {
    std::vector<std::string> events;
    while (events.size() < count) {
      const std::string block = Block();
      if (block.empty()) break;
      if (block.find("data: ") == std::string::npos) continue;
      events.push_back(block);
    }
    return events;
  }
  std::vector<std::string> Texts(std::size_t count) {
    std::vector<std::string> texts;
    for (const std::string& block : Events(count)) {
      const json::value data = json::parse(block.substr(block.find("data: ") + 6));
      const json::value* text = data.as_object().if_contains("text");
      texts.emplace_back(text == nullptr ? "gap" : std::string(text->as_string().c_str()));
    }
    return texts;
  }
  RawClient& client() { return client_; }

 private:
  RawClient client_;
  std::string head_, text_;
};

void Tell(TestServer& server, int from, int to) {
  for (int i = from; i <= to; ++i) server.events().Tell("token", "event " + std::to_string(i));
  server.SettleEvents();
}

std::vector<std::string> Named(int from, int to) {
  std::vector<std::string> names;
  for (int i = from; i <= to; ++i) names.push_back("event " + std::to_string(i));
  return names;
}

TEST(EventStream, TellsWhatHappensFromNowOn) {
  TestServer server;
  Tell(server, 1, 3);
  Reader reader(server);
  EXPECT_EQ(reader.status(), 200);
  for (const char* field : {"Content-Type: text/event-stream\r\n", "Cache-Control: no-store\r\n",
                            "Connection: close\r\n", "X-Content-Type-Options: nosniff\r\n"})
    EXPECT_THAT(reader.head(), HasSubstr(field));
  EXPECT_THAT(reader.head(), Not(HasSubstr("Content-Length")));
  Tell(server, 4, 4);
  const auto events = reader.Events(1);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(events[0], StartsWith("id: 4\nevent: token\ndata: {\"sequence\":4,\"time\":\""));
  EXPECT_THAT(events[0], HasSubstr("\"kind\":\"token\",\"text\":\"event 4\",\"details\":{}}"));
}

TEST(EventStream, ResumesBehindAnIdByFieldOrQueryAndTheFieldWins) {
  TestServer server;
  Tell(server, 1, 6);
  EXPECT_EQ(Reader(server, "", "Last-Event-ID: 4\r\n").Texts(2), Named(5, 6));
  EXPECT_EQ(Reader(server, "?after=2").Texts(4), Named(3, 6));
  EXPECT_EQ(Reader(server, "?after=0").Texts(6), Named(1, 6));
  EXPECT_EQ(Reader(server, "?after=1", "last-event-id: 5\r\n").Texts(1), Named(6, 6));
  Reader reader(server, "?after=6");
  Tell(server, 7, 7);
  EXPECT_EQ(reader.Texts(1), Named(7, 7));
}

TEST(EventStream, ManyReadersEachGetEachEventOnceWhileOthersTell) {
  TestServer server;
  std::vector<std::unique_ptr<Reader>> readers;
  Tell(server, 1, 150);
  std::thread teller([&] { Tell(server, 151, 700); });
  for (int i = 0; i < 8; ++i)
    readers.push_back(std::make_unique<Reader>(server, "?after=" + std::to_string(i)));
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(readers[static_cast<std::size_t>(i)]->Texts(700 - static_cast<std::size_t>(i)),
              Named(i + 1, 700));
  teller.join();
}

TEST(EventStream, GoesOnAcrossARestart) {
  TestServer server;
  Tell(server, 1, 2);
  Reader before(server, "?after=0");
  EXPECT_EQ(before.Texts(2), Named(1, 2));
  server.Restart();
  EXPECT_EQ(before.Block(), "") << "the stream ends with the daemon";
  Tell(server, 3, 3);
  EXPECT_EQ(Reader(server, "", "Last-Event-ID: 2\r\n").Texts(1), Named(3, 3));
}

TEST(EventStream, WhatIsNotKeptAnyMoreIsAGapBeforeTheRest) {
  TestServer server;
  server.Restart([&] {
    SQLite::Database(server.NodeLogFile(), SQLite::OPEN_READWRITE)
        .exec(
            "INSERT INTO event VALUES (501, 0, 'token', 'event 501', '{}'), "
            "(502, 0, 'token', 'event 502', '{}')");
  });
  const auto events = Reader(server, "?after=7").Events(3);
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0], "event: gap\ndata: {\"after\":7,\"oldest\":501,\"newest\":502}");
  EXPECT_THAT(events[1], StartsWith("id: 501\n"));
  EXPECT_THAT(events[2], StartsWith("id: 502\n"));
  EXPECT_THAT(Reader(server, "?after=0").Events(1).at(0), StartsWith("event: gap\n"));
  EXPECT_THAT(Reader(server, "?after=500").Events(1).at(0), StartsWith("id: 501\n"));
}

TEST(EventStream, ACursorOfAnotherStateIsAGapToo) {
  TestServer server;
  Tell(server, 1, 2);
  EXPECT_THAT(Reader(server, "?after=9223372036854775807").Texts(3),
              ElementsAre("gap", "event 1", "event 2"));
}

TEST(EventStream, OneThatCouldNotBeStoredIsToldWithoutAnId) {
  services::Event event;
  event.kind = "monitor";
  event.text = "x";
  event.details = json::object();
  EXPECT_THAT(EventText(event), StartsWith("event: monitor\ndata: {\"sequence\":0,"));
  event.text = "line\nid: 99\r\n\r\n";
  event.details = json::object{{"name", "a\n\nevent: token"}};
  event.sequence = 3;
  const std::string text = EventText(event);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

TEST(EventStream, HostileCursorsAreRefused) {
  TestServer server;
  const std::string_view queries[] = {
      "?after=",          "?after=-1",  "?after=1x",
      "?after=+1",        "?after=%31", "?after=9223372036854775808",
      "?after=1&after=2", "?",          "?before=1",
      "?after=0x10",      "?after= 1"};
  for (const std::string_view query : queries) {
    Reader reader(server, std::string(query));
    EXPECT_EQ(reader.status(), 400) << query;
    if (query == "?after= 1") continue;  // no HTTP at all
    EXPECT_THAT(reader.rest(), HasSubstr("CURSOR_INVALID")) << query;
  }
  for (const char* field :
       {"Last-Event-ID: \r\n", "Last-Event-ID: -1\r\n", "Last-Event-ID: 1, 2\r\n",
        "Last-Event-ID: 1\r\nLast-Event-ID: 1\r\n", "Last-Event-ID: 1e3\r\n",
        "Last-Event-ID: 99999999999999999999\r\n", "Last-Event-ID: \x80\r\n"}) {
    EXPECT_EQ(Reader(server, "?after=1", field).status(), 400) << field;
  }
  EXPECT_EQ(Reader(server, "", "Last-Event-ID: " + std::string(20'000, '1') + "\r\n").status(),
            431);
  EXPECT_EQ(Reader(server, "", "Content-Length: 2\r\n").status(), 400);
  RawClient client = RawClient::Unix(server.socket());
  client.Send("POST /events HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = client.ReadResponse();
  EXPECT_EQ(StatusOf(answer), 405);
  EXPECT_THAT(answer, HasSubstr("Allow: GET\r\n"));
  RawClient other = RawClient::Unix(server.socket());
  other.Send("GET /eventsx HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusOf(other.ReadResponse()), 404);
  // An id on another path is nobody's business.
  RawClient health = RawClient::Unix(server.socket());
  health.Send("GET /health/alive HTTP/1.1\r\nHost: x\r\nLast-Event-ID: x\r\n\r\n");
  EXPECT_EQ(StatusOf(health.ReadResponse()), 200);
}

TEST(EventStream, OnlyRolesThatReadAreServed) {
  const auto status = [](Role role) {
    Peer peer;
    peer.actor = "uid:5";
    peer.role = role;
    HttpRequest request;
    request.method = HttpRequest::Method::kGet;
    request.target = "/events?after=3";
    Requester requester;
    requester.peer = &peer;
    const auto refusal = CheckHead(request, requester);
    if (!refusal) return 200;
    EXPECT_EQ(refusal->error.word, "ACCESS_DENIED");
    EXPECT_FALSE(refusal->error.remedy.empty());
    return refusal->status;
  };
  for (const Role role : {Role::kAuditor, Role::kOperator, Role::kAdministrator})
    EXPECT_EQ(status(role), 200);
  for (const Role role : {Role::kNone, Role::kMetrics, Role::kService})
    EXPECT_EQ(status(role), 403);
}

TEST(EventStream, OverTlsWithACertificateAndNotWithoutNorForOtherSites) {
  TestServer* made = nullptr;
  const std::string base =
      std::filesystem::temp_directory_path() / ("signet-ev" + std::to_string(getpid()));
  Shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout " + base + ".key -out " + base +
        ".pem -days 30 -subj /CN=reader -addext extendedKeyUsage=clientAuth");
  std::string print = Shell("openssl x509 -in " + base + ".pem -outform DER | sha256sum");
  print.resize(64);
  {
    TestServer server([&](ServerOptions& options) {
      ClientCertificate client;
      client.fingerprint = print;
      client.name = "reader";
      client.role = "auditor";
      options.clients = {client};
    });
    made = &server;
    server.server().tls()->UseIdentity(server.Identity());
    Tell(server, 1, 3);
    const std::string url =
        " https://127.0.0.1:" + std::to_string(made->port()) + "/events?after=1";
    const std::string mine = " --cert " + base + ".pem --key " + base + ".key";
    EXPECT_THAT(Shell("curl -skN -m 2" + mine + url),
                testing::AllOf(HasSubstr("id: 2\n"), HasSubstr("id: 3\n")));
    EXPECT_THAT(Shell("curl -skN -m 5" + url), HasSubstr("ACCESS_DENIED"));
    EXPECT_THAT(Shell("curl -skN -m 5 -H 'Origin: https://evil.example'" + mine + url),
                HasSubstr("ORIGIN_REFUSED"));
    EXPECT_THAT(Shell("curl -skN -m 5 -H 'Host: evil.example'" + mine + url),
                HasSubstr("HOST_UNKNOWN"));
    // A daemon that stops ends it at once.
    std::thread reader([&] { Shell("curl -skN -m 20" + mine + url); });
    std::this_thread::sleep_for(milliseconds(500));
    const auto begin = std::chrono::steady_clock::now();
    server.Stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(1500));
    reader.join();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  }
  Shell("rm -f " + base + ".pem " + base + ".key");
}

TEST(EventStream, SignsOfLifeComeWhileNothingHappens) {
  TestServer server(
      [](ServerOptions& options) { options.local.http.heartbeat = milliseconds(100); });
  Reader reader(server, "?after=0");
  EXPECT_EQ(reader.Block(), "retry: 2000");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.Block(), ": ");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(250));
  Tell(server, 1, 1);
  EXPECT_EQ(reader.Texts(1), Named(1, 1));
}

TEST(EventStream, AtMostThirtyTwoAreOpenAndPlacesComeBack) {
  TestServer server;
  std::vector<std::unique_ptr<Reader>> readers;
  for (std::size_t i = 0; i < kMaxEventStreams; ++i) {
    readers.push_back(std::make_unique<Reader>(server));
    ASSERT_EQ(readers.back()->status(), 200) << i;
  }
  Reader refused(server);
  EXPECT_EQ(refused.status(), 503);
  EXPECT_THAT(refused.rest(), HasSubstr("STREAMS_EXHAUSTED"));
  // Other requests are served meanwhile.
  RawClient client = RawClient::Unix(server.socket());
  client.Send(Post(R"({"jsonrpc":"2.0","id":1,"method":"test.echo"})"));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
  // The end of a reader is seen at once, not with the next sign of life.
  readers.pop_back();
  int status = 0;
  for (int i = 0; i < 50 && status != 200; ++i) {
    std::this_thread::sleep_for(milliseconds(20));
    status = Reader(server).status();
  }
  EXPECT_EQ(status, 200);
}

TEST(EventStream, OneThatDoesNotReadIsClosedAndDelaysNobody) {
  TestServer server([](ServerOptions& options) {
    options.local.http.write = milliseconds(500);
    options.local.http.sweep = milliseconds(50);
  });
  Reader lazy(server, "?after=0");
  Reader eager(server, "?after=0");
  json::object details;
  details["much"] = std::string(15'000, 'x');
  for (int i = 1; i <= 200; ++i)
    server.events().Tell("token", "event " + std::to_string(i), details);
  EXPECT_EQ(eager.Texts(200), Named(1, 200));
  server.SettleEvents();
  std::this_thread::sleep_for(milliseconds(1500));
  // What the kernel held comes, then the end, in the middle of something.
  const std::vector<std::string> got = lazy.Events(200);
  EXPECT_LT(got.size(), 200u);
}

TEST(EventStream, AReaderThatTalksIsNotHeardForEver) {
  TestServer server;
  Reader reader(server);
  const std::string noise(1000, 'x');
  bool sent = true;
  for (int i = 0; i < 2000 && sent; ++i) sent = reader.client().Send(noise);
  EXPECT_FALSE(sent) << "two megabytes were taken";
}

TEST(EventStream, EndsAtOnceWhenTheDaemonStops) {
  TestServer server;
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 10; ++i) readers.push_back(std::make_unique<Reader>(server));
  const auto begin = std::chrono::steady_clock::now();
  server.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(1500));
  for (const auto& reader : readers) EXPECT_THAT(reader->Events(1), IsEmpty());
}

TEST(EventStream, AClientOfHttp10IsServedToo) {
  TestServer server;
  Tell(server, 1, 1);
  RawClient client = RawClient::Unix(server.socket());
  client.Send("GET /events?after=0 HTTP/1.0\r\n\r\n");
  std::string all;
  while (all.find("event 1") == std::string::npos) {
    const std::string piece = client.ReadSome();
    if (piece.empty()) break;
    all += piece;
  }
  EXPECT_EQ(StatusOf(all), 200);
  EXPECT_THAT(all, HasSubstr("event 1"));
}

}  // namespace
}  // namespace signet::rpc
