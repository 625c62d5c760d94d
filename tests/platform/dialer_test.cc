#include "platform/dialer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/platform/tls_peer.h"

namespace signet {
namespace {

using namespace std::chrono_literals;
using namespace signet::testing;
using Io = Connection::Io;

Connection Connect(const Listener& listener, Duration limit) {
  const TlsFetchRequest request = RequestTo("127.0.0.1", listener.port());
  auto connection = Dial(request.target, request.policy, std::chrono::steady_clock::now() + limit);
  if (!connection) std::abort();
  return std::move(connection).value();
}

TEST(Dialer, WritingToAPeerThatIsGoneIsAnEndAndNoSignal) {
  const Listener listener;
  Connection connection = Connect(listener, 20s);
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
  Connection connection = Connect(listener, 20s);
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
  Connection connection = Connect(listener, 300ms);
  const int peer = listener.Accept();
  EXPECT_EQ(connection.Send(std::string(64u << 20, 'x')), Io::kTimedOut);
  ::close(peer);
}

}  // namespace
}  // namespace signet
