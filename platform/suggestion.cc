#include "platform/suggestion.h"

#include <algorithm>
#include <numeric>

namespace signet {
namespace {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> line(b.size() + 1);
  std::iota(line.begin(), line.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = line[0];
    line[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = line[j];
      line[j] = std::min({line[j] + 1, line[j - 1] + 1, replace});
    }
  }
  return line[b.size()];
}

}  // namespace

std::string Suggestion(std::string_view typed, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string& word : known) {
    const bool prefix = typed.size() >= 2 && word.starts_with(typed);
    const std::size_t distance = prefix ? 1 : EditDistance(typed, word);
    if (distance < least) {
      least = distance;
      best = word;
    }
  }
  return best.empty() ? "" : "Did you mean '" + best + "'? ";
}

}  // namespace signet
