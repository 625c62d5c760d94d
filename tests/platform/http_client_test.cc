#include "platform/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

namespace signet {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Answers one connection on a Unix socket with prepared octets.
class OneAnswer {
 public:
  explicit OneAnswer(std::function<void(int)> answer) {
    std::string name = (std::filesystem::temp_directory_path() / "signet-http-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 1) != 0) {
      std::abort();
    }
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int fd = ::accept(listener_, nullptr, nullptr);
      char buffer[4096];
      const ssize_t got = ::read(fd, buffer, sizeof buffer);
      if (got > 0) request_.assign(buffer, static_cast<std::size_t>(got));
      answer(fd);
      ::close(fd);
    });
  }
  ~OneAnswer() {
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/s"; }
  std::string Request() {
    thread_.join();
    return request_;
  }

 private:
  std::string folder_;
  int listener_ = -1;
  std::string request_;
  std::thread thread_;
};

std::function<void(int)> Say(std::string text) {
  return [text = std::move(text)](int fd) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  };
}

HttpTarget Unix(const std::string& path) {
  HttpTarget target;
  target.unix_socket = path;
  target.url = "http://localhost";
  return target;
}

TEST(HttpClient, PostsOverAUnixSocket) {
  OneAnswer server(Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope"));
  const auto response = HttpPost(Unix(server.path()), "/rpc", "application/json", "{\"a\":1}", 5s);
  ASSERT_TRUE(response) << response.error().ToString();
  EXPECT_EQ(response.value().status, 403);
  EXPECT_EQ(response.value().body, "nope");
  const std::string request = server.Request();
  EXPECT_THAT(request, StartsWith("POST /rpc HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\n\r\n{\"a\":1}"));
}

TEST(HttpClient, HeadersOfTheTargetAreSentButNeverSplit) {
  OneAnswer server(Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  HttpTarget target = Unix(server.path());
  target.headers = {"Idempotency-Key: 1\r\nX-Forged: 1"};
  EXPECT_EQ(HttpGet(target, "/", 5s).error().word, "BAD_ADDRESS");
  target.headers = {"Idempotency-Key: 1", "X-Other: 2"};
  ASSERT_TRUE(HttpGet(target, "/", 5s));
  const std::string request = server.Request();
  EXPECT_THAT(request, HasSubstr("Idempotency-Key: 1\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Other: 2\r\n"));
}

TEST(HttpClient, RedirectsAreNotFollowed) {
  OneAnswer server(
      Say("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"));
  const auto response = HttpGet(Unix(server.path()), "/health", 5s);
  ASSERT_TRUE(response);
  EXPECT_EQ(response.value().status, 302);
}

TEST(HttpClient, NobodyThereIsUnreachableWithARemedy) {
  const auto response = HttpGet(Unix("/nonexistent/signetd.sock"), "/", 5s);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Kind::kUnreachable);
  EXPECT_EQ(response.error().word, "UNREACHABLE");
  EXPECT_THAT(response.error().remedy, HasSubstr("Is signetd running?"));
  EXPECT_THAT(response.error().detail, HasSubstr("/nonexistent/signetd.sock"));
}

TEST(HttpClient, OtherProtocolsAreRefused) {
  for (const char* url : {"file:///etc/passwd", "ftp://localhost", "http://[bad"}) {
    HttpTarget target;
    target.url = url;
    const auto response = HttpGet(target, "", 5s);
    ASSERT_FALSE(response) << url;
    EXPECT_EQ(response.error().word, "BAD_ADDRESS") << url;
  }
}

TEST(HttpClient, ASilentServerTimesOut) {
  OneAnswer server([](int) { std::this_thread::sleep_for(300ms); });
  const auto response = HttpGet(Unix(server.path()), "/", 100ms);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Kind::kTimeout);
}

TEST(HttpClient, ABrokenAnswerIsAnError) {
  OneAnswer server(Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"));
  const auto response = HttpGet(Unix(server.path()), "/", 5s);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().word, "HTTP_FAILED");
}

TEST(HttpClient, AnAnswerWithoutEndIsCutOff) {
  OneAnswer server([](int fd) {
    const std::string head = "HTTP/1.1 200 OK\r\n\r\n";
    ::send(fd, head.data(), head.size(), MSG_NOSIGNAL);
    const std::string block(1 << 20, 'x');
    while (::send(fd, block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  const auto response = HttpGet(Unix(server.path()), "/", 30s);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().word, "RESPONSE_TOO_LARGE");
}

}  // namespace
}  // namespace signet
