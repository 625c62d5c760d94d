// Events: their kinds, and their shapes as they travel (see api.h). Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/clock.h"
#include "platform/json.h"

namespace signet::services {

// The closed set of kinds. One more is a row here.
inline constexpr std::string_view kEventKinds[] = {
    "operation",     // a change ended, well or not
    "restart.owed",  // a service must restart to serve what changed
    "restart.done",  // it has
    "service",       // a service started, stopped or failed
    "proof",         // what a service really serves was looked at
    "drift",         // it serves something else than it should
    "monitor",       // the expiry monitor ran, or was started or stopped
    "token",         // the token's state
    "revocation",    // certificates were checked, went out of trust or came back
    "connection",    // a registered connection must be closed
};

namespace api {

struct EventInfo {
  std::int64_t sequence = 0;  // from 1, without holes; 0: it could not be stored, and is told once
  WallTime time{};
  std::string kind;     // one of kEventKinds
  std::string text;     // one line for people
  json::value details;  // an object, for programs; its members depend on the kind
};
BOOST_DESCRIBE_STRUCT(EventInfo, (), (sequence, time, kind, text, details))

struct EventListRequest {
  std::optional<std::int64_t> after;  // events behind this sequence; all that are kept by default
  std::optional<std::int64_t> limit;  // 1 to 1000, default 100
};
BOOST_DESCRIBE_STRUCT(EventListRequest, (), (after, limit))

// The events of one page, oldest first; the next page is behind the last one's sequence.
struct EventPage {
  std::vector<EventInfo> items;
  std::int64_t oldest = 0, newest = 0;  // sequences of what is kept; 0 and 0: nothing
};
BOOST_DESCRIBE_STRUCT(EventPage, (), (items, oldest, newest))

}  // namespace api

using Event = api::EventInfo;

}  // namespace signet::services
