// GET /events: what happens, as server-sent events (HTML Living Standard, section 9.2).
//
//   id: 17                      the event's sequence; absent when it could not be stored
//   event: token
//   data: {"sequence":17,"time":"…","kind":"token","text":"…","details":{…}}
//
// A reader resumes behind the id that it saw last. When that is not possible, the first event is a
// `gap` without id: {"after":3,"oldest":120,"newest":500}. A line ": " is a sign of life.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "services/events.h"

namespace signet::rpc {

inline constexpr std::size_t kMaxEventStreams = 32;  // of both doors together

// One event as it is sent. `event` and the text of its data hold no line break.
std::string EventText(const services::Event& event);

// What one reader gets, piece by piece: he asks for the next when the last one went out, so one who
// is slow is served from the store, and costs no memory.
class EventStream {
 public:
  // `after`: behind this sequence; none: from now on. `place` is given back when this dies.
  EventStream(services::Events& events, services::RequestContext context,
              std::optional<std::int64_t> after, Duration heartbeat, std::shared_ptr<void> place);

  // Some events, or a sign of life after `heartbeat`; empty: the stream has ended. On the main
  // loop, one at a time.
  boost::asio::awaitable<std::string> Next();
  // Any thread.
  void End() { listener_.End(); }

 private:
  boost::asio::awaitable<Result<std::string>> FromStore();
  std::string FromMemory();
  std::string Gap(std::int64_t oldest);

  services::Events& events_;
  const services::RequestContext context_;
  const Duration heartbeat_;
  const std::shared_ptr<void> place_;
  services::EventListener listener_;
  std::int64_t cursor_ = 0;     // of the last stored event that was sent
  std::uint64_t position_ = 0;  // of the next delivery, once the store has nothing more
  bool catching_up_ = true, begun_ = false;
};

}  // namespace signet::rpc
