// What happens on the appliance, told while it happens and kept for those who come later. Not
// evidence, as the audit log is: the newest 10,000 stay, and a crash may take the last one along.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "platform/lanes.h"
#include "services/event_api.h"
#include "services/request_context.h"

namespace signet::keystore {
class NodeLog;
}

namespace signet::services {

// Thread-safe. The log outlives it and the lane's jobs; executors of listeners outlive both.
class Events {
 public:
  Events(keystore::NodeLog& log, Lane& store_lane, const Clock& clock);
  ~Events();

  // Never blocks: stored on the store lane in the order of the calls, then delivered. What cannot
  // be stored (a full disk, 1024 that wait) is logged and delivered without a sequence. `kind` is
  // one of kEventKinds; another one is a defect, logged and not told.
  void Tell(std::string kind, std::string text, json::object details = {});

  // Stored events behind `cursor`, at most `limit`, oldest first.
  boost::asio::awaitable<Result<std::vector<Event>>> After(RequestContext context,
                                                           std::int64_t cursor, std::size_t limit);
  // event.list. kUsage LIMIT_INVALID, CURSOR_INVALID.
  boost::asio::awaitable<Result<api::EventPage>> List(RequestContext context,
                                                      api::EventListRequest request);

  struct Span {
    std::int64_t oldest = 0, newest = 0;  // 0 and 0: nothing is kept
  };
  Span Kept() const;  // never blocks

  // Deliveries of this process are counted; `Since` has those from a position on, as far as they
  // are in memory. Never blocks.
  struct Heard {
    std::vector<Event> events;
    std::uint64_t position = 0;  // ask with this one next time
    bool missed = false;         // some are not in memory any more
  };
  std::uint64_t Position() const;
  Heard Since(std::uint64_t position) const;

 private:
  friend class EventListener;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Somebody who waits for events; one wait at a time.
class EventListener {
 public:
  explicit EventListener(const Events& events);

  // Resumes, on the coroutine's own executor (one thread), when something was delivered at or
  // behind `position`, when `limit` is over, or at End.
  boost::asio::awaitable<void> Wait(std::uint64_t position, Duration limit);
  // Ends the wait, and each one from now on, at once. Any thread.
  void End();
  bool ended() const;

 private:
  std::shared_ptr<Events::Impl> events_;
  struct Waiter;
  std::shared_ptr<Waiter> waiter_;  // guarded by the mutex of `events_`, as is what follows
  bool ended_ = false;
  friend struct Events::Impl;
};

}  // namespace signet::services
