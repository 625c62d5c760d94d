// The certificates of endpoints that somebody else issued (SPEC M4: locally significant
// certificates, LSCs, which CAPF gives to phones), as far as their ends are watched: one SQLite
// file of this node, no certificate in it. Of one subject and issuer there is one row, that of the
// newest certificate. All that is asked of it goes by index: how many there are matters to nobody
// who asks.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "keystore/x509/certificate.h"
#include "platform/clock.h"
#include "platform/error.h"

namespace signet::keystore {

struct LscRow {
  std::string fingerprint;      // SHA-256 of the certificate, hex
  std::string subject, issuer;  // RFC 4514, escaped for one line
  std::string common_name;      // of the subject, escaped: the device
  std::string serial;           // hex
  WallTime not_before{}, not_after{};
  WallTime registered{};
};

// What is registered.
struct LscEntry {
  LscRow row;
  std::string holder;  // SHA-256 (hex) of the names of subject and issuer: whose it is; without a
                       // common name of the certificate itself
};
LscEntry LscEntryOf(const x509::Certificate& certificate, WallTime now);

enum class LscOutcome : std::uint8_t {
  kRegistered,  // the first of its subject and issuer
  kReplaced,    // an older one of them gave way to it
  kKnown,       // it is there
  kSuperseded,  // a newer one of them is there: nothing was done
};

// What a look at all of them finds. Long ago: more than `start` before `now`.
struct LscCount {
  std::size_t total = 0;
  std::size_t expired = 0;           // have ended, long ago or not
  std::size_t lately = 0;            // of these, not long ago
  std::size_t within_a_day = 0;      // end from now on, within 24 hours
  std::size_t soon = 0;              // end from now on, within `start`, those of a day among them
  std::optional<WallTime> earliest;  // end of one that did not end long ago
  std::vector<LscRow> nearest;       // those of `lately` and `soon` that end nearest to now, by end
};

struct LscPage {
  std::vector<LscRow> rows;         // by end, then by fingerprint
  std::optional<std::string> next;  // cursor; none: these were the last ones
};

// Thread-safe; reads go on while something is written. Errors of all calls: kUnavailable
// LSC_REGISTER_FAILED, STORAGE_FULL, STATE_DAMAGED; kTimeout STORE_BUSY; with a remedy. What was
// written is durable when a call returns.
class LscRegister {
 public:
  // Made where it is absent. A damaged file is kUnavailable STATE_DAMAGED and stays as it is; one
  // of a newer format kRefused STATE_TOO_NEW; a link, or a file that others may write, UNSAFE_FILE.
  static Result<std::unique_ptr<LscRegister>> Open(const std::string& path);
  virtual ~LscRegister() = default;

  // All in one transaction, one after the other; what became of each.
  virtual Result<std::vector<LscOutcome>> Register(std::span<const LscEntry> entries) = 0;
  // At most `limit` behind `after` (a page's `next`; empty: from the first), those that end before
  // `ends_before` only. kUsage CURSOR_INVALID.
  virtual Result<LscPage> Page(const std::string& after, std::size_t limit,
                               std::optional<WallTime> ends_before) = 0;
  // The one with this fingerprint, or whose fingerprint begins so (8 digits at least). kUsage
  // LSC_ID_INVALID, kNotFound LSC_UNKNOWN, kConflict LSC_AMBIGUOUS.
  virtual Result<LscRow> Remove(const std::string& id) = 0;
  // Those that ended before; how many.
  virtual Result<std::size_t> RemoveExpired(WallTime before) = 0;
  // `most` is of `nearest`.
  virtual Result<LscCount> Count(WallTime now, std::chrono::seconds start, std::size_t most) = 0;
};

}  // namespace signet::keystore
