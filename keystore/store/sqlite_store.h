// The embedded Store: one SQLite file, WAL, synchronous=FULL.
#pragma once

#include <memory>
#include <string>

#include "keystore/store/store.h"

namespace signet::keystore {

// Opens or (when `create`) makes the file, mode 0600. An absent file without `create` is
// kUnavailable STATE_MISSING: an empty store is never made over a lost one. A damaged one is
// kUnavailable STATE_DAMAGED (quick_check at open); one of a newer format kRefused STATE_TOO_NEW; a
// link, or a file that others may write, kRefused UNSAFE_FILE.
Result<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, bool create);

}  // namespace signet::keystore
