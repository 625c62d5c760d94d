// JSON-RPC over one HTTP body: parses it, sends each call through the gate, writes the answer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "platform/secret.h"
#include "rpc/gate.h"

namespace signet::rpc {

// Space kept in front of an answer's body, so that the HTTP head goes into the same write.
inline constexpr std::size_t kHeadroom = 640;

struct RpcReply {
  int status = 500;    // HTTP; 204 when there is nothing to say
  std::string buffer;  // kHeadroom bytes, then the body
};

// Runs on the main loop.
class Endpoint {
 public:
  explicit Endpoint(Gate& gate) : gate_(gate) {}

  // Answers the body of one request. Never throws for what the body holds.
  boost::asio::awaitable<RpcReply> Answer(RequestContext context, WipedString body);
  // The body of GET /metrics.
  boost::asio::awaitable<RpcReply> Metrics(
      std::function<boost::asio::awaitable<std::string>()> metrics);
  // Audits that a peer was turned away before its request was read.
  boost::asio::awaitable<void> NoteTurnedAway(RequestContext context, Error error);

 private:
  const Method* MethodOf(const json::value& item) const;  // null: none that exists
  // Appends the answer; nothing for a notification.
  boost::asio::awaitable<void> One(const RequestContext& context, json::value& item,
                                   std::string& out);
  boost::asio::awaitable<void> Batch(const RequestContext& context, json::array& items,
                                     std::string& out);

  Gate& gate_;
};

}  // namespace signet::rpc
