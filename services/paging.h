// Pages of a list: `cursor` is the name of the last item of the page before.
#pragma once

#include <optional>
#include <string>

#include "platform/error.h"

namespace signet::services {

// 1 to 1000, default 100; kUsage LIMIT_INVALID.
Result<std::size_t> PageLimit(const std::optional<std::int64_t>& limit);

// One page of `rows` (a map from name to row, in order): those after `cursor`, described by
// `describe`.
template <class Page, class Rows, class Describe>
Result<Page> MakePage(const Rows& rows, const std::optional<std::int64_t>& asked,
                      const std::optional<std::string>& cursor, Describe describe) {
  SIGNET_TRY(const std::size_t limit, PageLimit(asked));
  Page page;
  auto row = cursor ? rows.upper_bound(*cursor) : rows.begin();
  for (; row != rows.end() && page.items.size() < limit; ++row) {
    page.items.push_back(describe(row->second));
    page.next = row->first;
  }
  if (row == rows.end()) page.next.reset();
  return page;
}

}  // namespace signet::services
