#include "services/events.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <mutex>
#include <set>

#include "keystore/node_log.h"
#include "platform/encoding.h"
#include "platform/logging.h"
#include "services/paging.h"

namespace signet::services {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kQueued = 1024;  // that wait for the disk
constexpr std::size_t kRecent = 256;   // in memory, for streams
constexpr int kBurst = 16;             // stored in one job: others use the lane too
constexpr std::size_t kMaxText = 1024, kMaxDetails = 16384;

Event FromRow(keystore::EventRow row) {
  Event event;
  event.sequence = row.sequence;
  event.time = row.time;
  event.kind = std::move(row.kind);
  event.text = std::move(row.text);
  Result<json::value> details = ParseJson(row.details);
  event.details = details ? std::move(details).value() : json::value(json::object());
  return event;
}

}  // namespace

struct EventListener::Waiter {
  explicit Waiter(asio::any_io_executor executor) : timer(std::move(executor)) {}
  asio::steady_timer timer;
};

struct Events::Impl : std::enable_shared_from_this<Events::Impl> {
  Impl(keystore::NodeLog& log_in, Lane& lane_in, const Clock& clock_in)
      : log(log_in), lane(lane_in), clock(clock_in) {}

  void Tell(Event event);
  void Write();
  Result<std::int64_t> Store(const Event& event);
  void Deliver(Event event);
  void Abandon(Event event, const std::string& why);
  // The mutex is held. Not from this thread: its owner may be starting the wait just now.
  static void Wake(const std::shared_ptr<EventListener::Waiter>& waiter) {
    asio::post(waiter->timer.get_executor(),
               [waiter] { waiter->timer.expires_at(asio::steady_timer::time_point::min()); });
  }

  keystore::NodeLog& log;
  Lane& lane;
  const Clock& clock;
  mutable std::mutex mutex;  // guards what follows; never held during a call to log or lane
  std::deque<Event> queue;
  bool writing = false;  // a job on the lane empties the queue
  Span kept;
  std::deque<Event> recent;
  std::uint64_t position = 0;  // of the next delivery
  std::set<std::shared_ptr<EventListener::Waiter>> waiters;
};

Events::Events(keystore::NodeLog& log, Lane& store_lane, const Clock& clock)
    : impl_(std::make_shared<Impl>(log, store_lane, clock)) {
  const Result<keystore::EventSpan> kept = log.EventsKept();
  if (kept) {
    impl_->kept = {kept.value().oldest, kept.value().newest};
  } else {
    Log(LogLevel::kError, "the events cannot be read: " + kept.error().ToString());
  }
}

Events::~Events() = default;

void Events::Tell(std::string kind, std::string text, json::object details) {
  if (std::ranges::find(kEventKinds, std::string_view(kind)) == std::end(kEventKinds)) {
    Log(LogLevel::kError, "an event of the unknown kind '" + kind + "' was not told: " + text);
    return;
  }
  Event event;
  event.time = impl_->clock.Now();
  event.kind = std::move(kind);
  event.text = EscapeLine(text, kMaxText);
  if (json::serialize(details).size() > kMaxDetails) {
    details.clear();
    details["tooLarge"] = true;
  }
  event.details = std::move(details);
  impl_->Tell(std::move(event));
}

void Events::Impl::Tell(Event event) {
  {
    const std::lock_guard lock(mutex);
    if (queue.size() < kQueued) {
      queue.push_back(std::move(event));
      if (std::exchange(writing, true)) return;
      event = Event();
    }
  }
  if (!event.kind.empty()) return Abandon(std::move(event), "too many wait for the disk");
  if (lane.TryPost([self = shared_from_this()] { self->Write(); })) return;
  std::deque<Event> left;
  {
    const std::lock_guard lock(mutex);
    left.swap(queue);
    writing = false;
  }
  for (Event& one : left) Abandon(std::move(one), "lane '" + lane.name() + "' takes nothing");
}

// On the store lane.
void Events::Impl::Write() {
  for (int stored = 0;; ++stored) {
    if (stored >= kBurst && lane.TryPost([self = shared_from_this()] { self->Write(); })) return;
    Event event;
    {
      const std::lock_guard lock(mutex);
      if (queue.empty()) {
        writing = false;
        return;
      }
      event = std::move(queue.front());
      queue.pop_front();
    }
    Result<std::int64_t> sequence = Store(event);
    if (sequence) {
      event.sequence = sequence.value();
      Deliver(std::move(event));
    } else {
      Abandon(std::move(event), sequence.error().ToString());
    }
  }
}

