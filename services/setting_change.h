// What the methods that change settings ask for, as names and values of settings.
#pragma once

#include <optional>
#include <string>

#include "keystore/settings.h"
#include "services/api.h"
#include "services/connection_api.h"
#include "services/monitor_api.h"
#include "services/revocation_api.h"

namespace signet::services {

struct SettingChange {
  keystore::SettingValues values;   // those that the request names
  std::optional<std::string> plan;  // the hash of the plan it goes by
};

SettingChange ChangeOf(const api::SettingSetRequest& request);
SettingChange ChangeOf(const api::MonitorSetRequest& request);
SettingChange ChangeOf(const api::RevocationSetRequest& request);
SettingChange ChangeOf(const api::ConnectionSetRequest& request);

}  // namespace signet::services
