#include "keystore/node_log.h"

#include <sqlite3.h>

#include <cstdio>
#include <mutex>

#include "keystore/audit_chain.h"
#include "keystore/sqlite/database.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"

namespace signet::keystore {
namespace {

constexpr Duration kPatience =
    std::chrono::seconds(10);  // for a lease; a commit takes milliseconds
constexpr auto kResultLife = std::chrono::hours(24);
constexpr Duration kSweepInterval = std::chrono::minutes(10);
constexpr std::size_t kDetailLimit = 4096;
constexpr std::size_t kVerifyBatch = 500;

constexpr const char* kMigrations[] = {R"(
CREATE TABLE journal(
  id TEXT NOT NULL PRIMARY KEY,
  started INTEGER NOT NULL,
  actor TEXT NOT NULL,
  role TEXT NOT NULL,
  origin TEXT NOT NULL,
  method TEXT NOT NULL,
  digest TEXT NOT NULL,
  idempotency_key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit(
  sequence INTEGER NOT NULL PRIMARY KEY,
  time INTEGER NOT NULL,
  actor TEXT NOT NULL,
  role TEXT NOT NULL,
  origin TEXT NOT NULL,
  method TEXT NOT NULL,
  digest TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  operation TEXT NOT NULL,
  outcome TEXT NOT NULL,
  detail TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE TABLE audit_head(
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 0),
  count INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT;
INSERT INTO audit_head
  VALUES (0, 0, '0000000000000000000000000000000000000000000000000000000000000000');
-- id: SHA-256 of the actor, a NUL and the key, which are text from outside.
CREATE TABLE idempotency(
  id TEXT NOT NULL PRIMARY KEY,
  stored INTEGER NOT NULL,
  method TEXT NOT NULL,
  digest TEXT NOT NULL,
  result TEXT NOT NULL
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency(stored);
CREATE TABLE throttle(
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 0),
  failures INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT;
)",
                                       // signet-keyd counts wrong PINs itself.
                                       "DROP TABLE throttle;",
                                       R"(
CREATE TABLE event(
  sequence INTEGER NOT NULL PRIMARY KEY,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  details TEXT NOT NULL
) STRICT;
-- Small states of the node's services.
CREATE TABLE memory(
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)"};

constexpr sqlite::Schema kSchema{"node log", "AUDIT_UNAVAILABLE", 0x53474e32 /* SGN2 */,
                                 kMigrations};

std::int64_t Seconds(WallTime time) { return time.time_since_epoch().count(); }
WallTime FromSeconds(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

ChangeOrigin Escaped(const ChangeOrigin& origin) {
  return {EscapeLine(origin.actor),  EscapeLine(origin.role),   EscapeLine(origin.origin),
          EscapeLine(origin.method), EscapeLine(origin.digest), EscapeLine(origin.idempotency_key)};
}

std::string ResultId(const std::string& actor, const std::string& key) {
  return Sha256Hex(actor + '\0' + key);
}

AuditRecord ReadAudit(sqlite::Query& query) {
  AuditRecord record;
  record.sequence = query.Integer(0);
  record.time = FromSeconds(query.Integer(1));
  record.origin = {query.Text(2), query.Text(3), query.Text(4),
                   query.Text(5), query.Text(6), query.Text(7)};
  record.operation = query.Text(8);
  record.outcome = query.Text(9);
  record.detail = query.Text(10);
  record.previous = query.Text(11);
  record.hash = query.Text(12);
  return record;
}

class SqliteNodeLog final : public NodeLog {
 public:
  SqliteNodeLog(sqlite::Connections connections, Clock& clock)
      : writer_(std::move(connections.writer)),
        reader_(std::move(connections.reader)),
        clock_(clock) {}

  Result<JournalEntry> Begin(const ChangeOrigin& origin) override;
  Status Finish(const JournalEntry& entry, const std::string& outcome, const std::string& detail,
                const std::optional<std::string>& result) override;
  Result<std::vector<JournalEntry>> Pending() override;
  Status Note(const ChangeOrigin& origin, const std::string& outcome,
              const std::string& detail) override;
  Result<std::optional<IdempotentResult>> FindResult(const std::string& actor,
                                                     const std::string& key) override;
  Result<std::vector<AuditRecord>> Audit(std::int64_t after, std::size_t limit) override;
  Result<AuditVerdict> VerifyAudit() override;
  Result<std::int64_t> AddEvent(const EventRow& event) override;
  Result<std::vector<EventRow>> Events(std::int64_t after, std::size_t limit) override;
  Result<EventSpan> EventsKept() override;
  Status Remember(const std::string& name, const std::string& value) override;
  Result<std::optional<std::string>> Recall(const std::string& name) override;
  Result<std::vector<std::string>> RecallAll(const std::string& prefix) override;
  Status Forget(const std::string& name) override;

 private:
  std::string NextId(WallTime now);
  void Append(const ChangeOrigin& origin, const std::string& operation, const std::string& outcome,
              const std::string& detail);
  void KeepResult(const ChangeOrigin& origin, const std::string& result);

  const std::unique_ptr<sqlite::Connection> writer_, reader_;
  Clock& clock_;
  // Under the writer's lease:
  std::int64_t last_milliseconds_ = 0;
  std::optional<SteadyTime> swept_;
};

// The clock counts seconds; identifiers of one second are counted up, so that they sort in the
// order of their making.
std::string SqliteNodeLog::NextId(WallTime now) {
  last_milliseconds_ = std::max(Seconds(now) * 1000, last_milliseconds_ + 1);
  char digits[17];
  std::snprintf(digits, sizeof digits, "%012llx",
                static_cast<unsigned long long>(last_milliseconds_) & 0xffff'ffff'ffffULL);
  return digits + RandomHex(6);
}

Result<JournalEntry> SqliteNodeLog::Begin(const ChangeOrigin& origin) {
  const ChangeOrigin escaped = Escaped(origin);
  return writer_->Use(kPatience, [&]() -> Result<JournalEntry> {
    const WallTime now = clock_.Now();
    JournalEntry entry{NextId(now), origin, now};
    sqlite::Query(*writer_, "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", entry.id,
                  Seconds(now), escaped.actor, escaped.role, escaped.origin, escaped.method,
                  escaped.digest, escaped.idempotency_key)
        .Run();
    Failpoint("node-log.begun");
    return entry;
  });
}

void SqliteNodeLog::Append(const ChangeOrigin& origin, const std::string& operation,
                           const std::string& outcome, const std::string& detail) {
  AuditRecord record;
  {
    sqlite::Query head(*writer_, "SELECT count, hash FROM audit_head");
    if (!head.Step()) throw SQLite::Exception("the audit log's head is missing", SQLITE_CORRUPT);
    record.sequence = head.Integer(0) + 1;
    record.previous = head.Text(1);
  }
  record.time = clock_.Now();
  record.origin = Escaped(origin);
  record.operation = operation;
  record.outcome = EscapeLine(outcome);
  record.detail = EscapeLine(detail, kDetailLimit);
  record.hash = AuditHash(record);
  sqlite::Query(*writer_,
                "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                record.sequence, Seconds(record.time), record.origin.actor, record.origin.role,
                record.origin.origin, record.origin.method, record.origin.digest,
                record.origin.idempotency_key, record.operation, record.outcome, record.detail,
                record.previous, record.hash)
      .Run();
  sqlite::Query(*writer_, "UPDATE audit_head SET count = ?1, hash = ?2", record.sequence,
                record.hash)
      .Run();
}

void SqliteNodeLog::KeepResult(const ChangeOrigin& origin, const std::string& result) {
  const std::int64_t now = Seconds(clock_.Now());
  sqlite::Query(
      *writer_,
      "INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET "
      "stored = excluded.stored, method = excluded.method, digest = excluded.digest, "
      "result = excluded.result",
      ResultId(origin.actor, origin.idempotency_key), now, origin.method, origin.digest, result)
      .Run();
  const SteadyTime steady = clock_.Steady();
  if (swept_ && steady - *swept_ < kSweepInterval) return;
  sqlite::Query(*writer_, "DELETE FROM idempotency WHERE stored <= ?1",
                now - std::chrono::seconds(kResultLife).count())
      .Run();
  swept_ = steady;
}

Status SqliteNodeLog::Finish(const JournalEntry& entry, const std::string& outcome,
                             const std::string& detail, const std::optional<std::string>& result) {
  return writer_->Use(kPatience, [&]() -> Status {
    sqlite::WriteTransaction change(*writer_);
    if (sqlite::Query(*writer_, "DELETE FROM journal WHERE id = ?1", entry.id).Run() == 0) {
      return InternalError("operation " + EscapeLine(entry.id) + " is not under way");
    }
    Append(entry.origin, entry.id, outcome, detail);
    if (result && !entry.origin.idempotency_key.empty()) KeepResult(entry.origin, *result);
    Failpoint("node-log.before-finish");
    change.Commit();
    Failpoint("node-log.finished");
    return Ok();
  });
}

Result<std::vector<JournalEntry>> SqliteNodeLog::Pending() {
  return reader_->Use(kPatience, [&]() -> Result<std::vector<JournalEntry>> {
    sqlite::Query query(*reader_,
                        "SELECT id, started, actor, role, origin, method, digest, idempotency_key "
                        "FROM journal ORDER BY id");
    std::vector<JournalEntry> entries;
    while (query.Step()) {
      const ChangeOrigin origin{query.Text(2), query.Text(3), query.Text(4),
                                query.Text(5), query.Text(6), query.Text(7)};
      entries.push_back({query.Text(0), origin, FromSeconds(query.Integer(1))});
    }
    return entries;
  });
}

Status SqliteNodeLog::Note(const ChangeOrigin& origin, const std::string& outcome,
                           const std::string& detail) {
  return writer_->Use(kPatience, [&]() -> Status {
    sqlite::WriteTransaction change(*writer_);
    Append(origin, {}, outcome, detail);
    change.Commit();
    return Ok();
  });
}

Result<std::optional<IdempotentResult>> SqliteNodeLog::FindResult(const std::string& actor,
                                                                  const std::string& key) {
  return reader_->Use(kPatience, [&]() -> Result<std::optional<IdempotentResult>> {
    sqlite::Query query(
        *reader_, "SELECT method, digest, result FROM idempotency WHERE id = ?1 AND stored > ?2",
        ResultId(actor, key), Seconds(clock_.Now() - kResultLife));
    if (!query.Step()) return std::optional<IdempotentResult>();
    return std::optional<IdempotentResult>({query.Text(0), query.Text(1), query.Text(2)});
  });
}

Result<std::vector<AuditRecord>> SqliteNodeLog::Audit(std::int64_t after, std::size_t limit) {
  return reader_->Use(kPatience, [&]() -> Result<std::vector<AuditRecord>> {
    sqlite::Query query(*reader_,
                        "SELECT * FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT ?2", after,
                        static_cast<std::int64_t>(limit));
    std::vector<AuditRecord> records;
    while (query.Step()) records.push_back(ReadAudit(query));
    return records;
  });
}

Result<AuditVerdict> SqliteNodeLog::VerifyAudit() {
  // The state to verify is fixed first; then the records, which never change, are read in pieces,
  // so that others get the connection in between.
  std::int64_t count = 0, last = 0;
  std::string hash = "missing";
  SIGNET_TRY(reader_->Use(kPatience, [&]() -> Status {
    sqlite::Query query(*reader_,
                        "SELECT count, hash, (SELECT coalesce(max(sequence), 0) FROM audit) "
                        "FROM audit_head");
    if (!query.Step()) return Ok();
    count = query.Integer(0);
    hash = query.Text(1);
    last = query.Integer(2);
    return Ok();
  }));
  AuditChecker checker;
  for (std::int64_t after = 0;;) {
    SIGNET_TRY(const std::vector<AuditRecord> records, Audit(after, kVerifyBatch));
    for (const AuditRecord& record : records) {
      if (record.sequence > last) return checker.Finish(count, hash);
      checker.Add(record);
    }
    if (records.empty()) return checker.Finish(count, hash);
    after = records.back().sequence;
  }
}

// The newest one is never removed, so the next sequence is one more than the largest.
Result<std::int64_t> SqliteNodeLog::AddEvent(const EventRow& event) {
  return writer_->Use(kPatience, [&]() -> Result<std::int64_t> {
    sqlite::WriteTransaction change(*writer_);
    std::int64_t sequence = 1;
    {
      sqlite::Query newest(*writer_, "SELECT coalesce(max(sequence), 0) FROM event");
      if (newest.Step()) sequence = newest.Integer(0) + 1;
    }
    sqlite::Query(*writer_, "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)", sequence,
                  Seconds(event.time), event.kind, EscapeLine(event.text, kDetailLimit),
                  event.details)
        .Run();
    sqlite::Query(*writer_, "DELETE FROM event WHERE sequence <= ?1", sequence - kKeptEvents).Run();
    change.Commit();
    return sequence;
  });
}

Result<std::vector<EventRow>> SqliteNodeLog::Events(std::int64_t after, std::size_t limit) {
  return reader_->Use(kPatience, [&]() -> Result<std::vector<EventRow>> {
    sqlite::Query query(*reader_,
                        "SELECT sequence, time, kind, text, details FROM event "
                        "WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
                        after, static_cast<std::int64_t>(limit));
    std::vector<EventRow> events;
    while (query.Step()) {
      events.push_back({query.Integer(0), FromSeconds(query.Integer(1)), query.Text(2),
                        query.Text(3), query.Text(4)});
    }
    return events;
  });
}

Result<EventSpan> SqliteNodeLog::EventsKept() {
  return reader_->Use(kPatience, [&]() -> Result<EventSpan> {
    sqlite::Query query(*reader_,
                        "SELECT coalesce(min(sequence), 0), coalesce(max(sequence), 0) FROM event");
    EventSpan span;
    if (query.Step()) span = {query.Integer(0), query.Integer(1)};
    return span;
  });
}

Status SqliteNodeLog::Remember(const std::string& name, const std::string& value) {
  return writer_->Use(kPatience, [&]() -> Status {
    sqlite::Query(*writer_,
                  "INSERT INTO memory VALUES (?1, ?2) "
                  "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                  name, value)
        .Run();
    return Ok();
  });
}

Result<std::optional<std::string>> SqliteNodeLog::Recall(const std::string& name) {
  return reader_->Use(kPatience, [&]() -> Result<std::optional<std::string>> {
    sqlite::Query query(*reader_, "SELECT value FROM memory WHERE name = ?1", name);
    if (!query.Step()) return std::optional<std::string>();
    return std::optional<std::string>(query.Text(0));
  });
}

Result<std::vector<std::string>> SqliteNodeLog::RecallAll(const std::string& prefix) {
  return reader_->Use(kPatience, [&]() -> Result<std::vector<std::string>> {
    sqlite::Query query(*reader_,
                        "SELECT value FROM memory WHERE substr(name, 1, length(?1)) = ?1 "
                        "ORDER BY name",
                        prefix);
    std::vector<std::string> values;
    while (query.Step()) values.push_back(query.Text(0));
    return values;
  });
}

Status SqliteNodeLog::Forget(const std::string& name) {
  return writer_->Use(kPatience, [&]() -> Status {
    sqlite::Query(*writer_, "DELETE FROM memory WHERE name = ?1", name).Run();
    return Ok();
  });
}

}  // namespace

Result<std::unique_ptr<NodeLog>> NodeLog::Open(const std::string& path, bool create, Clock& clock) {
  SIGNET_TRY(sqlite::Connections connections, sqlite::Open(path, kSchema, create));
  return std::make_unique<SqliteNodeLog>(std::move(connections), clock);
}

}  // namespace signet::keystore
