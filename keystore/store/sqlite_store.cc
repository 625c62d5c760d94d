#include "keystore/store/sqlite_store.h"

#include <sqlite3.h>

#include <list>
#include <mutex>
#include <set>

#include "keystore/sqlite/database.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::keystore {
namespace {

// Watches can start this many revisions back, if the values of that time are not larger altogether.
constexpr Revision kKeptRevisions = 10'000;
constexpr std::int64_t kKeptBytes = 64 << 20;
// history.position is revision * 256 + number of the write, which is below kMaxOperations.
constexpr std::int64_t kPositions = 256;
static_assert(kMaxOperations <= kPositions);
constexpr Duration kReplayDeadline = std::chrono::seconds(30);

constexpr const char* kMigrations[] = {R"(
CREATE TABLE kv(
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  created INTEGER NOT NULL,
  modified INTEGER NOT NULL
) STRICT;
-- What watches replay; value NULL: deleted, or (in_kv) as it stands in kv.
CREATE TABLE history(
  position INTEGER NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT
) STRICT;
-- compacted: the newest revision whose history is gone.
CREATE TABLE state(
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 0),
  revision INTEGER NOT NULL,
  compacted INTEGER NOT NULL,
  history_bytes INTEGER NOT NULL
) STRICT;
-- Revision 1 is the empty store, as in etcd: 0 means "none" in compares and watches.
INSERT INTO state VALUES (0, 1, 1, 0);
)",
                                       // A value that is still in kv is not written twice.
                                       R"(
ALTER TABLE history ADD COLUMN in_kv INTEGER NOT NULL DEFAULT 0;
)"};

constexpr sqlite::Schema kSchema{"store", "STORE_FAILED", 0x53474e31 /* SGN1 */, kMigrations};

struct State {
  Revision revision = 0;
  Revision compacted = 0;
  std::int64_t history_bytes = 0;
};

