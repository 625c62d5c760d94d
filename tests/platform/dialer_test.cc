#include "platform/dialer.h"

#include <gtest/gtest.h>

#include "tests/platform/tls_peer.h"

namespace signet {
namespace {

using namespace std::chrono_literals;
using namespace signet::testing;
using Io = Connection::Io;

// A listener of this process on a port of 127.0.0.1.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&name), size) != 0 || ::listen(fd_, 4) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(name.sin_port);
  }
  ~Listener() { ::close(fd_); }
  int Accept() const { return ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); }
  Connection Connect(Duration limit) const {
    const TlsFetchRequest request = RequestTo("127.0.0.1", port_);
    auto connection =
        Dial(request.target, request.policy, std::chrono::steady_clock::now() + limit);
    if (!connection) std::abort();
    return std::move(connection).value();
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

TEST(Dialer, WritingToAPeerThatIsGoneIsAnEndAndNoSignal) {
  const Listener listener;
  Connection connection = listener.Connect(20s);
  ::close(listener.Accept());
  Io io = Io::kOk;
  for (int i = 0; i < 1000 && io == Io::kOk; ++i) {
    io = connection.Send("x");
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(io, Io::kEnd);
  EXPECT_EQ(connection.Send("x"), Io::kEnd);  // after the reset: EPIPE
}

TEST(Dialer, NoMoreOctetsAreReadThanAllowed) {
  const Listener listener;
  Connection connection = listener.Connect(20s);
  const int peer = listener.Accept();
  const std::string sent(100, 'x');
  ASSERT_EQ(::send(peer, sent.data(), sent.size(), MSG_NOSIGNAL), 100);
  std::string got;
  EXPECT_EQ(connection.Receive(got), Io::kTooLarge);  // nothing was allowed yet
  connection.AllowBytes(60);
  while (connection.Receive(got) == Io::kOk) continue;
  EXPECT_EQ(got.size(), 60u);
  connection.AllowBytes(1000);
  EXPECT_EQ(connection.Receive(got), Io::kOk);
  EXPECT_EQ(got, sent);
  ::close(peer);
  EXPECT_EQ(connection.Receive(got), Io::kEnd);
}

TEST(Dialer, APeerThatDoesNotReadDoesNotHoldTheSender) {
  const Listener listener;
  Connection connection = listener.Connect(300ms);
  const int peer = listener.Accept();
  EXPECT_EQ(connection.Send(std::string(64u << 20, 'x')), Io::kTimedOut);
  ::close(peer);
}

}  // namespace
}  // namespace signet
