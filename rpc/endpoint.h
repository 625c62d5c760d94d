// JSON-RPC over one HTTP body: parses it, sends each call through the gate, writes the answer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "platform/secret.h"
#include "rpc/event_stream.h"
#include "rpc/gate.h"
#include "rpc/session_registry.h"

namespace signet::rpc {

// Space kept in front of an answer's body, so that the HTTP head goes into the same write.
inline constexpr std::size_t kHeadroom = 640;

struct RpcReply {
  int status = 500;    // HTTP; 204 when there is nothing to say
  std::string buffer;  // kHeadroom bytes, then the body
};

// Runs on the main loop, but for OpenStream.
class Endpoint {
 public:
  // `events` may be null: no streams.
  explicit Endpoint(Gate& gate, services::Events* events = nullptr)
      : gate_(gate), events_(events) {}

  // Answers the body of one request. Never throws for what the body holds.
  boost::asio::awaitable<RpcReply> Answer(RequestContext context, WipedString body);
  // The body of GET /metrics.
  boost::asio::awaitable<RpcReply> Metrics(
      std::function<boost::asio::awaitable<std::string>()> metrics);
  // A stream of GET /events; null when there is no place for one more. Any thread.
  std::shared_ptr<EventStream> OpenStream(RequestContext context, std::optional<std::int64_t> after,
                                          Duration heartbeat);
  // What goes out next, without headroom; empty at its end.
  boost::asio::awaitable<RpcReply> Next(std::shared_ptr<EventStream> stream);
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
  services::Events* const events_;
  ConnectionCaps streams_{kMaxEventStreams, kMaxEventStreams, 0};
};

}  // namespace signet::rpc
