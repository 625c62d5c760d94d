// Collects changes of trust stores and writes the shards that they touch.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "keystore/plan_trust.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

class TrustWriter {
 public:
  TrustWriter(const Snapshot& snapshot, const Layout& layout, std::string operation, WallTime now)
      : snapshot_(snapshot), layout_(layout), operation_(std::move(operation)), now_(now) {}

  // No effect when the store has the certificate already, but for IsRaised.
  void Add(const std::string& store, const TrustAddition& addition, const std::string& origin,
           const std::string& purpose = "");
  void Add(const std::string& store, TrustEntryRecord entry);
  // Leaves a tombstone.
  void Remove(const std::string& store, const TombstoneRecord& tombstone);
  // Takes away what this operation added so far.
  void TakeBack(const std::string& store);

  // Certificates, shards (with their compares), tombstones.
  void WriteTo(Transaction& transaction) const;
  // The same in as many transactions as it needs, each with room for an operation's record:
  // certificates first, to which nothing refers yet.
  std::vector<Transaction> Split() const;

 private:
  TrustShard& Shard(const std::string& store, const std::string& fingerprint);

  const Snapshot& snapshot_;
  const Layout& layout_;
  const std::string operation_;
  WallTime now_;
  std::set<std::string> overtaken_;                        // operations that are pending
  std::map<std::string, TrustShard> shards_;               // by record key
  std::map<std::string, x509::Certificate> certificates_;  // by fingerprint
  std::map<std::string, TombstoneRecord> tombstones_;      // by record key
};

// The record of a certificate; immutable, so it needs no compare.
void PutCertificate(Transaction& transaction, const Layout& layout,
                    const x509::Certificate& certificate);

}  // namespace signet::keystore
