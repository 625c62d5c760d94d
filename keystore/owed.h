// Restarts that changes ask for (SPEC S3): kept with the change itself, in one transaction, until
// somebody has seen that what they are for is done.
#pragma once

#include <string>
#include <vector>

#include "keystore/records.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

// What a plan asks for; `cause` as in OwedRecord.
struct OwedRestart {
  std::string service, cause;
};

// The last part of the record's key: one record for a service and a cause.
std::string OwedName(const std::string& service, const std::string& cause);
// A later change with the same cause replaces the record of an earlier one.
void PutOwed(const std::vector<OwedRestart>& owed, const std::string& operation, WallTime now,
             const Layout& layout, Transaction& transaction);

class Owed {
 public:
  explicit Owed(State& state) : state_(state) {}

  // What a service owes, by age. Of the snapshot.
  static std::vector<OwedRecord> Of(const Snapshot& snapshot, const std::string& service);
  // Takes records away, each only if no later change has renewed it meanwhile; those that went.
  // They are of an earlier Of().
  Result<std::vector<OwedRecord>> Clear(const std::vector<OwedRecord>& done);

  // The plan that works them off: what a crash would leave of it. Forget: it came to its end.
  Status Note(const ApplyRecord& plan);
  Status Forget();

 private:
  State& state_;
};

}  // namespace signet::keystore
