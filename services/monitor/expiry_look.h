// What the expiry monitor looks at: the leaf and chain of every identity, CSRs that wait, and the
// trust stores. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/node.h"
#include "keystore/snapshot.h"

namespace signet::services {

// How near the end of a certificate is.
enum class ExpiryLevel : std::uint8_t {
  kHint,     // two thirds of its life are over
  kWarning,  // it ends within the days that are configured
  kAlarm,    // it ends within a day, or has ended
};
std::string_view ExpiryLevelName(ExpiryLevel level);  // "hint", "warning", "alarm"

inline constexpr auto kAlarmBefore = std::chrono::hours(24);  // the end

// A certificate in one of the places where it is.
struct ExpiryItem {
  ExpiryLevel level = ExpiryLevel::kHint;
  bool own = false;  // of an identity, not of a trust store
  WallTime end{};
  std::string node, place;  // place: "tomcat", "chain of tomcat", "cup-trust"
  std::string subject, serial, fingerprint;
  std::string when;    // "expires in 12 days", "expired 3 days ago"
  std::string impact;  // who is hit
  std::string remedy;  // a command
};

struct ExpiryLook {
  std::size_t checked = 0, expired = 0, soon = 0;  // places: a certificate may be in several
  std::size_t unknown = 0;                         // places whose certificate cannot be read
  std::optional<WallTime> earliest;                // end of a certificate looked at
  // Warnings and alarms, those of identities before those of trust stores, nearest end first; then,
  // of identities alone, hints. At most 1,000.
  std::vector<ExpiryItem> items;
  // EXPIRED, EXPIRES_WITHIN_A_DAY (errors), EXPIRES_SOON (warning), LIFE_MOSTLY_OVER, CSR_WAITS
  // (info), CERTIFICATE_UNKNOWN (warning). At most 100, then MORE_EXPIRE says how many there are.
  Findings findings;
};

struct ExpiryInput {
  const keystore::Catalogue& catalogue;
  const keystore::NodeNames& names;
  const keystore::Snapshot& snapshot;
  std::chrono::days start{30};  // a certificate is warned of that ends within so many days
  WallTime now{};
};
ExpiryLook LookAtExpiry(const ExpiryInput& in);

}  // namespace signet::services
