#include "keystore/sqlite/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "platform/encoding.h"
#include "platform/files.h"

namespace signet::keystore::sqlite {
namespace {

constexpr Duration kLongestWait = std::chrono::hours(1);

Error Damaged(const std::string& path, const Schema& schema, const std::string& problem) {
  return MakeError(Kind::kUnavailable, "STATE_DAMAGED",
                   std::string(schema.title) + " '" + EscapeLine(path) + "': " + problem,
                   "Stop the service, keep the damaged file aside, and restore the last backup.");
}

Error Missing(const std::string& path, const Schema& schema) {
  return MakeError(
      Kind::kUnavailable, "STATE_MISSING",
      std::string(schema.title) + " '" + EscapeLine(path) + "' does not exist",
      "Restore it from a backup; only a node that never had state is initialised anew.");
}

// What every connection is set to. Small caches: many stores idle in one small process.
void Configure(SQLite::Database& database, Connection::Mode mode) {
  database.exec("PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY");
  if (mode == Connection::Mode::kWrite) {
    // FULL: in WAL mode a commit is on the disk when it returns, not only ordered.
    database.exec(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-200;"
        "PRAGMA journal_size_limit=4194304");
  } else if (mode == Connection::Mode::kRead) {
    database.exec("PRAGMA query_only=ON; PRAGMA cache_size=-100");
  }
}

std::int64_t Pragma(SQLite::Database& database, const std::string& name) {
  return database.execAndGet("PRAGMA " + name).getInt64();
}

void Migrate(SQLite::Database& database, const Schema& schema, std::int64_t from) {
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  for (std::size_t i = static_cast<std::size_t>(from); i < schema.migrations.size(); ++i) {
    database.exec(schema.migrations[i]);
  }
  database.exec("PRAGMA application_id=" + std::to_string(schema.application_id));
  database.exec("PRAGMA user_version=" + std::to_string(schema.migrations.size()));
  transaction.commit();
}

Status SyncFolder(FileSystem& files, const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return files.SyncDirectory(folder.empty() ? "." : folder);
}

// Makes the file beside its place and moves it there, so that a crash leaves a whole file or none.
Status Create(FileSystem& files, const std::string& path, const Schema& schema) {
  // SQLite would replay a log without its database into the new, empty one.
  if (files.Info(path + "-wal")) {
    return Damaged(path, schema, "the file is gone, but its write-ahead log is still there");
  }
  const std::string fresh = path + ".new";
  SIGNET_TRY(files.Remove(fresh + "-journal"));
  SIGNET_TRY(files.WriteAtomic(fresh, {}, 0600));
  {
    SIGNET_TRY(const auto connection, Connection::Connect(fresh, schema, Connection::Mode::kMake));
    SIGNET_TRY(connection->Try([&]() -> Status {
      Migrate(connection->database(), schema, 0);
      return Ok();
    }));
  }
  SIGNET_TRY(files.SyncFile(fresh));
  std::error_code code;
  std::filesystem::rename(fresh, path, code);
  if (code) return ErrnoError(code.value(), "cannot rename", fresh);
  return SyncFolder(files, path);
}

// The file is whole, ours, and of a format that we know.
Status Check(SQLite::Database& database, const std::string& path, const Schema& schema) {
  const std::int64_t format = Pragma(database, "user_version");
  if (format == 0 || Pragma(database, "application_id") != schema.application_id) {
    return Damaged(path, schema, "this is not a " + std::string(schema.title) + " of Signet");
  }
  if (format > static_cast<std::int64_t>(schema.migrations.size())) {
    return MakeError(Kind::kRefused, "STATE_TOO_NEW",
                     std::string(schema.title) + " '" + EscapeLine(path) + "' has format " +
                         std::to_string(format) + ", this version knows formats up to " +
                         std::to_string(schema.migrations.size()),
                     "Run the newer version again, or restore the backup made before the upgrade.");
  }
  const std::string verdict = database.execAndGet("PRAGMA quick_check(1)").getString();
  if (verdict != "ok") return Damaged(path, schema, EscapeLine(verdict));
  if (format < static_cast<std::int64_t>(schema.migrations.size())) {
    Migrate(database, schema, format);
  }
  return Ok();
}

}  // namespace

bool Gate::try_lock_until(SteadyTime limit) {
  std::unique_lock lock(mutex_);
  if (!freed_.wait_until(lock, limit, [this] { return !taken_; })) return false;
  taken_ = true;
  return true;
}

void Gate::unlock() {
  {
    const std::lock_guard lock(mutex_);
    taken_ = false;
  }
  freed_.notify_one();
}

// SQLite makes no file here, and locks nothing: the lease does.
Connection::Connection(const std::string& path, const Schema& schema)
    : path_(path),
      schema_(schema),
      database_(path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, 1000) {}

Result<std::unique_ptr<Connection>> Connection::Connect(const std::string& path,
                                                        const Schema& schema, Mode mode) {
  try {
    std::unique_ptr<Connection> connection(new Connection(path, schema));
    Configure(connection->database_, mode);
    return connection;
  } catch (const SQLite::Exception& exception) {
    return Translate(exception, path, schema, 0);
  }
}

Result<Connection::Lease> Connection::Acquire(Duration limit) {
  limit = std::min(limit, kLongestWait);
  const SteadyTime start = std::chrono::steady_clock::now();
  Lease lease(gate_, std::defer_lock);
  if (limit <= Duration::zero() || !lease.try_lock_until(start + limit)) {
    return MakeError(Kind::kTimeout, "STORE_BUSY",
                     std::string(schema_.title) + " was not free within the deadline",
                     "Try again; if it stays so, look at the disk's load.");
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      limit - (std::chrono::steady_clock::now() - start));
  sqlite3_busy_timeout(database_.getHandle(), std::max(1, static_cast<int>(left.count())));
  return lease;
}

SQLite::Statement& Connection::Prepared(const char* literal) {
  auto& statement = statements_[literal];
  if (!statement) statement = std::make_unique<SQLite::Statement>(database_, literal);
  return *statement;
}

int Connection::SystemErrno() const { return sqlite3_system_errno(database_.getHandle()); }

Error Connection::Translate(const SQLite::Exception& exception, const std::string& path,
                            const Schema& schema, int system_errno) {
  const int code = exception.getErrorCode();
  const int primary = code < 0 ? code : code & 0xff;
  const std::string problem = EscapeLine(exception.what());
  const std::string detail = std::string(schema.title) + " '" + EscapeLine(path) + "': " + problem;
  const bool full = primary == SQLITE_FULL ||
                    (primary == SQLITE_IOERR && (system_errno == ENOSPC || system_errno == EDQUOT));
  Error error;
  if (full) {
    error = MakeError(Kind::kUnavailable, "STORAGE_FULL", detail,
                      "Free space on the file system (or raise the quota), then try again.");
  } else if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    error = Damaged(path, schema, problem);
  } else if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
    error = MakeError(Kind::kTimeout, "STORE_BUSY", detail,
                      "Try again; end other programs that hold the file open.");
  } else {
    error = MakeError(Kind::kUnavailable, schema.failed_word, detail,
                      "Check the disk beneath it ('journalctl -k') and the file's permissions.");
  }
  error.origin = {"SQLite", static_cast<std::uint64_t>(std::max(0, code))};
  return error;
}

Result<Connections> Open(const std::string& path, const Schema& schema, bool create) {
  const std::unique_ptr<FileSystem> files = MakeFileSystem();
  Result<FileInfo> info = files->Info(path);
  if (!info) {
    if (info.error().kind != Kind::kNotFound) return std::move(info).error();
    if (!create) return Missing(path, schema);
    SIGNET_TRY(Create(*files, path, schema));
  } else if (info.value().size == 0) {
    return Damaged(path, schema, "the file is empty");
  }
  SIGNET_TRY(CheckOwnFile(*files, path, false));

  Connections result;
  SIGNET_TRY(result.writer, Connection::Connect(path, schema, Connection::Mode::kWrite));
  SIGNET_TRY(result.writer->Try([&] { return Check(result.writer->database(), path, schema); }));
  // The log's file is there now, and stays as long as the connection. SQLite syncs its name too,
  // but passes over an error.
  SIGNET_TRY(SyncFolder(*files, path));
  SIGNET_TRY(result.reader, Connection::Connect(path, schema, Connection::Mode::kRead));
  return result;
}

}  // namespace signet::keystore::sqlite
