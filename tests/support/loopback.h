// Sockets and ports on 127.0.0.1, for tests that play a server or want a port for one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

namespace signet::testing {

// A listening socket on a port that the system chose; callers wait in its queue until somebody
// accepts them.
class Listener {
 public:
  Listener();
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const { return port_; }
  std::string at() const { return "127.0.0.1:" + std::to_string(port_); }
  // Whether somebody calls within the limit, or waits already.
  bool Called(std::chrono::milliseconds limit) const;
  int Accept() const;     // a descriptor, -1 after ShutDown
  void ShutDown() const;  // ends an Accept in another thread

 private:
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

// Accepts whoever calls, says the same to everybody and hangs up; with nothing to say it keeps the
// caller waiting.
class AnsweringServer {
 public:
  enum class When { kAtOnce, kWhenAsked };  // kWhenAsked: after something was received
  explicit AnsweringServer(std::string answer, When when = When::kAtOnce);
  ~AnsweringServer();
  std::uint16_t port() const { return listener_.port(); }
  std::string at() const { return listener_.at(); }

 private:
  void Serve(int caller) const;

  const std::string answer_;
  const When when_;
  Listener listener_;
  std::thread thread_;
};

// A port on which nobody listens (for a moment at least).
std::uint16_t FreePort();

// A connection to the port, with ten seconds' patience for each reading; -1 and errno when refused.
int ConnectTo(std::uint16_t port);
bool ListensOn(std::uint16_t port);

}  // namespace signet::testing