Result<std::int64_t> Events::Impl::Store(const Event& event) {
  keystore::EventRow row;
  row.time = event.time;
  row.kind = event.kind;
  row.text = event.text;
  row.details = json::serialize(event.details);
  return log.AddEvent(row);
}

void Events::Impl::Abandon(Event event, const std::string& why) {
  Log(LogLevel::kWarning, "event '" + event.kind + ": " + event.text + "' is not kept: " + why);
  event.sequence = 0;
  Deliver(std::move(event));
}

void Events::Impl::Deliver(Event event) {
  const std::lock_guard lock(mutex);
  if (event.sequence != 0) {
    kept.newest = event.sequence;
    kept.oldest =
        std::max<std::int64_t>({1, kept.oldest, event.sequence - keystore::kKeptEvents + 1});
  }
  recent.push_back(std::move(event));
  if (recent.size() > kRecent) recent.pop_front();
  ++position;
  for (const auto& waiter : waiters) Wake(waiter);
  waiters.clear();
}

asio::awaitable<Result<std::vector<Event>>> Events::After(RequestContext context,
                                                          std::int64_t cursor, std::size_t limit) {
  auto read = [impl = impl_, cursor, limit]() -> Result<std::vector<Event>> {
    SIGNET_TRY(std::vector<keystore::EventRow> rows, impl->log.Events(cursor, limit));
    std::vector<Event> events;
    events.reserve(rows.size());
    for (keystore::EventRow& row : rows) events.push_back(FromRow(std::move(row)));
    return events;
  };
  co_return co_await RunOn(impl_->lane, std::move(read), context.limit);
}

asio::awaitable<Result<api::EventPage>> Events::List(RequestContext context,
                                                     api::EventListRequest request) {
  SIGNET_CO_TRY(const std::size_t limit, PageLimit(request.limit));
  const std::int64_t after = request.after.value_or(0);
  if (after < 0) {
    Error error = MakeError(Kind::kUsage, "CURSOR_INVALID", "sequences of events begin at 1",
                            "Give the sequence of the last event that you have, or 0.");
    error.pointer = "/after";
    co_return error;
  }
  api::EventPage page;
  SIGNET_CO_TRY(page.items, co_await After(std::move(context), after, limit));
  const Span kept = Kept();
  page.oldest = kept.oldest;
  page.newest = kept.newest;
  co_return page;
}

Events::Span Events::Kept() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->kept;
}

std::uint64_t Events::Position() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->position;
}

Events::Heard Events::Since(std::uint64_t position) const {
  const std::lock_guard lock(impl_->mutex);
  Heard heard;
  heard.position = impl_->position;
  const std::uint64_t first = impl_->position - impl_->recent.size();
  heard.missed = position < first;
  for (std::uint64_t at = std::max(position, first); at < impl_->position; ++at)
    heard.events.push_back(impl_->recent[static_cast<std::size_t>(at - first)]);
  return heard;
}

EventListener::EventListener(const Events& events) : events_(events.impl_) {}

asio::awaitable<void> EventListener::Wait(std::uint64_t position, Duration limit) {
  const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
  waiter->timer.expires_after(limit);
  {
    const std::lock_guard lock(events_->mutex);
    if (ended_ || events_->position > position) co_return;
    events_->waiters.insert(waiter);
    waiter_ = waiter;
  }
  // Also when the loop is destroyed under it.
  struct Leaver {
    EventListener& listener;
    std::shared_ptr<Waiter> waiter;
    ~Leaver() {
      const std::lock_guard lock(listener.events_->mutex);
      listener.events_->waiters.erase(waiter);
      listener.waiter_.reset();
    }
  } leaver{*this, waiter};
  boost::system::error_code ignored;
  co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void EventListener::End() {
  const std::lock_guard lock(events_->mutex);
  ended_ = true;
  if (waiter_) Events::Impl::Wake(waiter_);
}

bool EventListener::ended() const {
  const std::lock_guard lock(events_->mutex);
  return ended_;
}

}  // namespace signet::services
