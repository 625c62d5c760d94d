#include "services/control/plan_rules.h"

#include <algorithm>

namespace signet::services {

using keystore::OwedRecord;

namespace {

bool IsServed(const WireLook& look) {
  return look.verdict == WireVerdict::kCurrent || look.verdict == WireVerdict::kFormer;
}

}  // namespace

bool CanGoBack(const keystore::Snapshot& snapshot, const OwedRecord& record) {
  const auto row = snapshot.identities.find(record.cause);
  if (row == snapshot.identities.end()) return false;
  const auto& current = row->second.value.current;
  return current && row->second.value.previous && current->operation == record.operation &&
         !current->restored;
}

bool WasTold(const Error& error) {
  static constexpr std::string_view kAfterwards[] = {"UNIT_JOB_FAILED", "UNIT_JOB_SLOW",
                                                     "PROCESS_NOT_STARTED", "PROCESS_SLOW",
                                                     "SERVICE_NOT_RUNNING"};
  return std::find(std::begin(kAfterwards), std::end(kAfterwards), error.word) !=
         std::end(kAfterwards);
}

bool AnyServed(const std::vector<WireLook>& looks) {
  return std::any_of(looks.begin(), looks.end(), IsServed);
}

std::set<std::string> Worsened(const std::vector<WireLook>& before,
                               const std::vector<WireLook>& now) {
  std::set<std::string> purposes;
  for (const WireLook& look : now) {
    const bool was_better = std::any_of(before.begin(), before.end(), [&](const WireLook& one) {
      return one.endpoint == look.endpoint && one.purpose == look.purpose && IsServed(one) &&
             one.as_former < look.verdict;
    });
    if (was_better) purposes.insert(look.purpose);
  }
  return purposes;
}

std::vector<OwedRecord> ServedOf(const std::vector<OwedRecord>& owed,
                                 const std::vector<WireLook>& looks) {
  std::vector<OwedRecord> served;
  for (const OwedRecord& record : owed) {
    const bool looked = std::any_of(looks.begin(), looks.end(), [&](const WireLook& look) {
      return look.purpose == record.cause;
    });
    const bool current = std::all_of(looks.begin(), looks.end(), [&](const WireLook& look) {
      return look.purpose != record.cause || look.verdict == WireVerdict::kCurrent;
    });
    if (looked && current) served.push_back(record);
  }
  return served;
}

std::string FirstTrouble(const std::vector<WireLook>& looks, std::string& remedy) {
  for (const WireLook& look : looks) {
    if (look.verdict == WireVerdict::kCurrent) continue;
    remedy = look.remedy;
    return look.endpoint + ", " + look.purpose + ": " + std::string(WireVerdictName(look.verdict)) +
           ", " + look.detail;
  }
  return {};
}

}  // namespace signet::services
