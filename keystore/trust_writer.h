// Collects additions to trust stores and writes the shards that they touch into a transaction.
#pragma once

#include <map>
#include <string>

#include "keystore/plan_trust.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

class TrustWriter {
 public:
  TrustWriter(const Snapshot& snapshot, const Layout& layout, WallTime now)
      : snapshot_(snapshot), layout_(layout), now_(now) {}

  // No effect when the store has the certificate already. A tombstone of it goes.
  void Add(const std::string& store, const TrustAddition& addition, const std::string& origin,
           const std::string& purpose = "");
  void Add(const std::string& store, TrustEntryRecord entry);
  // Leaves a tombstone.
  void Remove(const std::string& store, const TombstoneRecord& tombstone);
  // Shards with their compares, and the certificates' own records.
  void WriteTo(Transaction& transaction) const;

 private:
  TrustShard& Shard(const std::string& store, const std::string& fingerprint);

  const Snapshot& snapshot_;
  const Layout& layout_;
  WallTime now_;
  std::map<std::string, TrustShard> shards_;                          // by record key
  std::map<std::string, std::string> certificates_;                   // DER by fingerprint
  std::map<std::string, std::optional<TombstoneRecord>> tombstones_;  // by record key; none: goes
};

// The record of a certificate; immutable, so it needs no compare.
void PutCertificate(Transaction& transaction, const Layout& layout, const std::string& fingerprint,
                    std::string_view der);

}  // namespace signet::keystore
