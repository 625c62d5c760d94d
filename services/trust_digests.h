// What is in a trust store, as a digest that costs next to nothing when the store has not moved.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "keystore/snapshot.h"

namespace signet::services {

// Remembers a digest for each shard of the stores that it was asked for; only the shards that a
// change replaced are read again. Not thread-safe.
class TrustDigests {
 public:
  // Over fingerprint, kind and description of each entry that is seen and in trust, hex.
  std::string Of(const keystore::Snapshot& snapshot, const std::string& store);

 private:
  struct Shard {
    std::shared_ptr<const keystore::TrustShard> records;
    std::string digest;
  };
  struct Store {
    std::shared_ptr<const keystore::TrustStore> records;
    std::vector<std::string> hiding;  // changes that are not to be seen yet; what is out of trust
    std::map<std::string, Shard> shards;
    std::string digest;
  };
  std::map<std::string, Store> stores_;
};

}  // namespace signet::services
