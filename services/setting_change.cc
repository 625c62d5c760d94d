#include "services/setting_change.h"

namespace signet::services {

namespace {

std::string Text(const std::string& value) { return value; }
std::string Text(bool value) { return value ? "true" : "false"; }
std::string Text(std::int64_t value) { return std::to_string(value); }

template <class T>
void Take(SettingChange& change, const char* name, const std::optional<T>& value) {
  if (value) change.values[name] = Text(*value);
}

}  // namespace

SettingChange ChangeOf(const api::SettingSetRequest& request) {
  return {{{request.name, request.value}}, request.plan};
}

SettingChange ChangeOf(const api::MonitorSetRequest& request) {
  SettingChange change{{}, request.plan};
  Take(change, keystore::kMonitorStartDays, request.start_days);
  Take(change, keystore::kMonitorFrequency, request.frequency);
  Take(change, keystore::kMonitorEmail, request.email);
  Take(change, keystore::kMonitorAddresses, request.addresses);
  Take(change, keystore::kMonitorLsc, request.lsc);
  return change;
}

SettingChange ChangeOf(const api::RevocationSetRequest& request) {
  SettingChange change{{}, request.plan};
  Take(change, keystore::kRevocationCheck, request.enabled);
  Take(change, keystore::kRevocationResponder, request.responder);
  Take(change, keystore::kRevocationEvery, request.every);
  Take(change, keystore::kUnknownUpload, request.unknown_upload);
  Take(change, keystore::kUnknownTrust, request.unknown_trust);
  Take(change, keystore::kUnknownConnection, request.unknown_connection);
  return change;
}

SettingChange ChangeOf(const api::ConnectionSetRequest& request) {
  SettingChange change{{}, request.plan};
  Take(change, keystore::kValidityCheck, request.validity_check);
  Take(change, keystore::kValidityFrequency, request.frequency);
  return change;
}

}  // namespace signet::services
