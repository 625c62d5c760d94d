// The TLS side: remote administration. It has a loop and a thread of its own, because a handshake
// signs with the token inside OpenSSL: a token that hangs stops this thread and nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "rpc/authentication.h"
#include "rpc/http_options.h"
#include "rpc/unix_listener.h"

namespace signet::rpc {

struct TlsOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;          // 0: any
  std::vector<std::string> hosts;  // names it may be called by, beside `address` and localhost
  std::size_t max_connections = 1024;
  std::size_t per_address = 64;
  HttpOptions http;
};

// Thread-safe but for Open, Start and the destructor.
class TlsListener {
 public:
  // Binds. kUsage LISTEN_ADDRESS_INVALID; kUnavailable and kConflict of the bind.
  static Result<std::unique_ptr<TlsListener>> Open(boost::asio::io_context& main,
                                                   TlsOptions options, Service service,
                                                   RemoteClients clients, const Clock& clock);
  // Stops at once. A thread that hangs in a token's module is left behind after 5 seconds.
  ~TlsListener();

  void Start();
  std::uint16_t port() const;

  // For handshakes from now on. An identity that cannot be used is logged and changes nothing.
  void UseIdentity(ServerIdentity identity);
  // No identity from now on: handshakes fail with an alert, those under way are ended, and nothing
  // here refers to the key any more once this thread has seen it.
  void DropIdentity();
  // Stops accepting; sessions end after the answer they make. `AbortAll` insists.
  void Drain();
  void AbortAll();
  std::size_t sessions() const;

  struct Core;  // of the implementation

 private:
  explicit TlsListener(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Core> core_;
  std::thread thread_;
};

}  // namespace signet::rpc
