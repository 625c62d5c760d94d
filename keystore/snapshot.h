// What readers see: the records as one immutable value, replaced as a whole when the store's watch
// delivers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "keystore/certificate_table.h"
#include "keystore/records.h"
#include "keystore/store/store.h"
#include "keystore/x509/chain.h"

namespace signet::keystore {

template <class T>
struct Versioned {
  T value;
  Revision modified = 0;
};

struct TrustShard {
  std::vector<TrustEntryRecord> entries;  // sorted by fingerprint
  Revision modified = 0;
};
// By the fingerprint's first byte, as hex.
using TrustStore = std::map<std::string, std::shared_ptr<const TrustShard>>;

// Immutable; share it as std::shared_ptr<const Snapshot>.
struct Snapshot {
  Revision revision = 0;
  std::map<std::string, Versioned<IdentityRecord>> identities;  // by purpose
  std::map<std::string, Versioned<CsrRecord>> csrs;             // by id, so by age
  std::shared_ptr<const CertificateTable> certificates = std::make_shared<CertificateTable>();
  std::map<std::string, std::shared_ptr<const TrustStore>> trust;  // by store
  std::map<std::string, Versioned<PendingRecord>> pending;         // by operation
  // By "store/fingerprint"; out of force where the entry is there again.
  std::map<std::string, Versioned<TombstoneRecord>> tombstones;
  std::map<std::string, Versioned<DistrustRecord>> distrusted;  // by fingerprint
  std::map<std::string, Versioned<SettingRecord>> settings;     // by name
  std::map<std::string, Versioned<OwedRecord>> owed;            // by OwedName
  std::map<std::string, Versioned<ReceiptRecord>> receipts;     // by operation, so by age
  std::optional<ApplyRecord> applying;

  const IdentityVersion* Current(const std::string& purpose) const;
  const x509::Certificate* Certificate(const std::string& fingerprint) const;
  const TrustEntryRecord* TrustEntry(const std::string& store,
                                     const std::string& fingerprint) const;
  // The entries of a store in the order of their fingerprints, those after `after`; ends when
  // `visit` says false. What lies in front of `after` costs next to nothing.
  void EachTrustEntry(const std::string& store, const std::string& after,
                      const std::function<bool(const TrustEntryRecord&)>& visit) const;
  // The record in which an entry lies or would lie, with entries that are not to be seen yet; null:
  // there is none.
  const TrustShard* FindTrustShard(const std::string& store, const std::string& fingerprint) const;
  // Of an entry that was deleted and is not there again, or null.
  const Versioned<TombstoneRecord>* Tombstone(const std::string& store,
                                              const std::string& fingerprint) const;
  std::size_t TrustEntryCount() const;
  // Why a certificate is out of trust, or null.
  const DistrustRecord* Distrusted(const std::string& fingerprint) const;
  // Anchors and intermediates of a store that are not out of trust, for chain checks. The view
  // refers to `self`, which it keeps alive.
  static x509::TrustView View(std::shared_ptr<const Snapshot> self, const std::string& store);

  // Who owns each key id: "tomcat current", "tomcat previous", "tomcat csr <id>".
  struct OwnedKey {
    KeyRecord key;
    std::string owner, purpose;
  };
  std::map<std::string, OwnedKey> Keys() const;

 private:
  bool IsSeen(const TrustEntryRecord& entry) const {
    return pending.empty() || !pending.contains(entry.operation);
  }
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
