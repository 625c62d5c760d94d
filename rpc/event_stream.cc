#include "rpc/event_stream.h"

#include "platform/logging.h"

namespace signet::rpc {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBatch = 100;
constexpr char kHeartbeat[] = ": \n\n";

std::string Framed(std::string_view name, const json::value& data) {
  std::string out = "event: ";
  return out.append(name).append("\ndata: ").append(json::serialize(data)).append("\n\n");
}

}  // namespace

std::string EventText(const services::Event& event) {
  std::string out;
  if (event.sequence != 0) out = "id: " + std::to_string(event.sequence) + "\n";
  return out + Framed(event.kind, ToJson(event));
}

EventStream::EventStream(services::Events& events, services::RequestContext context,
                         std::optional<std::int64_t> after, Duration heartbeat,
                         std::shared_ptr<void> place)
    : events_(events),
      context_(std::move(context)),
      heartbeat_(heartbeat),
      place_(std::move(place)),
      listener_(events),
      cursor_(after.value_or(0)),
      position_(events.Position()),
      catching_up_(after.has_value()) {
  // What is delivered from this position on is new to who wants no past.
  if (!after) begun_ = true;
}

std::string EventStream::Gap(std::int64_t oldest) {
  json::object gap;
  gap["after"] = cursor_;
  gap["oldest"] = oldest;
  gap["newest"] = events_.Kept().newest;
  return Framed("gap", gap);
}

asio::awaitable<Result<std::string>> EventStream::FromStore() {
  // First: what comes between the two looks is seen twice, and sent once.
  const std::uint64_t position = events_.Position();
  std::string out;
  bool told = false;
  // Of a state that is not this one any more (a backup came back): begin anew.
  const services::Events::Span kept = events_.Kept();
  if (!begun_ && cursor_ > kept.newest) {
    out = Gap(std::max<std::int64_t>(kept.oldest, 1));
    cursor_ = 0;
    told = true;
  }
  services::RequestContext context = context_;
  SIGNET_CO_TRY(const std::vector<services::Event> events,
                co_await events_.After(std::move(context), cursor_, kBatch));
  const bool whole = events.empty() || events.front().sequence == cursor_ + 1;
  if (!whole && !told) out += Gap(events.front().sequence);
  for (const services::Event& event : events) out += EventText(event);
  if (!events.empty()) cursor_ = events.back().sequence;
  begun_ = true;
  if (events.size() < kBatch) {
    catching_up_ = false;
    position_ = position;
  }
  co_return out;
}

std::string EventStream::FromMemory() {
  services::Events::Heard heard = events_.Since(position_);
  if (heard.missed) {
    catching_up_ = true;
    return {};
  }
  position_ = heard.position;
  std::string out;
  for (const services::Event& event : heard.events) {
    if (event.sequence != 0 && event.sequence <= cursor_) continue;  // came from the store
    out += EventText(event);
    if (event.sequence != 0) cursor_ = event.sequence;
  }
  return out;
}

asio::awaitable<std::string> EventStream::Next() {
  const auto end = std::chrono::steady_clock::now() + heartbeat_;
  while (!listener_.ended()) {
    std::string out;
    if (catching_up_) {
      Result<std::string> read = co_await FromStore();
      if (!read) {
        // He comes back with the last id that he saw.
        Log(LogLevel::kWarning, "a stream of events ends: " + read.error().ToString());
        break;
      }
      out = std::move(read).value();
    } else {
      out = FromMemory();
    }
    if (!out.empty()) co_return out;
    if (catching_up_) continue;
    const Duration left = end - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) co_return kHeartbeat;
    co_await listener_.Wait(position_, left);
  }
  co_return std::string();
}

}  // namespace signet::rpc
