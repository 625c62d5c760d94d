#include "tools/cli/event_reader.h"

#include <utility>

namespace signet::tools {

std::optional<SentEvent> EventReader::Next() {
  for (std::size_t end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
    std::string line = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) {
      SentEvent whole = std::exchange(event_, {});
      if (whole.data.empty()) continue;  // a sign of life
      return whole;
    }
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string::npos) continue;
    std::string value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.erase(0, 1);
    const std::string_view field = std::string_view(line).substr(0, colon);
    if (field == "id") event_.id = value;
    if (field == "event") event_.name = value;
    if (field == "data") event_.data.append(event_.data.empty() ? "" : "\n").append(value);
  }
  return std::nullopt;
}

}  // namespace signet::tools
