// Whom of what is told when (SPEC M1, M3): which look is worth a mail. Pure.
#pragma once

#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/json.h"
#include "services/monitor/expiry_look.h"

namespace signet::services {

// What was told of a certificate.
struct ToldNotice : LenientRecord {
  std::string certificate;  // fingerprint; kAllLscs
  std::string level;        // ExpiryLevelName, the worst of its places
  WallTime at{};
};
BOOST_DESCRIBE_STRUCT(ToldNotice, (LenientRecord), (certificate, level, at))

// Under this name LSCs are told of, all of them as one.
inline constexpr char kAllLscs[] = "LSC";

struct NoticeDecision {
  std::size_t due = 0;            // certificates that somebody must be told of now
  std::vector<ToldNotice> after;  // the ledger, once that was done
};

// A certificate is due when it was never told, when it got worse, or when its period is over: that
// of `frequency` for a warning, at most a day for an alarm. Hints are told to nobody. A mail tells
// all warnings and alarms at once, so all of them count as told then. A clock that stood ahead when
// something was told does not silence it: its period begins anew. LSCs count as one, which is due
// when it was never told, when the first of them becomes an alarm, and after `frequency`: of many
// endpoints every day some end.
NoticeDecision DecideNotices(const std::vector<ToldNotice>& before,
                             const std::vector<ExpiryItem>& items, std::chrono::hours frequency,
                             WallTime now);

}  // namespace signet::services
