#include "keystore/format.h"

#include "platform/logging.h"

namespace signet::keystore {

namespace {

constexpr Duration kLimit = std::chrono::seconds(30);

Status WriteFormat(Store& store, Transaction transaction, const FormatRecord& format,
                   Revision expected) {
  transaction.Expect(Layout::Format(), expected);
  transaction.Put(Layout::Format(), json::serialize(ToJson(format)));
  SIGNET_TRY(std::optional<Revision> committed, store.Commit(transaction, kLimit));
  if (!committed) {
    return MakeError(Kind::kConflict, "STATE_CHANGED", "another process writes this state",
                     "Stop the other daemon first.");
  }
  return Ok();
}

Status MigrateOnce(Store& store, const Migration& step, FormatRecord& format, Revision expected) {
  Transaction transaction;
  if (auto ran = step.run(store, transaction); !ran) {
    return MakeError(Kind::kUnavailable, "MIGRATION_FAILED",
                     "format " + std::to_string(step.from) + " could not be brought to " +
                         std::to_string(step.from + 1) + " (" + step.what +
                         "): " + ran.error().detail,
                     "Nothing was changed: the former version of Signet still reads this state.");
  }
  format.version = step.from + 1;
  format.written_by = SIGNET_VERSION;
  return WriteFormat(store, std::move(transaction), format, expected);
}

}  // namespace

const std::vector<Migration>& Migrations() {
  static const std::vector<Migration> steps;  // version 1 is the first
  return steps;
}

Status OpenFormat(Store& store, const std::string& product, const std::string& cluster,
                  const std::vector<Migration>& migrations, std::int64_t target) {
  SIGNET_TRY(std::optional<Record> record, store.Get(Layout::Format(), kLimit));
  FormatRecord format;
  if (!record) {
    format.version = target;
    format.product = product;
    format.cluster = cluster;
    format.written_by = SIGNET_VERSION;
    return WriteFormat(store, {}, format, 0);
  }
  SIGNET_TRY(json::value document, ParseJson(record->value));
  SIGNET_TRY(format, FromJson<FormatRecord>(document));
  if (format.version > target) {
    return MakeError(Kind::kConflict, "STATE_TOO_NEW",
                     "the state has format " + std::to_string(format.version) +
                         ", written by Signet " + format.written_by +
                         "; this version reads up to " + std::to_string(target),
                     "Start the newer version again, or restore a backup that this version wrote.");
  }
  if (format.product != product || format.cluster != cluster) {
    return MakeError(
        Kind::kConflict, "STATE_OF_ANOTHER",
        "the state belongs to product " + format.product + ", cluster " + format.cluster,
        "Correct product and cluster in the configuration, or point it to another state "
        "directory.");
  }
  while (format.version < target) {
    const auto step = std::find_if(migrations.begin(), migrations.end(),
                                   [&](const Migration& m) { return m.from == format.version; });
    if (step == migrations.end()) {
      return MakeError(Kind::kUnavailable, "MIGRATION_FAILED",
                       "no step leads on from format " + std::to_string(format.version),
                       "Upgrade by way of an older version of Signet.");
    }
    Log(LogLevel::kInfo,
        "migrating the state from format " + std::to_string(format.version) + ": " + step->what);
    SIGNET_TRY(std::optional<Record> now, store.Get(Layout::Format(), kLimit));
    SIGNET_TRY(MigrateOnce(store, *step, format, now ? now->modified : 0));
  }
  return Ok();
}

}  // namespace signet::keystore
