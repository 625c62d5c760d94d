// Server-sent events out of bytes (HTML Living Standard, section 9.2.6), as far as a daemon of ours
// sends them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace signet::tools {

struct SentEvent {
  std::string id, name, data;  // `id` is empty where none was sent
};

class EventReader {
 public:
  void Feed(std::string_view bytes) { unread_.append(bytes); }
  // The next whole event; none until more has come.
  std::optional<SentEvent> Next();
  // More than a daemon ever sends for one event: it is none.
  bool too_large() const { return unread_.size() > kMaxEvent; }

 private:
  static constexpr std::size_t kMaxEvent = 1u << 20;
  std::string unread_;
  SentEvent event_;
};

}  // namespace signet::tools
