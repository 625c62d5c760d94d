// Collects additions to trust stores and writes the shards that they touch into a transaction.
#pragma once

#include <map>
#include <string>

#include "keystore/plan.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

class TrustWriter {
 public:
  TrustWriter(const Snapshot& snapshot, const Layout& layout, WallTime now)
      : snapshot_(snapshot), layout_(layout), now_(now) {}

  // No effect when the store has the certificate already.
  void Add(const std::string& store, const TrustAddition& addition, const std::string& origin);
  // Shards with their compares, and the certificates' own records.
  void WriteTo(Transaction& transaction) const;

 private:
  const Snapshot& snapshot_;
  const Layout& layout_;
  WallTime now_;
  std::map<std::string, TrustShard> shards_;         // by record key
  std::map<std::string, std::string> certificates_;  // DER by fingerprint
};

// The record of a certificate; immutable, so it needs no compare.
void PutCertificate(Transaction& transaction, const Layout& layout, const std::string& fingerprint,
                    std::string_view der);

}  // namespace signet::keystore
