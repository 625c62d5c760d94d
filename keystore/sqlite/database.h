// SQLite for the keystore: opening a file so that nothing is ever made over a lost one, schema
// migrations, and the one place where SQLiteCpp's exceptions become errors. Used by the keystore's
// stores only.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet::keystore::sqlite {

// What a file holds. Its format is the number of migrations that it went through (PRAGMA
// user_version).
struct Schema {
  const char* title;        // for messages: "node log"
  const char* failed_word;  // of errors that are not one of the named situations: "STORE_FAILED"
  std::int32_t application_id;  // PRAGMA application_id: another program's file is recognised
  std::span<const char* const> migrations;  // SQL; number i makes format i+1 of format i
};

// A lock that can be waited for until a time. Not std::timed_mutex: g++ 12's thread sanitizer does
// not know pthread_mutex_clocklock and sees races everywhere.
class Gate {
 public:
  bool try_lock_until(SteadyTime limit);
  void unlock();

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  bool taken_ = false;
};

// One connection to a file, lent to one caller at a time, with its statements kept.
//
// Within Try() SQLiteCpp's exceptions travel; they end there, as
//   kUnavailable STORAGE_FULL   no space on the device, or quota
//   kUnavailable STATE_DAMAGED  the file is not a database, or is damaged
//   kTimeout     STORE_BUSY     another process holds the file's lock
//   kUnavailable <failed_word>  everything else
class Connection {
 public:
  enum class Mode : std::uint8_t {
    kWrite,
    kRead,
    kMake
  };  // kMake: to write a schema, no log beside the file
  // Opens a file that exists.
  static Result<std::unique_ptr<Connection>> Connect(const std::string& path, const Schema& schema,
                                                     Mode mode);

  // The right to use the connection, or kTimeout STORE_BUSY. `limit` also bounds the wait for other
  // processes.
  using Lease = std::unique_lock<Gate>;
  Result<Lease> Acquire(Duration limit);

  // Runs `body`, which returns a Result, under a lease that the caller holds.
  template <class Body>
  std::invoke_result_t<Body&> Try(Body&& body) {
    try {
      return body();
    } catch (const SQLite::Exception& exception) {
      return Translate(exception, path_, schema_, SystemErrno());
    }
  }
  // Acquire() and Try().
  template <class Body>
  std::invoke_result_t<Body&> Use(Duration limit, Body&& body) {
    SIGNET_TRY(const Lease lease, Acquire(limit));
    return Try(body);
  }

  SQLite::Database& database() { return database_; }
  // The statement for a string literal, compiled at its first use. Callers use Query.
  SQLite::Statement& Prepared(const char* literal);

 private:
  Connection(const std::string& path, const Schema& schema);
  static Error Translate(const SQLite::Exception& exception, const std::string& path,
                         const Schema& schema, int system_errno);
  int SystemErrno() const;  // of the last failed call to the operating system

  const std::string path_;
  const Schema& schema_;  // of static storage
  Gate gate_;
  SQLite::Database database_;
  std::unordered_map<const char*, std::unique_ptr<SQLite::Statement>> statements_;
};

// One execution of a kept statement; the destructor makes the statement free again. Within Try()
// only.
class Query {
 public:
  template <class... Values>
  explicit Query(Connection& connection, const char* literal, const Values&... values)
      : statement_(connection.Prepared(literal)) {
    int index = 0;
    (statement_.bind(++index, values), ...);
  }
  ~Query() {
    statement_.tryReset();
    statement_.clearBindings();
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool Step() { return statement_.executeStep(); }  // true: a row is there
  int Run() { return statement_.exec(); }           // rows changed
  std::int64_t Integer(int column) { return statement_.getColumn(column).getInt64(); }
  std::string Text(int column) { return statement_.getColumn(column).getString(); }
  bool IsNull(int column) { return statement_.getColumn(column).isNull(); }

 private:
  SQLite::Statement& statement_;
};

// A write that either happened as a whole or not at all.
class WriteTransaction {
 public:
  explicit WriteTransaction(Connection& connection)
      : transaction_(connection.database(), SQLite::TransactionBehavior::IMMEDIATE) {}
  void Commit() { transaction_.commit(); }

 private:
  SQLite::Transaction transaction_;
};

// Reads that see one state of the file.
class ReadTransaction {
 public:
  explicit ReadTransaction(Connection& connection)
      : transaction_(connection.database(), SQLite::TransactionBehavior::DEFERRED) {}

 private:
  SQLite::Transaction transaction_;
};

// A file's two connections: one writes; the other reads while that one waits for the disk.
struct Connections {
  std::unique_ptr<Connection> writer, reader;
};

// Opens the file, brings it to the schema's newest format, checks it (quick_check). With `create`
// an absent file is made, mode 0600, complete or not at all. Errors: kUnavailable STATE_MISSING,
// STATE_DAMAGED, STORAGE_FULL; kRefused STATE_TOO_NEW (made by a newer Signet), UNSAFE_FILE.
Result<Connections> Open(const std::string& path, const Schema& schema, bool create);

}  // namespace signet::keystore::sqlite