State ReadState(sqlite::Connection& connection) {
  sqlite::Query query(connection, "SELECT revision, compacted, history_bytes FROM state");
  if (!query.Step()) throw SQLite::Exception("the state row is missing", SQLITE_CORRUPT);
  return {query.Integer(0), query.Integer(1), query.Integer(2)};
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// The smallest key that is larger than all that start with `prefix`; none when there is no such
// key.
std::optional<std::string> EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

Status CheckLimits(const Transaction& transaction) {
  std::size_t bytes = 0;
  std::set<std::string_view> written;
  const auto invalid = [] {
    return MakeError(Kind::kUsage, "KEY_INVALID", "a record's key is empty", "Name the record.");
  };
  for (const Compare& compare : transaction.compares) {
    if (compare.key.empty()) return invalid();
    bytes += compare.key.size();
  }
  for (const Write& write : transaction.writes) {
    if (write.key.empty()) return invalid();
    if (!written.insert(write.key).second) {
      return MakeError(Kind::kUsage, "KEY_REPEATED",
                       "one transaction writes '" + EscapeLine(write.key) + "' twice",
                       "Write each record once in a transaction.");
    }
    bytes += write.key.size() + (write.value ? write.value->size() : 0);
  }
  if (transaction.compares.size() > kMaxOperations || transaction.writes.size() > kMaxOperations ||
      bytes > kMaxRequestBytes) {
    return MakeError(Kind::kUsage, "TRANSACTION_TOO_LARGE",
                     std::to_string(transaction.writes.size()) + " writes, " +
                         std::to_string(transaction.compares.size()) + " compares, " +
                         std::to_string(bytes) + " bytes; the limits are " +
                         std::to_string(kMaxOperations) + ", " + std::to_string(kMaxOperations) +
                         ", " + std::to_string(kMaxRequestBytes),
                     "Change fewer things at once.");
  }
  return Ok();
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(sqlite::Connections connections)
      : writer_(std::move(connections.writer)), reader_(std::move(connections.reader)) {}

  Result<std::optional<Record>> Get(const std::string& key, Duration deadline) override;
  Result<Range> List(const std::string& prefix, const std::string& after, std::size_t limit,
                     Duration deadline) override;
  Result<std::optional<Revision>> Commit(const Transaction& transaction,
                                         Duration deadline) override;
  Result<std::unique_ptr<keystore::Watch>> Watch(const std::string& prefix, Revision from,
                                                 WatchSink sink) override;

 private:
  struct Watcher {
    std::string prefix;
    Revision seen = 0;
    WatchSink sink;
  };
  using Watchers = std::list<Watcher>;
  class Registration;

  Result<std::optional<Revision>> Apply(const Transaction& transaction, std::vector<Event>& events);
  bool Holds(const Compare& compare);
  bool WriteRecord(const Write& write, Revision revision, State& state);
  void KeepOldValue(const std::string& key, State& state);
  void Trim(State& state);
  static void Deliver(Watcher& watcher, Revision revision, const std::vector<Event>& events);
  Status Replay(Watcher& watcher);

  const std::unique_ptr<sqlite::Connection> writer_, reader_;
  // Orders deliveries; taken by a committer while it still has the writer, so in the order of
  // revisions.
  std::mutex delivery_;
  Watchers watchers_;
};

class SqliteStore::Registration final : public keystore::Watch {
 public:
  Registration(SqliteStore& store, Watchers::iterator watcher) : store_(store), watcher_(watcher) {}
  ~Registration() override {
    const std::lock_guard lock(store_.delivery_);
    store_.watchers_.erase(watcher_);
  }

 private:
  SqliteStore& store_;
  const Watchers::iterator watcher_;
};

Result<std::optional<Record>> SqliteStore::Get(const std::string& key, Duration deadline) {
  return reader_->Use(deadline, [&]() -> Result<std::optional<Record>> {
    sqlite::Query query(*reader_, "SELECT value, created, modified FROM kv WHERE key = ?1", key);
    if (!query.Step()) return std::optional<Record>();
    return std::optional<Record>({key, query.Text(0), query.Integer(1), query.Integer(2)});
  });
}

Result<Range> SqliteStore::List(const std::string& prefix, const std::string& after,
                                std::size_t limit, Duration deadline) {
  // One lower bound, so that the index finds the start: the smallest key above `after` is it and a
  // NUL.
  const std::string first = std::max(prefix, after.empty() ? after : after + '\0');
  const std::optional<std::string> end = EndOfPrefix(prefix);
  const std::int64_t rows = limit == 0 ? -1 : static_cast<std::int64_t>(limit) + 1;
  return reader_->Use(deadline, [&]() -> Result<Range> {
    const sqlite::ReadTransaction transaction(*reader_);
    Range range;
    range.revision = ReadState(*reader_).revision;
    const auto read = [&](sqlite::Query&& query) {
      while (query.Step()) {
        if (limit != 0 && range.records.size() == limit) {
          range.more = true;
          return;
        }
        range.records.push_back({query.Text(0), query.Text(1), query.Integer(2), query.Integer(3)});
      }
    };
    if (end) {
      read(sqlite::Query(*reader_,
                         "SELECT key, value, created, modified FROM kv "
                         "WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
                         first, *end, rows));
    } else {
      read(sqlite::Query(*reader_,
                         "SELECT key, value, created, modified FROM kv "
                         "WHERE key >= ?1 ORDER BY key LIMIT ?2",
                         first, rows));
    }
    return range;
  });
}

bool SqliteStore::Holds(const Compare& compare) {
  sqlite::Query query(*writer_, "SELECT modified FROM kv WHERE key = ?1", compare.key);
  return (query.Step() ? query.Integer(0) : 0) == compare.modified;
}

// Before a record is overwritten or deleted: its value goes to the history that refers to it.
void SqliteStore::KeepOldValue(const std::string& key, State& state) {
  std::string value;
  Revision modified = 0;
  {
    sqlite::Query query(*writer_, "SELECT value, modified FROM kv WHERE key = ?1", key);
    if (!query.Step()) return;
    value = query.Text(0);
    modified = query.Integer(1);
  }
  const int moved = sqlite::Query(*writer_,
                                  "UPDATE history SET value = ?1, bytes = ?2, in_kv = 0 "
                                  "WHERE position >= ?3 AND position < ?4 AND key = ?5 AND in_kv",
                                  value, static_cast<std::int64_t>(key.size() + value.size()),
                                  modified * kPositions, (modified + 1) * kPositions, key)
                        .Run();
  if (moved != 0) state.history_bytes += static_cast<std::int64_t>(value.size());
}

// False when there was nothing to delete.
bool SqliteStore::WriteRecord(const Write& write, Revision revision, State& state) {
  KeepOldValue(write.key, state);
  if (!write.value) {
    return sqlite::Query(*writer_, "DELETE FROM kv WHERE key = ?1", write.key).Run() != 0;
  }
  sqlite::Query(*writer_,
                "INSERT INTO kv VALUES (?1, ?2, ?3, ?3) ON CONFLICT (key) "
                "DO UPDATE SET value = excluded.value, modified = excluded.modified",
                write.key, *write.value, revision)
      .Run();
  return true;
}

void SqliteStore::Trim(State& state) {
  while (state.compacted + 1 < state.revision &&
         (state.revision - state.compacted > kKeptRevisions || state.history_bytes > kKeptBytes)) {
    const std::int64_t begin = (state.compacted + 1) * kPositions;
    {
      sqlite::Query sum(*writer_,
                        "SELECT coalesce(sum(bytes), 0) FROM history "
                        "WHERE position >= ?1 AND position < ?2",
                        begin, begin + kPositions);
      if (sum.Step()) state.history_bytes -= sum.Integer(0);
    }
    sqlite::Query(*writer_, "DELETE FROM history WHERE position >= ?1 AND position < ?2", begin,
                  begin + kPositions)
        .Run();
    ++state.compacted;
  }
}

Result<std::optional<Revision>> SqliteStore::Apply(const Transaction& transaction,
                                                   std::vector<Event>& events) {
  sqlite::WriteTransaction change(*writer_);
  for (const Compare& compare : transaction.compares) {
    if (!Holds(compare)) return std::optional<Revision>();
  }
  State state = ReadState(*writer_);
  const Revision revision = state.revision + 1;
  for (const Write& write : transaction.writes) {
    if (!WriteRecord(write, revision, state)) continue;
    const std::int64_t position = revision * kPositions + static_cast<std::int64_t>(events.size());
    const auto bytes = static_cast<std::int64_t>(write.key.size());
    const std::int64_t in_kv = write.value ? 1 : 0;
    sqlite::Query(*writer_, "INSERT INTO history VALUES (?1, ?2, ?3, NULL, ?4)", position, bytes,
                  write.key, in_kv)
        .Run();
    state.history_bytes += bytes;
    events.push_back({write.key, write.value, revision});
  }
  if (events.empty()) return std::optional<Revision>(state.revision);
  state.revision = revision;
  Trim(state);
  sqlite::Query(*writer_, "UPDATE state SET revision = ?1, compacted = ?2, history_bytes = ?3",
                state.revision, state.compacted, state.history_bytes)
      .Run();
  Failpoint("store.before-commit");
  change.Commit();
  Failpoint("store.after-commit");
  return std::optional<Revision>(revision);
}

Result<std::optional<Revision>> SqliteStore::Commit(const Transaction& transaction,
                                                    Duration deadline) {
  SIGNET_TRY(CheckLimits(transaction));
  SIGNET_TRY(auto lease, writer_->Acquire(deadline));
  std::vector<Event> events;
  SIGNET_TRY(const std::optional<Revision> revision,
             writer_->Try([&] { return Apply(transaction, events); }));
  if (!revision || events.empty()) return revision;
  const std::lock_guard delivery(delivery_);
  lease.unlock();
  for (Watcher& watcher : watchers_) Deliver(watcher, *revision, events);
  return revision;
}

void SqliteStore::Deliver(Watcher& watcher, Revision revision, const std::vector<Event>& events) {
  // A replay may have seen a revision that was committed but not yet delivered.
  if (revision <= watcher.seen) return;
  watcher.seen = revision;
  std::vector<Event> chosen;
  for (const Event& event : events) {
    if (StartsWith(event.key, watcher.prefix)) chosen.push_back(event);
  }
  if (!chosen.empty()) watcher.sink(revision, chosen);
}

Status SqliteStore::Replay(Watcher& watcher) {
  return reader_->Use(kReplayDeadline, [&]() -> Status {
    const sqlite::ReadTransaction transaction(*reader_);
    if (watcher.seen < ReadState(*reader_).compacted) {
      return MakeError(Kind::kUnavailable, "STORE_COMPACTED",
                       "the history after revision " + std::to_string(watcher.seen) + " is gone",
                       "Read the records again and watch from that revision.");
    }
    sqlite::Query query(*reader_,
                        "SELECT position, key, CASE WHEN in_kv THEN (SELECT value FROM kv WHERE "
                        "kv.key = history.key) ELSE history.value END FROM history "
                        "WHERE position >= ?1 ORDER BY position",
                        (watcher.seen + 1) * kPositions);
    std::vector<Event> events;
    while (query.Step()) {
      const Revision revision = query.Integer(0) / kPositions;
      if (!events.empty() && events.front().modified != revision) {
        Deliver(watcher, events.front().modified, events);
        events.clear();
      }
      events.push_back({query.Text(1),
                        query.IsNull(2) ? std::nullopt : std::optional<std::string>(query.Text(2)),
                        revision});
    }
    if (!events.empty()) Deliver(watcher, events.front().modified, events);
    return Ok();
  });
}

Result<std::unique_ptr<keystore::Watch>> SqliteStore::Watch(const std::string& prefix,
                                                            Revision from, WatchSink sink) {
  const std::lock_guard delivery(delivery_);
  Watcher watcher{prefix, from, std::move(sink)};
  if (from > 0) {
    SIGNET_TRY(Replay(watcher));
  }
  watchers_.push_back(std::move(watcher));
  return std::make_unique<Registration>(*this, std::prev(watchers_.end()));
}

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, bool create) {
  SIGNET_TRY(sqlite::Connections connections, sqlite::Open(path, kSchema, create));
  return std::make_unique<SqliteStore>(std::move(connections));
}

}  // namespace signet::keystore
