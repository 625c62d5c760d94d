#include "tests/support/loopback.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace signet::testing {
namespace {

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void Patience(int fd, int seconds) {
  const timeval limit{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

// A socket bound to a free port, and the port.
std::pair<int, std::uint16_t> Bind() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return {fd, ntohs(address.sin_port)};
}

}  // namespace

Listener::Listener() {
  std::tie(socket_, port_) = Bind();
  EXPECT_EQ(::listen(socket_, 64), 0);
}

Listener::~Listener() { ::close(socket_); }

bool Listener::Called(std::chrono::milliseconds limit) const {
  pollfd waiting{socket_, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(limit.count())) > 0;
}

int Listener::Accept() const { return ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC); }

void Listener::ShutDown() const { ::shutdown(socket_, SHUT_RDWR); }

AnsweringServer::AnsweringServer(std::string answer, When when)
    : answer_(std::move(answer)), when_(when) {
  thread_ = std::thread([this] {
    for (int caller = listener_.Accept(); caller >= 0; caller = listener_.Accept()) Serve(caller);
  });
}

AnsweringServer::~AnsweringServer() {
  listener_.ShutDown();
  thread_.join();
}

void AnsweringServer::Serve(int caller) const {
  if (answer_.empty()) return;  // the connection stays open until the process ends
  if (when_ == When::kWhenAsked) {
    Patience(caller, 2);
    char question[4096];
    static_cast<void>(!::recv(caller, question, sizeof question, 0));
  }
  static_cast<void>(!::send(caller, answer_.data(), answer_.size(), MSG_NOSIGNAL));
  ::close(caller);
}

// Below the range from which the kernel gives ports to whoever asks for any: a program that binds
// it a moment later finds it still free. Processes begin at places of their own.
std::uint16_t FreePort() {
  constexpr int kFirst = 20000;
  constexpr int kCount = 12000;
  static int next = static_cast<int>(::getpid()) * 97 % kCount;
  for (int i = 0; i < kCount; ++i) {
    const auto port = static_cast<std::uint16_t>(kFirst + next);
    next = (next + 1) % kCount;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(port);
    const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (free) return port;
  }
  ADD_FAILURE() << "no free port";
  return 0;
}

int ConnectTo(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  Patience(fd, 10);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

bool ListensOn(std::uint16_t port) {
  const int fd = ConnectTo(port);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

}  // namespace signet::testing
