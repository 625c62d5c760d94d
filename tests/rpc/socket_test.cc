// The Unix socket with raw bytes: framing, limits, deadlines, lifetimes.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "rpc/session_registry.h"
#include "tests/rpc/test_server.h"

namespace signet::rpc {
namespace {

using std::chrono::milliseconds;
constexpr char kEcho[] = R"({"jsonrpc":"2.0","id":1,"method":"test.echo","params":{"text":"hi"}})";
constexpr char kHead[] =
    "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

void ShortDeadlines(ServerOptions& options) {
  for (HttpOptions* http : {&options.local.http, &options.tls->http}) {
    http->handshake = http->header = http->body = milliseconds(300);
    http->write = http->idle = milliseconds(400);
    http->linger = milliseconds(100);
    http->sweep = milliseconds(20);
  }
}

std::string Once(TestServer& server, std::string_view bytes) {
  RawClient client = RawClient::Unix(server.socket());
  client.Send(bytes);
  return client.ReadResponse();
}

TEST(UnixSocket, TheDaemonsOwnUserIsAdministrator) {
  TestServer server;
  const std::string response = Once(server, Post(kEcho));
  EXPECT_EQ(StatusOf(response), 200);
  const json::value body = BodyOf(response);
  EXPECT_EQ(body.at("result").at("role").as_string(), "administrator");
  EXPECT_EQ(body.at("result").at("text").as_string(), "hi");
}

TEST(UnixSocket, AnswersCarryTheSecurityFieldsAndARequestId) {
  TestServer server;
  const std::string response = Once(server, Post(kEcho));
  for (const char* field :
       {"X-Content-Type-Options: nosniff\r\n", "Cache-Control: no-store\r\n",
        "X-Request-Id: ", "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
        "Date: ", "Content-Type: application/json\r\n"}) {
    EXPECT_NE(response.find(field), std::string::npos) << field;
  }
}

TEST(UnixSocket, HealthFollowsTheAppliance) {
  TestServer server;
  RawClient client = RawClient::Unix(server.socket());
  const auto get = [&](const std::string& path) {
    client.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client.ReadResponse();
  };
  EXPECT_EQ(StatusOf(get("/health/alive")), 200);
  EXPECT_EQ(StatusOf(get("/health/ready")), 200);
  server.ready = false;
  EXPECT_EQ(StatusOf(get("/health/ready")), 503);
  EXPECT_EQ(BodyOf(get("/health/state")).at("state").as_string(), "operational");
  server.state = hsm::TokenState::kLocked;
  EXPECT_EQ(BodyOf(get("/health/state")).at("state").as_string(), "locked");
}

TEST(UnixSocket, DiscoveryDescribesEveryMethodOfTheRole) {
  TestServer server;
  const json::value answer =
      BodyOf(Once(server, Post(R"({"jsonrpc":"2.0","id":1,"method":"rpc.discover"})")));
  const json::value& document = answer.at("result");
  EXPECT_EQ(document.at("openrpc").as_string(), "1.2.6");
  bool found = false;
  for (const json::value& method : document.at("methods").as_array()) {
    if (method.at("name").as_string() != "test.slow") continue;
    found = true;
    EXPECT_EQ(method.at("params").at(0).at("name").as_string(), "milliseconds");
    EXPECT_TRUE(method.at("params").at(0).at("required").as_bool());
    EXPECT_EQ(method.at("x-effect").as_string(), "read");
    EXPECT_EQ(method.at("x-roles").as_array().size(), 4u);
    EXPECT_EQ(method.at("result").at("schema").at("type").as_string(), "object");
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(document.at("methods").as_array().size(), TestMethods().all().size() + 1);
}

struct Case {
  const char* name;
  std::string bytes;
  int status;
};

TEST(UnixSocket, Abuse74AmbiguousFramingIsRefusedAndTheConnectionEnds) {
  TestServer server;
  const std::string head = kHead;
  const Case cases[] = {
      {"both", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"both, other order",
       head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {"length twice", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400},
      {"lengths differ", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400},
      {"length list", head + "Content-Length: 2, 2\r\n\r\n{}", 400},
      {"negative length", head + "Content-Length: -1\r\n\r\n", 400},
      {"signed length", head + "Content-Length: +2\r\n\r\n{}", 400},
      {"hex length", head + "Content-Length: 0x2\r\n\r\n{}", 400},
      {"huge length", head + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"encoding twice",
       head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"other encoding", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {"unknown encoding", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
      {"chunked in 1.0", "POST /rpc HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"space before colon", head + "Content-Length : 2\r\n\r\n{}", 400},
      {"bare line feeds", "GET /health/alive HTTP/1.1\nHost: x\n\n", 400},
      {"NUL in a field", head + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
      {"host twice", "GET /health/alive HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"bad chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"body on GET", "GET /health/alive HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400},
  };
  for (const Case& one : cases) {
    RawClient client = RawClient::Unix(server.socket());
    client.Send(one.bytes);
    shutdown(client.fd(), SHUT_WR);
    const std::string response = client.ReadToEnd();
    EXPECT_EQ(StatusOf(response), one.status) << one.name << "\n" << response;
    EXPECT_EQ(response.find("X-Request-Id"), response.rfind("X-Request-Id"))
        << one.name << ": answered twice";
  }
}

TEST(UnixSocket, Abuse74ChunkedBodiesWork) {
  TestServer server;
  const std::string body = kEcho;
  std::string bytes = std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n";
  for (const char c : body) bytes += std::string("1;x=y\r\n") + c + "\r\n";
  const std::string response = Once(server, bytes + "0\r\nHost: trailer\r\n\r\n");
  EXPECT_EQ(BodyOf(response).at("result").at("text").as_string(), "hi");
}

// Beast 1.81 asserts when the last chunk comes in pieces of fewer than five octets.
TEST(UnixSocket, LastChunkMayComeOctetByOctet) {
  TestServer server;
  const std::string head = std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n";
  char size[16];
  std::snprintf(size, sizeof size, "%zx", std::string(kEcho).size());
  const std::string body = std::string(size) + "\r\n" + kEcho + "\r\n";
  for (const std::string& before : {head + body, head}) {
    RawClient client = RawClient::Unix(server.socket());
    client.Send(before + "0\r\n");
    for (const char* octet : {"\r", "\n"}) {
      usleep(50'000);  // so that each is read by itself
      client.Send(octet);
    }
    EXPECT_EQ(StatusOf(client.ReadResponse()), 200) << before.size();
  }
}

TEST(UnixSocket, Abuse74And86LimitsOfBodyHeadAndTarget) {
  TestServer server;
  const std::string head = kHead;
  EXPECT_EQ(StatusOf(Once(server, head + "Content-Length: 75497473\r\n\r\n")), 413);
  EXPECT_EQ(StatusOf(Once(server, head + "X: " + std::string(1 << 20, 'a') + "\r\n\r\n")), 431);
  EXPECT_EQ(StatusOf(Once(server, "GET /" + std::string(1 << 20, 'a') + " HTTP/1.1\r\n\r\n")), 431);
  EXPECT_EQ(StatusOf(Once(server, "GET /" + std::string(4000, 'a') + " HTTP/1.1\r\n\r\n")), 414);
  std::string chunks = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 5; ++i) chunks += "100000\r\n" + std::string(1 << 20, 'a') + "\r\n";
  EXPECT_EQ(StatusOf(Once(server, chunks)), 413);
  std::string text = R"({"jsonrpc":"2.0","id":1,"method":"test.echo","params":{"text":")";
  text += std::string((4u << 20) - text.size() - 3, 'a') + "\"}}";
  ASSERT_EQ(text.size(), 4u << 20);
  EXPECT_EQ(StatusOf(Once(server, Post(text))), 200);
}

std::string Large(const std::string& method) {
  return R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":{"text":")" +
         std::string(5u << 20, 'a') + "\"}}";
}

TEST(UnixSocket, LargeBodyIsForTheMethodsThatNeedIt) {
  TestServer server;
  EXPECT_EQ(StatusOf(Once(server, Post(Large("test.large")))), 200);
  const std::string refused = Once(server, Post(Large("test.echo")));
  EXPECT_EQ(StatusOf(refused), 200);
  EXPECT_NE(refused.find("BODY_TOO_LARGE"), std::string::npos);
  EXPECT_NE(Once(server, Post("[" + Large("test.large") + "]")).find("BODY_TOO_LARGE"),
            std::string::npos);
}

TEST(UnixSocket, OneLargeBodyAtATime) {
  TestServer server;
  const std::string request = Post(Large("test.large"));
  {
    RawClient first = RawClient::Unix(server.socket());
    ASSERT_TRUE(first.Send(request.substr(0, request.size() / 2)));
    std::string second;
    for (int i = 0; i < 100 && StatusOf(second) != 503; ++i)
      second = Once(server, std::string(kHead) + "Content-Length: 5242880\r\n\r\n");
    EXPECT_EQ(StatusOf(second), 503);
    EXPECT_NE(second.find("LARGE_REQUEST_BUSY"), std::string::npos);
    EXPECT_EQ(StatusOf(Once(server, Post(kEcho))), 200);
    ASSERT_TRUE(first.Send(request.substr(request.size() / 2)));
    EXPECT_EQ(StatusOf(first.ReadResponse()), 200);
  }
  // What its place was given back for: another one, also after one that broke off.
  RawClient::Unix(server.socket()).Send(request.substr(0, request.size() / 2));
  std::string last;
  for (int i = 0; i < 200 && StatusOf(last) != 200; ++i) last = Once(server, request);
  EXPECT_EQ(StatusOf(last), 200);
}

TEST(UnixSocket, ABodyIsWaitedForAfter100Continue) {
  TestServer server;
  RawClient client = RawClient::Unix(server.socket());
  const std::string request = Post(kEcho, "Expect: 100-continue\r\n");
  const std::size_t end = request.find("\r\n\r\n") + 4;
  client.Send(request.substr(0, end));
  EXPECT_EQ(client.ReadResponse(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(request.substr(end));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
}

TEST(UnixSocket, Abuse75OnlyJsonIsTaken) {
  TestServer server;
  const auto with = [&](const std::string& type) {
    return StatusOf(Once(server, "POST /rpc HTTP/1.1\r\nHost: x\r\n" + type + "Content-Length: " +
                                     std::to_string(std::string(kEcho).size()) + "\r\n\r\n" +
                                     kEcho));
  };
  EXPECT_EQ(with("Content-Type: text/plain\r\n"), 415);
  EXPECT_EQ(with("Content-Type: application/x-www-form-urlencoded\r\n"), 415);
  EXPECT_EQ(with("Content-Type: application/json-seq\r\n"), 415);
  EXPECT_EQ(with("Content-Type: application/json; charset=latin1\r\n"), 415);
  EXPECT_EQ(with(""), 415);
  EXPECT_EQ(with("Content-Type: Application/JSON; charset=UTF-8\r\n"), 200);
}

TEST(UnixSocket, PathsAndMethodsThatDoNotExist) {
  TestServer server;
  EXPECT_EQ(StatusOf(Once(server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 404);
  EXPECT_EQ(StatusOf(Once(server, "GET /rpc/../rpc HTTP/1.1\r\nHost: x\r\n\r\n")), 404);
  const std::string wrong = Once(server, "GET /rpc HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusOf(wrong), 405);
  EXPECT_NE(wrong.find("Allow: POST\r\n"), std::string::npos);
  EXPECT_EQ(StatusOf(Once(server, "DELETE /health/alive HTTP/1.1\r\nHost: x\r\n\r\n")), 405);
  EXPECT_EQ(StatusOf(Once(server, "OPTIONS /rpc HTTP/1.1\r\nHost: x\r\n\r\n")), 405);
}

TEST(UnixSocket, IdempotencyKeysAreChecked) {
  TestServer server;
  EXPECT_EQ(
      StatusOf(Once(server, Post(kEcho, "Idempotency-Key: " + std::string(129, 'k') + "\r\n"))),
      400);
  EXPECT_EQ(StatusOf(Once(server, Post(kEcho, "Idempotency-Key: a b\r\n"))), 400);
  EXPECT_EQ(StatusOf(Once(server, Post(kEcho, "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"))),
            400);
  const std::string change =
      R"({"jsonrpc":"2.0","id":1,"method":"test.change","params":{"text":"a"}})";
  const std::string first = Once(server, Post(change, "idempotency-key: abc\r\n"));
  EXPECT_EQ(BodyOf(Once(server, Post(change, "Idempotency-Key: abc\r\n"))), BodyOf(first));
  EXPECT_EQ(server.changes->Runs().size(), 1u);
}

TEST(UnixSocket, Abuse80PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  RawClient client = RawClient::Unix(server.socket());
  std::string all;
  for (int i = 0; i < 300; ++i) {
    all += Post(R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"method":"test.echo"})");
    all += "GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  std::thread sender([&] { client.Send(all); });
  for (int i = 0; i < 300; ++i) {
    const std::string response = client.ReadResponse();
    ASSERT_EQ(StatusOf(response), 200);
    EXPECT_EQ(BodyOf(response).at("id").as_int64(), i);
    EXPECT_TRUE(BodyOf(client.ReadResponse()).at("alive").as_bool());
  }
  sender.join();
}

TEST(UnixSocket, Abuse80AClientThatNeverReadsIsClosed) {
  TestServer server(ShortDeadlines);
  RawClient client = RawClient::Unix(server.socket());
  const timeval wait{3, 0};
  setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
  std::string many;
  for (int i = 0; i < 10000; ++i) many += "GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n";
  bool open = true;
  for (int i = 0; i < 50 && open; ++i) open = client.Send(many);
  EXPECT_FALSE(open);
}

TEST(UnixSocket, Abuse81SlowHeadsAndBodiesMeetTheDeadline) {
  TestServer server(ShortDeadlines);
  const std::string request = Post(kEcho);
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, request.find("\r\n\r\n") + 10}) {
    RawClient client = RawClient::Unix(server.socket());
    client.Send(request.substr(0, at));
    const auto start = std::chrono::steady_clock::now();
    std::thread drip([&] {
      for (std::size_t i = at; i < at + 20; ++i) {
        if (at > 0 && !client.Send(request.substr(i, 1))) return;
        std::this_thread::sleep_for(milliseconds(50));
      }
    });
    EXPECT_EQ(client.ReadToEnd(), "");
    EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1000));
    drip.join();
  }
}

TEST(UnixSocket, AnIdleConnectionEndsAndABusyOneDoesNot) {
  TestServer server(ShortDeadlines);
  RawClient client = RawClient::Unix(server.socket());
  client.Send(
      Post(R"({"jsonrpc":"2.0","id":1,"method":"test.slow","params":{"milliseconds":900}})"));
  EXPECT_EQ(StatusOf(client.ReadResponse()), 200);
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(UnixSocket, Abuse82AClientThatLeavesDoesNotStopItsChange) {
  TestServer server;
  {
    RawClient client = RawClient::Unix(server.socket());
    client.Send(Post(R"({"jsonrpc":"2.0","id":1,"method":"test.change"})"));
  }
  {
    RawClient client = RawClient::Unix(server.socket());
    client.Send(
        Post(R"({"jsonrpc":"2.0","id":1,"method":"test.slow","params":{"milliseconds":50}})"));
  }
  for (int i = 0; i < 100 && server.changes->Runs().empty(); ++i)
    std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(server.changes->Runs().size(), 1u);
  EXPECT_EQ(StatusOf(Once(server, Post(kEcho))), 200);
}

TEST(UnixSocket, Abuse85CapsPerUserAreKept) {
  TestServer server([](ServerOptions& options) { options.local.per_user = 4; });
  std::vector<RawClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(RawClient::Unix(server.socket()));
    clients.back().Send("GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(StatusOf(clients.back().ReadResponse()), 200);
  }
  RawClient more = RawClient::Unix(server.socket());
  EXPECT_EQ(StatusOf(more.ReadToEnd()), 503);
  clients.clear();
  for (int i = 0; i < 100; ++i) {
    RawClient again = RawClient::Unix(server.socket());
    again.Send("GET /health/alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    if (StatusOf(again.ReadToEnd()) == 200) return;
    std::this_thread::sleep_for(milliseconds(10));
  }
  FAIL() << "places are not given back";
}

TEST(ConnectionCaps, AReserveIsKeptForThePrivileged) {
  ConnectionCaps caps(4, 10, 2);
  const auto a = caps.Take("1", false);
  auto b = caps.Take("2", false);
  EXPECT_NE(b, nullptr);
  EXPECT_EQ(caps.Take("3", false), nullptr);
  const auto c = caps.Take("0", true);
  const auto d = caps.Take("0", true);
  EXPECT_NE(d, nullptr);
  EXPECT_EQ(caps.Take("0", true), nullptr);
  b.reset();
  EXPECT_NE(caps.Take("0", true), nullptr);
}

TEST(UnixSocket, Abuse87AnUnknownLocalUserIsTurnedAwayBeforeItsBodyAndNoted) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  TestServer server;
  chmod(server.directory().c_str(), 0755);
  chmod(server.socket().c_str(), 0666);
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(54321) != 0 || setuid(54321) != 0) _exit(2);
    RawClient client = RawClient::Unix(server.socket());
    client.Send(std::string(kHead) + "Content-Length: 1000\r\n\r\n");  // no body follows
    const std::string response = client.ReadResponse();
    [[maybe_unused]] const ssize_t count = write(pipes[1], response.data(), response.size());
    _exit(0);
  }
  close(pipes[1]);
  std::string response(8192, '\0');
  const ssize_t count = read(pipes[0], response.data(), response.size());
  response.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  close(pipes[0]);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(StatusOf(response), 403);
  EXPECT_EQ(BodyOf(response).at("error").at("data").at("code").as_string(), "ACCESS_DENIED");
  for (int i = 0; i < 100 && server.changes->Refusals().empty(); ++i)
    std::this_thread::sleep_for(milliseconds(10));
  ASSERT_EQ(server.changes->Refusals().size(), 1u);
  EXPECT_EQ(server.changes->Refusals()[0].actor, "uid:54321");
  EXPECT_NE(server.changes->Refusals()[0].detail.find("process " + std::to_string(child)),
            std::string::npos);
}

TEST(UnixSocket, StoppingLetsARunningRequestEndAndClosesIdleOnes) {
  TestServer server;
  RawClient idle = RawClient::Unix(server.socket());
  idle.Send("GET /health/alive HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.ReadResponse();
  RawClient busy = RawClient::Unix(server.socket());
  busy.Send(Post(R"({"jsonrpc":"2.0","id":1,"method":"test.slow","params":{"milliseconds":400}})"));
  std::this_thread::sleep_for(milliseconds(100));
  std::thread stopper([&] { server.Stop(); });
  EXPECT_EQ(idle.ReadToEnd(), "");
  const std::string response = busy.ReadToEnd();
  EXPECT_EQ(StatusOf(response), 200);
  EXPECT_NE(response.find("Connection: close"), std::string::npos);
  stopper.join();
}

TEST(UnixSocket, StoppingInsistsWhenARequestDoesNotEnd) {
  TestServer server([](ServerOptions& options) { options.grace = milliseconds(200); });
  RawClient busy = RawClient::Unix(server.socket());
  busy.Send(
      Post(R"({"jsonrpc":"2.0","id":1,"method":"test.slow","params":{"milliseconds":60000}})"));
  std::this_thread::sleep_for(milliseconds(100));
  const auto start = std::chrono::steady_clock::now();
  server.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  EXPECT_EQ(busy.ReadToEnd(), "");
}

}  // namespace
}  // namespace signet::rpc
