// What the gate needs of services::Changes, so that it can be tested without a store.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "keystore/operation.h"
#include "platform/json.h"
#include "services/request_context.h"

namespace signet::services {
class Changes;
}

namespace signet::rpc {

// See services::Changes, whose words these are.
class ChangeRunner {
 public:
  using Work = std::function<boost::asio::awaitable<Result<json::value>>(
      std::shared_ptr<keystore::Operation> operation)>;

  virtual ~ChangeRunner() = default;
  virtual boost::asio::awaitable<Result<json::value>> Run(services::RequestContext context,
                                                          std::string method, std::string digest,
                                                          Work work) = 0;
  virtual boost::asio::awaitable<void> NoteRefused(services::RequestContext context,
                                                   std::string method, std::string digest,
                                                   Error error) = 0;
};

// The real one; `changes` outlives it.
std::unique_ptr<ChangeRunner> RunnerOf(services::Changes& changes);

}  // namespace signet::rpc
