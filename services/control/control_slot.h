// What ControlCenter keeps of one service (control_*.cc alone).
#pragma once

#include "services/control/control_center.h"

namespace signet::services {

inline constexpr Duration kHandshakeLimit = std::chrono::milliseconds(4500);

struct ControlCenter::Slot {
  ControlledService config;
  const keystore::Service* row = nullptr;
  std::unique_ptr<ServiceDriver> driver;
  std::atomic<unsigned> turns{0};  // changes that have begun, and that have ended
  std::mutex acting;               // one change at a time, with its proof
  mutable std::mutex mutex;
  std::vector<WireLook> looks;  // the last ones
};

}  // namespace signet::services
