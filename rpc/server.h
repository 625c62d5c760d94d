// The wire as a whole: methods, gate, the Unix socket and, when configured, TLS.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rpc/endpoint.h"
#include "rpc/gate.h"
#include "rpc/tls_listener.h"
#include "rpc/unix_listener.h"

namespace signet::rpc {

struct ServerOptions {
  UnixOptions local;
  std::optional<TlsOptions> tls;
  LocalRoles roles;
  std::vector<ClientCertificate> clients;
  Duration grace = std::chrono::seconds(5);  // for requests that run when the server stops
};

// Calls and the Unix socket run on the main loop, which the caller runs in one thread; TLS has a
// thread of its own. Made and destroyed on the main loop's thread, or while nobody runs it; destroy
// the server before the loop, and what the methods use after both.
class Server {
 public:
  // `changes` outlives the server. Binds all listeners. Errors of UnixListener::Open,
  // TlsListener::Open and RemoteClients::Make.
  static Result<std::unique_ptr<Server>> Open(boost::asio::io_context& main, ServerOptions options,
                                              MethodTable methods, services::ChangeRunner& changes,
                                              ApplianceView view, const Clock& clock);
  ~Server();

  void Start();
  // Two phases: no new connections, idle ones end, running requests get `grace`; then all end.
  boost::asio::awaitable<void> Stop();

  // Null when there is no TLS side.
  TlsListener* tls() { return tls_.get(); }
  // "https://127.0.0.1:4711"; empty without TLS.
  std::string url() const;

 private:
  Server(ServerOptions options, MethodTable methods, services::ChangeRunner& changes,
         ApplianceView view);

  ServerOptions options_;
  MethodTable methods_;
  ApplianceView view_;
  Gate gate_;
  Endpoint endpoint_;
  std::unique_ptr<UnixListener> local_;
  std::unique_ptr<TlsListener> tls_;
};

}  // namespace signet::rpc
