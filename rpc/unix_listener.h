// The Unix socket for local administration. Runs on the main loop; peers are known by SO_PEERCRED.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "rpc/authentication.h"
#include "rpc/endpoint.h"
#include "rpc/http_options.h"

namespace signet::rpc {

struct UnixOptions {
  std::string path;
  std::string group;  // of the socket file; empty: the daemon's own
  std::size_t max_connections = 512;
  std::size_t per_user = 128;
  std::size_t reserve = 16;  // connections that only root and the daemon's user get
  HttpOptions http;
};

// What a listener serves, and for whom. All of it outlives the loop.
struct Service {
  Endpoint& endpoint;
  const ApplianceView& view;
};

// On the main loop's thread, but for Open.
class UnixListener {
 public:
  // Errors of UnixSocketFile::Listen.
  static Result<std::unique_ptr<UnixListener>> Open(boost::asio::io_context& main,
                                                    UnixOptions options, Service service,
                                                    LocalUsers users);
  ~UnixListener();

  void Start();
  void StopAccepting();
  void DrainAll();  // sessions end after the answer they make
  void AbortAll();
  std::size_t sessions() const;

 private:
  struct Impl;
  explicit UnixListener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace signet::rpc
