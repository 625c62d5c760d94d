// What belongs to this node alone: the journal of operations, the audit log, idempotency results,
// the newest events, and what its services remember. One SQLite file. A change begins with a
// journal row and ends, in one transaction, with its audit record, its idempotency result and the
// removal of that row; so nothing is done that is not audited, and a crash leaves the row to
// recover from.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet::keystore {

// Who asked for what; the part of a request that outlives it.
struct ChangeOrigin {
  std::string actor;            // "uid:1000 (ada)", "cert:CN=…", "system"
  std::string role;             // administrator | operator | auditor | metrics | service | system
  std::string origin;           // "socket", "tls 127.0.0.1", "boot"
  std::string method;           // "csr.generate"
  std::string digest;           // SHA-256 hex of the canonical parameters, never the parameters
  std::string idempotency_key;  // or empty
};

struct JournalEntry {
  std::string id;  // operation id: 24 hex digits, sortable by time; label of the key that the
                   // operation makes holds it
  ChangeOrigin origin;
  WallTime started{};
};

struct AuditRecord {
  std::int64_t sequence = 0;
  WallTime time{};
  ChangeOrigin origin;
  std::string operation;  // journal id, or empty (refused before it began)
  std::string outcome;    // "done" | "failed:<WORD>" | "denied:<WORD>" | "undone" | "recovered"
                          // | "interrupted"
  std::string detail;     // what was changed, one escaped line
  std::string previous, hash;  // SHA-256 hex; hash covers all other fields and `previous`
};

struct AuditVerdict {
  std::int64_t records = 0;
  std::int64_t first_bad = 0;  // sequence of the first record that does not verify, 0: all do
  std::string problem;         // empty when all verify
  std::string head;            // hash of the last record
  WallTime newest{};           // the latest time that a record bears
};

struct IdempotentResult {
  std::string method, digest;
  std::string result;  // JSON of the answer
};

// Something that people and programs may want to hear of. Not evidence, as the audit log is: the
// newest kKeptEvents stay, the others go.
struct EventRow {
  std::int64_t sequence = 0;  // from 1, without holes
  WallTime time{};
  std::string kind;     // a word of services/event_api.h
  std::string text;     // one line for people
  std::string details;  // JSON, an object
};
inline constexpr std::int64_t kKeptEvents = 10'000;

// Sequences of the events that are there; 0 and 0 before the first one.
struct EventSpan {
  std::int64_t oldest = 0, newest = 0;
};

// Thread-safe. Errors: kUnavailable AUDIT_UNAVAILABLE, STORAGE_FULL, STATE_DAMAGED; kTimeout
// STORE_BUSY; with a remedy. Durable when a call returns. Texts are escaped to one line before they
// are stored. How a record is hashed: audit_chain.h.
class NodeLog {
 public:
  // As OpenSqliteStore: STATE_MISSING, STATE_DAMAGED, STATE_TOO_NEW, UNSAFE_FILE.
  static Result<std::unique_ptr<NodeLog>> Open(const std::string& path, bool create, Clock& clock);
  virtual ~NodeLog() = default;

  virtual Result<JournalEntry> Begin(const ChangeOrigin& origin) = 0;
  // Ends the operation: audit record, idempotency result (when the key is set and `result` is
  // given), row removed. An operation that is not pending is kInternal.
  virtual Status Finish(const JournalEntry& entry, const std::string& outcome,
                        const std::string& detail, const std::optional<std::string>& result) = 0;
  virtual Result<std::vector<JournalEntry>>
  Pending() = 0;  // begun, not finished: what a crash left
  // An audit record without an operation: a denied request, a connection refused. Each takes disk
  // space for ever: callers limit the rate of what unauthorised peers can cause.
  virtual Status Note(const ChangeOrigin& origin, const std::string& outcome,
                      const std::string& detail) = 0;

  // The stored result for (actor, key), kept for 24 hours.
  virtual Result<std::optional<IdempotentResult>> FindResult(const std::string& actor,
                                                             const std::string& key) = 0;

  // Records with sequence > `after`, at most `limit`, in order.
  virtual Result<std::vector<AuditRecord>> Audit(std::int64_t after, std::size_t limit) = 0;
  virtual Result<AuditVerdict> VerifyAudit() = 0;

  // Stores it as the newest one; its sequence, whatever `event` says.
  virtual Result<std::int64_t> AddEvent(const EventRow& event) = 0;
  // Events with sequence > `after`, at most `limit`, in order.
  virtual Result<std::vector<EventRow>> Events(std::int64_t after, std::size_t limit) = 0;
  virtual Result<EventSpan> EventsKept() = 0;

  // What a service of this node remembers across restarts: a small text under a name of its own.
  virtual Status Remember(const std::string& name, const std::string& value) = 0;
  virtual Result<std::optional<std::string>> Recall(const std::string& name) = 0;
  // Values of all names that begin with `prefix`, by name. Forget: nothing when it is not there.
  virtual Result<std::vector<std::string>> RecallAll(const std::string& prefix) = 0;
  virtual Status Forget(const std::string& name) = 0;
};

}  // namespace signet::keystore
