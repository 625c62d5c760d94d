// A real server in this process, with a small table of methods, and raw clients for it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/json.h"
#include "rpc/server.h"
#include "services/events.h"
#include "tests/rpc/fake_changes.h"

namespace signet::rpc {

// Rows: test.echo, test.large, test.read, test.change, test.administer, test.sign, test.local,
// test.token, test.slow {milliseconds}, test.defect, test.refuse, test.unlock {pin}, metrics-free.
MethodTable TestMethods();

class TestServer {
 public:
  explicit TestServer(std::function<void(ServerOptions&)> adjust = {});
  ~TestServer();

  const std::string& directory() const { return directory_; }
  std::string socket() const { return directory_ + "/rpc.sock"; }
  Server& server() { return *server_; }
  std::uint16_t port() { return server_->tls()->port(); }
  void Stop();

  // The certificate and key that openssl made, as the listener wants them.
  ServerIdentity Identity(const std::string& name = "server");
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  std::atomic<hsm::TokenState> state{hsm::TokenState::kOperational};
  std::atomic<bool> ready{true};
  std::shared_ptr<ChangeMemory> changes = std::make_shared<ChangeMemory>();

  services::Events& events() { return *events_; }
  // What was told is stored.
  void SettleEvents();
  // The node log's file; for tests that put something into it while nobody tells anything.
  std::string NodeLogFile() const { return directory_ + "/node.db"; }
  // Server, events and log end; then they begin anew in the same folder.
  void Restart(const std::function<void()>& meanwhile = {});

 private:
  void Begin(bool first);

  std::function<void(ServerOptions&)> adjust_;
  std::string directory_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<keystore::NodeLog> log_;
  std::unique_ptr<services::Events> events_;
  boost::asio::io_context main_{1};
  std::unique_ptr<Lane> lane_;
  std::unique_ptr<services::ChangeRunner> runner_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  bool stopped_ = false;  // or never begun
};

// One raw connection. Reads wait at most 10 seconds.
class RawClient {
 public:
  static RawClient Unix(const std::string& path);
  static RawClient Tcp(std::uint16_t port);
  RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~RawClient();

  bool Send(std::string_view bytes);
  std::string ReadSome();      // empty at the end or after the wait
  std::string ReadToEnd();     // until the server closes
  std::string ReadResponse();  // one response with Content-Length (or 204)
  int fd() const { return fd_; }

 private:
  explicit RawClient(int fd) : fd_(fd) {}
  int fd_;
  std::string left_;
};

std::string Post(std::string_view body, std::string_view extra_headers = "");
int StatusOf(std::string_view response);
json::value BodyOf(std::string_view response);

// Runs a shell command; its output, standard error included.
std::string Shell(const std::string& command);

}  // namespace signet::rpc
