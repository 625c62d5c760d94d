#include "keystore/committer.h"

#include "platform/logging.h"

namespace signet::keystore {

namespace {
constexpr Duration kStoreLimit = std::chrono::seconds(10);
constexpr std::size_t kForgetAtOnce = 16;
}  // namespace

Error StateChanged() {
  return MakeError(Kind::kConflict, "STATE_CHANGED",
                   "what this change rests on was changed by another one meanwhile",
                   "Look at the present state, then repeat the change.");
}

Status Committer::Commit(Operation& operation, Transaction transaction,
                         const OperationRecord& record, const std::vector<OwedRestart>& owed) {
  const Layout& layout = state_.layout();
  std::vector<std::string> forgotten;
  {
    std::lock_guard lock(mutex_);
    const std::size_t count = std::min(forgotten_.size(), kForgetAtOnce);
    forgotten.assign(forgotten_.begin(), forgotten_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  for (const std::string& id : forgotten) transaction.Delete(layout.Operation(id));
  transaction.Expect(layout.Operation(operation.id), 0);
  transaction.Put(layout.Operation(operation.id), json::serialize(ToJson(record)));
  PutOwed(owed, operation.id, clock_.Now(), layout, transaction);

  auto committed = state_.store().Commit(transaction, kStoreLimit);
  if (committed && !committed.value()) return StateChanged();
  if (!committed) {
    auto found = Find(operation.id);
    if (!found) operation.leave_for_recovery = true;
    if (!found || !found.value()) return std::move(committed).error();
    Log(LogLevel::kWarning,
        "the store's answer to operation " + operation.id + " was lost, but it is committed");
  }
  std::lock_guard lock(mutex_);
  std::erase_if(forgotten_, [&](const std::string& id) {
    return std::find(forgotten.begin(), forgotten.end(), id) != forgotten.end();
  });
  return Ok();
}

Result<std::optional<OperationRecord>> Committer::Find(const std::string& operation) {
  SIGNET_TRY(std::optional<Record> record,
             state_.store().Get(state_.layout().Operation(operation), kStoreLimit));
  if (!record) return std::optional<OperationRecord>();
  SIGNET_TRY(json::value document, ParseJson(record->value));
  SIGNET_TRY(OperationRecord found, FromJson<OperationRecord>(document));
  return std::optional<OperationRecord>(std::move(found));
}

void Committer::Forget(const std::string& operation) {
  std::lock_guard lock(mutex_);
  forgotten_.push_back(operation);
}

}  // namespace signet::keystore
