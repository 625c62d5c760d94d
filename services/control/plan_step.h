// One step of a plan: a service takes up what there is, and is asked what it serves then. Blocking,
// on the control lane.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keystore/records.h"
#include "services/control/control_center.h"

namespace signet::services {

struct TakenUp {
  std::optional<Error> error;  // it could not be told, or does not run any more
  std::vector<WireLook> looks;
  std::string skipped;             // why nothing was done
  std::set<std::string> worsened;  // purposes that were served before, and are not now
  std::vector<std::string> lines;  // its last ones, where it failed
};

// What the configuration says that a new certificate needs.
ServiceVerb TakeUpVerb(const ControlledService& service);

// What is owed goes when all endpoints were seen to serve what they should. Errors of the store
// alone.
Result<TakenUp> TakeUpCurrent(ControlCenter& center, ControlCenter::Slot& slot,
                              const std::vector<keystore::OwedRecord>& owed);
// With the former identities in place again; where a reload does not mend what a reload has broken,
// by a restart. `skipped`, `worsened` and `lines` stay empty.
Result<TakenUp> TakeUpFormer(ControlCenter& center, ControlCenter::Slot& slot);

}  // namespace signet::services
