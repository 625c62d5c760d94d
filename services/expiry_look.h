// What the expiry monitor looks at: the leaf and chain of every identity, and the trust stores.
// Pure.
#pragma once

#include <optional>

#include "keystore/node.h"
#include "keystore/snapshot.h"

namespace signet::services {

// A certificate is warned of when it ends within so many days.
inline constexpr std::int64_t kSoonDays = 30;

struct ExpiryLook {
  std::size_t checked = 0, expired = 0, soon = 0;  // places: a certificate may be in several
  std::optional<WallTime> earliest;                // end of a certificate looked at
  // EXPIRED (error) and EXPIRES_SOON (warning), nearest end first: days, node, purpose or store,
  // serial and what to do. At most 100, then MORE_EXPIRE says how many there are.
  Findings findings;
};

ExpiryLook LookAtExpiry(const keystore::Snapshot& snapshot, const keystore::NodeNames& names,
                        WallTime now);

}  // namespace signet::services
