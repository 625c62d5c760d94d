#include "hsm/keyd/counters.h"

namespace signet::hsm {

void UseCounters::Count(const std::string& purpose, const KeyId& key, uid_t uid,
                        CK_MECHANISM_TYPE mechanism) {
  const std::lock_guard lock(mutex_);
  ++rows_[{purpose, key, uid, mechanism}];
}

void UseCounters::CountUndelivered() {
  const std::lock_guard lock(mutex_);
  ++undelivered_;
}

UseReport UseCounters::Report(const SignatureCount& module) const {
  UseReport report;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, count] : rows_) {
    const RawMechanism* mechanism = FindRawMechanism(key.mechanism);
    report.rows.push_back({key.purpose, key.key, static_cast<std::int64_t>(key.uid),
                           mechanism != nullptr ? mechanism->name : "", count});
  }
  // In this order: a signature is made before it is counted as anybody's.
  report.undelivered = undelivered_ + static_cast<std::int64_t>(module.refused);
  report.proofs = former_proofs_ + static_cast<std::int64_t>(module.own);
  report.made = former_made_ + static_cast<std::int64_t>(module.made);
  return report;
}

void UseCounters::Adopt(const UseReport& report) {
  const std::lock_guard lock(mutex_);
  for (const UseRow& row : report.rows) {
    for (const RawMechanism& mechanism : RawMechanisms()) {
      if (mechanism.name == row.mechanism)
        rows_[{row.purpose, row.key, static_cast<uid_t>(row.uid), mechanism.type}] += row.count;
    }
  }
  undelivered_ += report.undelivered;
  former_made_ += report.made;
  former_proofs_ += report.proofs;
}

}  // namespace signet::hsm
