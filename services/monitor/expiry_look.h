// What the expiry monitor looks at: the leaf and chain of every identity, CSRs that wait, the trust
// stores, and what others saw of other places. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/lsc_register.h"
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
  bool own = false;        // of an identity, not of a trust store
  std::string distrusted;  // why it is out of trust (DistrustRecord.cause); empty: it is not
  bool endpoints = false;  // of LSCs: one, or what is said of all of them
  // Of all LSCs that are due: how many. 0: this is about one certificate.
  std::size_t stands_for = 0;
  WallTime end{};
  // place: "tomcat", "chain of tomcat", "cup-trust", "served at 10.0.0.1:443", "LSC of SEP0011"
  std::string node, place;
  std::string subject, serial, fingerprint;
  std::string when;    // "expires in 12 days", "expired 3 days ago"
  std::string impact;  // who is hit
  std::string remedy;  // a command
};

struct ExpiryLook {
  std::size_t checked = 0, expired = 0, soon = 0;  // places: a certificate may be in several
  std::size_t unknown = 0;                         // places whose certificate cannot be seen
  std::array<std::size_t, 3> levels{};             // places by ExpiryLevel, LSCs among them
  std::size_t distrusted = 0;              // places of what is out of trust, but for its end
  std::optional<WallTime> earliest;        // end of a certificate looked at
  std::optional<keystore::LscCount> lscs;  // where they are watched; without `nearest`
  // Warnings and alarms, nearest end first: those of identities, the one of all LSCs, those of
  // trust stores and other places, LSCs by themselves; then, of identities alone, hints. At most
  // 1,000.
  std::vector<ExpiryItem> items;
  // REVOKED, ON_HOLD, UNPROVED (errors for an identity, else warnings), EXPIRED,
  // EXPIRES_WITHIN_A_DAY (errors), EXPIRES_SOON (warning), LIFE_MOSTLY_OVER, CSR_WAITS (info),
  // CERTIFICATE_UNKNOWN (warning). At most 100, then MORE_EXPIRE says how many there are. Of all
  // LSCs one: LSCS_EXPIRE (an error where one has ended or ends within a day, else a warning), and
  // LSCS_LONG_EXPIRED (info).
  Findings findings;
};

// A certificate that somebody saw somewhere else.
struct ExpiryPlace {
  std::string place;
  std::string subject, serial, fingerprint;  // escaped
  WallTime not_before{}, not_after{};
  std::string impact, remedy;
};
struct OtherPlaces {
  std::vector<ExpiryPlace> seen;
  std::vector<std::string> unseen;         // a sentence each: what could not be looked at
  std::optional<keystore::LscCount> lscs;  // where they are watched
};

struct ExpiryInput {
  const keystore::Catalogue& catalogue;
  const keystore::NodeNames& names;
  const keystore::Snapshot& snapshot;
  std::chrono::days start{30};  // a certificate is warned of that ends within so many days
  WallTime now{};
  OtherPlaces others = {};
};
ExpiryLook LookAtExpiry(const ExpiryInput& in);

}  // namespace signet::services
