#include "keystore/lsc_register.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "keystore/sqlite/database.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/files.h"

namespace signet::keystore {
namespace {

constexpr Duration kPatience = std::chrono::seconds(30);  // for a lease: a bundle takes a second
constexpr auto kDay = std::chrono::hours(24);
constexpr std::size_t kDigits = 64;       // of a fingerprint
constexpr std::size_t kFewestDigits = 8;  // of the beginning of one

// Fingerprints are random: rows lie in the order of their coming, small indexes lead to them.
constexpr const char* kMigrations[] = {R"(
CREATE TABLE lsc(
  id INTEGER NOT NULL PRIMARY KEY,
  fingerprint TEXT NOT NULL UNIQUE,
  holder TEXT NOT NULL UNIQUE,
  subject TEXT NOT NULL,
  common_name TEXT NOT NULL,
  issuer TEXT NOT NULL,
  serial TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  registered INTEGER NOT NULL
) STRICT;
CREATE INDEX lsc_by_end ON lsc(not_after, fingerprint);
)"};

constexpr sqlite::Schema kSchema{"register of LSCs", "LSC_REGISTER_FAILED", 0x53474e33 /* SGN3 */,
                                 kMigrations};

std::int64_t Seconds(WallTime time) { return time.time_since_epoch().count(); }
WallTime FromSeconds(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

LscRow ReadRow(sqlite::Query& query) {
  LscRow row;
  row.fingerprint = query.Text(0);
  row.subject = query.Text(1);
  row.common_name = query.Text(2);
  row.issuer = query.Text(3);
  row.serial = query.Text(4);
  row.not_before = FromSeconds(query.Integer(5));
  row.not_after = FromSeconds(query.Integer(6));
  row.registered = FromSeconds(query.Integer(7));
  return row;
}

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "1893456000.<fingerprint>": the end and the name of a page's last row.
struct Place {
  std::int64_t end = 0;
  std::string fingerprint;
};

Result<Place> PlaceOf(const std::string& cursor) {
  Place place{std::numeric_limits<std::int64_t>::min(), ""};
  if (cursor.empty()) return place;
  const auto [rest, problem] =
      std::from_chars(cursor.data(), cursor.data() + cursor.size(), place.end);
  const auto used = static_cast<std::size_t>(rest - cursor.data());
  if (problem == std::errc() && used < cursor.size() && cursor[used] == '.') {
    place.fingerprint = cursor.substr(used + 1);
    if (place.fingerprint.size() == kDigits && IsHex(place.fingerprint)) return place;
  }
  return MakeError(Kind::kUsage, "CURSOR_INVALID", "this is not the cursor of a page of LSCs",
                   "Give `next` of the page before, or begin without a cursor.");
}

Error Unknown(const std::string& id) {
  return MakeError(
      Kind::kNotFound, "LSC_UNKNOWN",
      "no LSC is registered whose fingerprint is or begins with '" + EscapeLine(id, kDigits) + "'",
      "'signet lsc list' shows them; an older one of the same device was replaced.");
}

// While much is written, pages of the indexes stay in memory: without that each row costs three
// pages of the log.
class LargeCache {
 public:
  explicit LargeCache(sqlite::Connection& connection) : database_(connection.database()) {
    database_.exec("PRAGMA cache_size=-24000");
  }
  ~LargeCache() { database_.tryExec("PRAGMA cache_size=-200; PRAGMA shrink_memory"); }
  LargeCache(const LargeCache&) = delete;
  LargeCache& operator=(const LargeCache&) = delete;

 private:
  SQLite::Database& database_;
};

class SqliteLscRegister final : public LscRegister {
 public:
  explicit SqliteLscRegister(sqlite::Connections connections)
      : writer_(std::move(connections.writer)), reader_(std::move(connections.reader)) {}

  Result<std::vector<LscOutcome>> Register(std::span<const LscEntry> entries) override;
  Result<LscPage> Page(const std::string& after, std::size_t limit,
                       std::optional<WallTime> ends_before) override;
  Result<LscRow> Remove(const std::string& id) override;
  Result<std::size_t> RemoveExpired(WallTime before) override;
  Result<LscCount> Count(WallTime now, std::chrono::seconds start, std::size_t most) override;

 private:
  LscOutcome RegisterOne(const LscEntry& entry);
  std::size_t CountBetween(std::int64_t from, std::int64_t to);

  const std::unique_ptr<sqlite::Connection> writer_, reader_;
};

LscOutcome SqliteLscRegister::RegisterOne(const LscEntry& entry) {
  const LscRow& row = entry.row;
  bool replaces = false;
  {
    sqlite::Query known(*writer_,
                        "SELECT fingerprint, not_before, not_after FROM lsc WHERE holder = ?1",
                        entry.holder);
    replaces = known.Step();
    if (replaces) {
      if (known.Text(0) == row.fingerprint) return LscOutcome::kKnown;
      const std::pair there{known.Integer(1), known.Integer(2)};
      if (std::pair(Seconds(row.not_before), Seconds(row.not_after)) <= there)
        return LscOutcome::kSuperseded;
    }
  }
  sqlite::Query(*writer_,
                "INSERT INTO lsc(fingerprint, holder, subject, common_name, issuer, serial, "
                "not_before, not_after, registered) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
                "ON CONFLICT (holder) DO UPDATE SET fingerprint = excluded.fingerprint, "
                "subject = excluded.subject, common_name = excluded.common_name, "
                "issuer = excluded.issuer, serial = excluded.serial, "
                "not_before = excluded.not_before, not_after = excluded.not_after, "
                "registered = excluded.registered",
                row.fingerprint, entry.holder, row.subject, row.common_name, row.issuer, row.serial,
                Seconds(row.not_before), Seconds(row.not_after), Seconds(row.registered))
      .Run();
  return replaces ? LscOutcome::kReplaced : LscOutcome::kRegistered;
}

Result<std::vector<LscOutcome>> SqliteLscRegister::Register(std::span<const LscEntry> entries) {
  return writer_->Use(kPatience, [&]() -> Result<std::vector<LscOutcome>> {
    const LargeCache cache(*writer_);
    std::vector<LscOutcome> outcomes;
    outcomes.reserve(entries.size());
    sqlite::WriteTransaction change(*writer_);
    for (const LscEntry& entry : entries) outcomes.push_back(RegisterOne(entry));
    Failpoint("lsc.before-commit");
    change.Commit();
    return outcomes;
  });
}

Result<LscPage> SqliteLscRegister::Page(const std::string& after, std::size_t limit,
                                        std::optional<WallTime> ends_before) {
  SIGNET_TRY(const Place place, PlaceOf(after));
  return reader_->Use(kPatience, [&]() -> Result<LscPage> {
    sqlite::Query query(
        *reader_,
        "SELECT fingerprint, subject, common_name, issuer, serial, not_before, "
        "not_after, registered FROM lsc WHERE (not_after, fingerprint) > (?1, ?2) "
        "AND not_after < ?3 ORDER BY not_after, fingerprint LIMIT ?4",
        place.end, place.fingerprint,
        ends_before ? Seconds(*ends_before) : std::numeric_limits<std::int64_t>::max(),
        static_cast<std::int64_t>(limit) + 1);
    LscPage page;
    while (query.Step()) {
      if (page.rows.size() == limit) {
        const LscRow& last = page.rows.back();
        page.next = std::to_string(Seconds(last.not_after)) + "." + last.fingerprint;
        break;
      }
      page.rows.push_back(ReadRow(query));
    }
    return page;
  });
}

Result<LscRow> SqliteLscRegister::Remove(const std::string& id) {
  if (id.size() < kFewestDigits || id.size() > kDigits || !IsHex(id)) {
    return MakeError(
        Kind::kUsage, "LSC_ID_INVALID",
        "'" + EscapeLine(id, kDigits) + "' is no fingerprint, nor the beginning of one",
        "Give 8 to 64 digits of the ID that 'signet lsc list' shows.");
  }
  return writer_->Use(kPatience, [&]() -> Result<LscRow> {
    sqlite::WriteTransaction change(*writer_);
    std::vector<LscRow> found;
    {
      sqlite::Query query(*writer_,
                          "SELECT fingerprint, subject, common_name, issuer, serial, not_before, "
                          "not_after, registered FROM lsc WHERE fingerprint >= ?1 "
                          "AND fingerprint < ?2 LIMIT 2",
                          id, id + "g");  // behind every digit
      while (query.Step()) found.push_back(ReadRow(query));
    }
    if (found.empty()) return Unknown(id);
    if (found.size() > 1) {
      return MakeError(Kind::kConflict, "LSC_AMBIGUOUS",
                       "several fingerprints begin with '" + id + "'", "Give more digits.");
    }
    sqlite::Query(*writer_, "DELETE FROM lsc WHERE fingerprint = ?1", found.front().fingerprint)
        .Run();
    change.Commit();
    return std::move(found.front());
  });
}

Result<std::size_t> SqliteLscRegister::RemoveExpired(WallTime before) {
  return writer_->Use(kPatience, [&]() -> Result<std::size_t> {
    const LargeCache cache(*writer_);
    sqlite::WriteTransaction change(*writer_);
    const int removed =
        sqlite::Query(*writer_, "DELETE FROM lsc WHERE not_after < ?1", Seconds(before)).Run();
    change.Commit();
    return static_cast<std::size_t>(removed);
  });
}

// From `from` on, before `to`.
std::size_t SqliteLscRegister::CountBetween(std::int64_t from, std::int64_t to) {
  sqlite::Query query(*reader_, "SELECT count(*) FROM lsc WHERE not_after >= ?1 AND not_after < ?2",
                      from, to);
  return query.Step() ? static_cast<std::size_t>(query.Integer(0)) : 0;
}

Result<LscCount> SqliteLscRegister::Count(WallTime now, std::chrono::seconds start,
                                          std::size_t most) {
  constexpr auto kFirst = std::numeric_limits<std::int64_t>::min();
  return reader_->Use(kPatience, [&]() -> Result<LscCount> {
    const sqlite::ReadTransaction one_state(*reader_);
    const std::int64_t from = Seconds(now - start);
    LscCount count;
    {
      sqlite::Query all(*reader_, "SELECT count(*) FROM lsc");
      if (all.Step()) count.total = static_cast<std::size_t>(all.Integer(0));
    }
    count.lately = CountBetween(from, Seconds(now));
    count.expired = count.lately + CountBetween(kFirst, from);
    count.within_a_day = CountBetween(Seconds(now), Seconds(now + kDay));
    // A day before its end a certificate is an alarm, however late warnings begin.
    count.soon =
        CountBetween(Seconds(now), Seconds(now + std::max<std::chrono::seconds>(start, kDay)));
    {
      sqlite::Query first(*reader_, "SELECT min(not_after) FROM lsc WHERE not_after >= ?1", from);
      if (first.Step() && !first.IsNull(0)) count.earliest = FromSeconds(first.Integer(0));
    }
    const auto limit = static_cast<std::int64_t>(most);
    sqlite::Query coming(*reader_,
                         "SELECT fingerprint, subject, common_name, issuer, serial, not_before, "
                         "not_after, registered FROM lsc WHERE not_after >= ?1 AND not_after < ?2 "
                         "ORDER BY not_after LIMIT ?3",
                         Seconds(now), Seconds(now + std::max<std::chrono::seconds>(start, kDay)),
                         limit);
    while (coming.Step()) count.nearest.push_back(ReadRow(coming));
    sqlite::Query gone(*reader_,
                       "SELECT fingerprint, subject, common_name, issuer, serial, not_before, "
                       "not_after, registered FROM lsc WHERE not_after >= ?1 AND not_after < ?2 "
                       "ORDER BY not_after DESC LIMIT ?3",
                       from, Seconds(now), limit);
    while (gone.Step()) count.nearest.push_back(ReadRow(gone));
    std::ranges::sort(count.nearest, {}, [&](const LscRow& row) {
      return row.not_after < now ? now - row.not_after : row.not_after - now;
    });
    if (count.nearest.size() > most) count.nearest.resize(most);
    std::ranges::stable_sort(count.nearest, {}, &LscRow::not_after);
    return count;
  });
}

}  // namespace

LscEntry LscEntryOf(const x509::Certificate& certificate, WallTime now) {
  const x509::Certificate::Fields& fields = certificate.fields();
  // Whose it is when its name names a device; else it is somebody of its own. Lengths first, so
  // that no two pairs of names are one text.
  std::string holder = fields.common_name.empty()
                           ? fields.fingerprint
                           : std::to_string(fields.subject_der.size()) + ":" + fields.subject_der +
                                 fields.issuer_der;
  return {{fields.fingerprint, fields.subject, fields.issuer, fields.common_name, fields.serial,
           fields.not_before, fields.not_after, now},
          Sha256Hex(holder)};
}

Result<std::unique_ptr<LscRegister>> LscRegister::Open(const std::string& path) {
  const std::unique_ptr<FileSystem> files = MakeFileSystem();
  SIGNET_TRY(sqlite::Connections connections, sqlite::Open(path, kSchema, !files->Info(path)));
  return std::make_unique<SqliteLscRegister>(std::move(connections));
}

}  // namespace signet::keystore
