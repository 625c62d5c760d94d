// What readers see: the records as one immutable value, replaced as a whole when the store's watch
// delivers.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "keystore/records.h"
#include "keystore/store/store.h"
#include "keystore/x509/certificate.h"
#include "keystore/x509/chain.h"

namespace signet::keystore {

// A certificate of the store; parsed when first asked for.
class StoredCertificate {
 public:
  explicit StoredCertificate(std::string der) : der_(std::move(der)) {}
  const std::string& der() const { return der_; }
  // Null when the record does not hold a certificate (the state was damaged).
  const x509::Certificate* Parsed() const;

 private:
  std::string der_;
  mutable std::once_flag once_;
  mutable std::optional<x509::Certificate> parsed_;
};

template <class T>
struct Versioned {
  T value;
  Revision modified = 0;
};

struct TrustShard {
  std::vector<TrustEntryRecord> entries;
  Revision modified = 0;
};
using TrustStore = std::map<std::string, TrustShard>;  // by the fingerprint's first byte, as hex

// Immutable; share it as std::shared_ptr<const Snapshot>.
struct Snapshot {
  Revision revision = 0;
  std::map<std::string, Versioned<IdentityRecord>> identities;  // by purpose
  std::map<std::string, Versioned<CsrRecord>> csrs;             // by id, so by age
  std::shared_ptr<const std::unordered_map<std::string, std::shared_ptr<const StoredCertificate>>>
      certificates;
  std::map<std::string, std::shared_ptr<const TrustStore>> trust;  // by store
  std::map<std::string, Versioned<TombstoneRecord>> tombstones;    // by "store/fingerprint"
  std::map<std::string, Versioned<SettingRecord>> settings;        // by name

  const IdentityVersion* Current(const std::string& purpose) const;
  const x509::Certificate* Certificate(const std::string& fingerprint) const;
  const TrustEntryRecord* TrustEntry(const std::string& store,
                                     const std::string& fingerprint) const;
  // Of the shard in which the entry lies or would lie; 0: there is none.
  Revision TrustShardRevision(const std::string& store, const std::string& fingerprint) const;
  // Of an entry that was deleted, or null.
  const Versioned<TombstoneRecord>* Tombstone(const std::string& store,
                                              const std::string& fingerprint) const;
  std::size_t TrustEntryCount() const;
  // Anchors and intermediates of a store, for chain checks. The view refers to `self`, which it
  // keeps alive.
  static x509::TrustView View(std::shared_ptr<const Snapshot> self, const std::string& store);

  // Who owns each key id: "tomcat current", "tomcat previous", "tomcat csr <id>".
  struct OwnedKey {
    KeyRecord key;
    std::string owner, purpose;
  };
  std::map<std::string, OwnedKey> Keys() const;
};

// Keeps the current Snapshot of a store. Thread-safe.
class State {
 public:
  static Result<std::unique_ptr<State>> Open(Store& store, Layout layout);

  std::shared_ptr<const Snapshot> Now() const;
  Store& store() { return store_; }
  const Layout& layout() const { return layout_; }
  // Called after each change, on the thread that committed it. Register before changes begin.
  void OnChange(std::function<void(const Snapshot&)> callback);

 private:
  State(Store& store, Layout layout) : store_(store), layout_(std::move(layout)) {}
  void Apply(Revision revision, const std::vector<Event>& events);

  Store& store_;
  Layout layout_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::function<void(const Snapshot&)>> callbacks_;
  std::unique_ptr<Watch> watch_;
};

}  // namespace signet::keystore
