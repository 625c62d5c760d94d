// Several names in a sentence.
#pragma once

#include <string>
#include <vector>

namespace signet::services {

// "a, b, c".
inline std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

}  // namespace signet::services
