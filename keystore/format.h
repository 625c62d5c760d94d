// The version of the state's format (SPEC A6): a new state is stamped, an older one migrated step
// by step, each step one committed transaction, a newer one refused.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "keystore/records.h"
#include "keystore/store/store.h"

namespace signet::keystore {

// Brings the state from version `from` to from + 1. It fills the transaction; nothing is written
// when it fails (cancel).
struct Migration {
  std::int64_t from = 0;
  std::string what;  // a sentence for the log
  std::function<Status(Store& store, Transaction& transaction)> run;
};

// Stamps, migrates or refuses. kConflict STATE_TOO_NEW, STATE_OF_ANOTHER (product or cluster
// differ); kUnavailable MIGRATION_FAILED (the state is as before).
Status OpenFormat(Store& store, const std::string& product, const std::string& cluster,
                  const std::vector<Migration>& migrations, std::int64_t target = kFormatVersion);

// The steps that exist, in order.
const std::vector<Migration>& Migrations();

}  // namespace signet::keystore
