#include "rpc/server.h"

#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "rpc/openrpc.h"

namespace signet::rpc {

namespace asio = boost::asio;

Server::Server(ServerOptions options, MethodTable methods, services::ChangeRunner& changes,
               ApplianceView view)
    : options_(std::move(options)),
      methods_(std::move(methods)),
      view_(std::move(view)),
      gate_(methods_, changes, view_),
      endpoint_(gate_, view_.events) {
  AddDiscovery(methods_);
}

Result<std::unique_ptr<Server>> Server::Open(asio::io_context& main, ServerOptions options,
                                             MethodTable methods, services::ChangeRunner& changes,
                                             ApplianceView view, const Clock& clock) {
  std::unique_ptr<Server> server(
      new Server(std::move(options), std::move(methods), changes, std::move(view)));
  const ServerOptions& given = server->options_;
  const Service service{server->endpoint_, server->view_};
  SIGNET_TRY(server->local_, UnixListener::Open(main, given.local, service,
                                                LocalUsers(given.roles, geteuid(), clock)));
  if (given.tls) {
    SIGNET_TRY(auto clients, RemoteClients::Make(given.clients));
    SIGNET_TRY(server->tls_,
               TlsListener::Open(main, *given.tls, service, std::move(clients), clock));
  }
  return server;
}

Server::~Server() = default;

void Server::Start() {
  local_->Start();
  if (tls_ != nullptr) tls_->Start();
}

asio::awaitable<void> Server::Stop() {
  local_->StopAccepting();
  local_->DrainAll();
  if (tls_ != nullptr) tls_->Drain();
  const auto deadline = std::chrono::steady_clock::now() + options_.grace;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (local_->sessions() + (tls_ != nullptr ? tls_->sessions() : 0) > 0 &&
         std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(std::chrono::milliseconds(10));
    co_await timer.async_wait(asio::use_awaitable);
  }
  local_->AbortAll();
  if (tls_ != nullptr) tls_->AbortAll();
}

std::string Server::url() const {
  if (tls_ == nullptr) return {};
  const std::string& address = options_.tls->address;
  const bool six = address.find(':') != std::string::npos;
  return "https://" + (six ? "[" + address + "]" : address) + ":" + std::to_string(tls_->port());
}

}  // namespace signet::rpc
