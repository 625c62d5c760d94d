// What the sessions of one listener share. Types only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "rpc/endpoint.h"
#include "rpc/host_filter.h"
#include "rpc/http_options.h"
#include "rpc/session_registry.h"

namespace signet::rpc {

struct SessionContext {
  Endpoint& endpoint;
  const ApplianceView& view;
  boost::asio::io_context::executor_type main;  // where calls run
  HttpOptions options;
  HostFilter hosts;
  std::shared_ptr<SessionRegistry> registry;
};

}  // namespace signet::rpc
