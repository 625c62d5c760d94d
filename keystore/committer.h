// The commit point of an operation: one store transaction that also writes the operation's record,
// the proof for recovery that it happened. Whatever destroys keys runs only after it.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "keystore/operation.h"
#include "keystore/owed.h"
#include "keystore/records.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

// kConflict STATE_CHANGED.
Error StateChanged();

class Committer {
 public:
  Committer(State& state, const Clock& clock) : state_(state), clock_(clock) {}

  // Adds the operation's record and the restarts that it asks for to `transaction` and commits.
  // kConflict STATE_CHANGED when a record that the plan read has moved. When the store's answer is
  // lost, asks for the record; when that fails too, `operation` is left for recovery.
  Status Commit(Operation& operation, Transaction transaction, const OperationRecord& record,
                const std::vector<OwedRestart>& owed = {});
  // The record of a committed operation, if it is there.
  Result<std::optional<OperationRecord>> Find(const std::string& operation);
  // The operation's journal row is gone: its record goes with the next commit.
  void Forget(const std::string& operation);

 private:
  State& state_;
  const Clock& clock_;
  std::mutex mutex_;
  std::vector<std::string> forgotten_;
};

}  // namespace signet::keystore
