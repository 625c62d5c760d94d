// The store of the cluster's records, modelled on etcd: keys in order, values with revisions,
// compare-and-swap transactions, watches from a revision, a deadline per call. Limits are etcd's on
// every implementation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet::keystore {

inline constexpr std::size_t kMaxOperations =
    128;  // of a transaction, compares and operations each
inline constexpr std::size_t kMaxRequestBytes =
    1536 * 1024;  // of a transaction, keys and values together

using Revision = std::int64_t;  // of the store; grows by one with each transaction that writes

struct Record {
  std::string key;
  std::string value;  // a JSON document
  Revision created = 0;
  Revision modified = 0;
};

// The transaction happens only if each key's `modified` is as expected (0: the key does not exist).
struct Compare {
  std::string key;
  Revision modified = 0;
};

struct Write {
  std::string key;
  std::optional<std::string> value;  // none: delete (absent is fine)
};

struct Transaction {
  std::vector<Compare> compares;
  std::vector<Write> writes;
  void Expect(std::string key, Revision modified) {
    compares.push_back({std::move(key), modified});
  }
  void Put(std::string key, std::string value) {
    writes.push_back({std::move(key), std::move(value)});
  }
  void Delete(std::string key) { writes.push_back({std::move(key), std::nullopt}); }
};

struct Range {
  std::vector<Record> records;  // in key order
  Revision revision = 0;        // of the store, at which they were read
  bool more = false;            // the limit cut the range
};

struct Event {
  std::string key;
  std::optional<std::string> value;  // none: deleted
  Revision modified = 0;
};
// All events of one transaction together, transactions in order, none left out. Called on a thread
// of the store; must not call the store.
using WatchSink = std::function<void(Revision revision, const std::vector<Event>& events)>;

class Watch {
 public:
  // No call any more when it returns. Not from within its sink; before the store dies.
  virtual ~Watch() = default;
};

// Thread-safe. A deadline is the time from the call on. Errors: kConflict STATE_CHANGED is never an
// error here (see Commit); kUsage TRANSACTION_TOO_LARGE, KEY_INVALID (empty), KEY_REPEATED (written
// twice in one transaction); kTimeout STORE_BUSY; kUnavailable STORAGE_FULL, STORE_FAILED,
// STATE_DAMAGED; kUnavailable STORE_COMPACTED for a watch from a revision that is gone.
class Store {
 public:
  virtual ~Store() = default;
  virtual Result<std::optional<Record>> Get(const std::string& key, Duration deadline) = 0;
  // Keys that start with `prefix`, after `after` (exclusive, empty: from the start), at most
  // `limit` (0: all).
  virtual Result<Range> List(const std::string& prefix, const std::string& after, std::size_t limit,
                             Duration deadline) = 0;
  // The new revision, or none when a compare did not hold (nothing was written then). Where nothing
  // changes (only compares, only absent keys deleted) the revision stays. Durable when it returns.
  // Sinks of this process have seen the change when it returns.
  virtual Result<std::optional<Revision>> Commit(const Transaction& transaction,
                                                 Duration deadline) = 0;
  // Events under `prefix` after revision `from` (0: from now on), without gap or repetition: List()
  // and a watch from its revision see everything. Past events are delivered before this returns.
  virtual Result<std::unique_ptr<keystore::Watch>> Watch(const std::string& prefix, Revision from,
                                                         WatchSink sink) = 0;
};

}  // namespace signet::keystore
