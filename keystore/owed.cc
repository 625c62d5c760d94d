#include "keystore/owed.h"

#include <algorithm>
#include <set>

#include "platform/encoding.h"

namespace signet::keystore {

namespace {
constexpr Duration kStoreLimit = std::chrono::seconds(10);
constexpr std::size_t kNameLength = 32;
}  // namespace

std::string OwedName(const std::string& service, const std::string& cause) {
  return Sha256Hex(service + "\n" + cause).substr(0, kNameLength);
}

void PutOwed(const std::vector<OwedRestart>& owed, const std::string& operation, WallTime now,
             const Layout& layout, Transaction& transaction) {
  std::set<std::string> written;
  for (const OwedRestart& one : owed) {
    const std::string key = layout.Owed(OwedName(one.service, one.cause));
    if (!written.insert(key).second) continue;
    OwedRecord record;
    record.service = one.service;
    record.cause = one.cause;
    record.since = now;
    record.operation = operation;
    transaction.Put(key, json::serialize(ToJson(record)));
  }
}

std::vector<OwedRecord> Owed::Of(const Snapshot& snapshot, const std::string& service) {
  std::vector<OwedRecord> owed;
  for (const auto& [name, row] : snapshot.owed) {
    if (row.value.service == service) owed.push_back(row.value);
  }
  std::sort(owed.begin(), owed.end(), [](const OwedRecord& a, const OwedRecord& b) {
    return std::tie(a.since, a.cause) < std::tie(b.since, b.cause);
  });
  return owed;
}

Result<std::vector<OwedRecord>> Owed::Clear(const std::vector<OwedRecord>& done) {
  std::vector<OwedRecord> cleared;
  // One by one: a change that renews one is no reason to keep the others.
  for (const OwedRecord& record : done) {
    const std::string name = OwedName(record.service, record.cause);
    const auto snapshot = state_.Now();
    const auto row = snapshot->owed.find(name);
    if (row == snapshot->owed.end() || row->second.value.operation != record.operation) continue;
    Transaction transaction;
    transaction.Expect(state_.layout().Owed(name), row->second.modified);
    transaction.Delete(state_.layout().Owed(name));
    SIGNET_TRY(auto committed, state_.store().Commit(transaction, kStoreLimit));
    if (committed) cleared.push_back(record);
  }
  return cleared;
}

Status Owed::Note(const ApplyRecord& plan) {
  Transaction transaction;
  transaction.Put(state_.layout().Applying(), json::serialize(ToJson(plan)));
  SIGNET_TRY(state_.store().Commit(transaction, kStoreLimit));
  return Ok();
}

Status Owed::Forget() {
  if (!state_.Now()->applying) return Ok();
  Transaction transaction;
  transaction.Delete(state_.layout().Applying());
  SIGNET_TRY(state_.store().Commit(transaction, kStoreLimit));
  return Ok();
}

}  // namespace signet::keystore
