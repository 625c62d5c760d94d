#include "services/paging.h"

namespace signet::services {

Result<std::size_t> PageLimit(const std::optional<std::int64_t>& limit) {
  if (!limit) return std::size_t{100};
  if (*limit < 1 || *limit > 1000) {
    return MakeError(Kind::kUsage, "LIMIT_INVALID", "a page has 1 to 1000 items",
                     "Leave 'limit' out, or give one in that range.");
  }
  return static_cast<std::size_t>(*limit);
}

}  // namespace signet::services
