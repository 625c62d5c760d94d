// The table of methods: one row for each, over the services.
#pragma once

#include <functional>

#include "rpc/method.h"
#include "services/api.h"

namespace signet::services {
class Audit;
class CertificateMonitor;
class Certificates;
class ChangePlan;
class Connections;
class ControlCenter;
class Events;
class Import;
class Keys;
class Lscs;
class Receipts;
class Revocation;
class ServerSetup;
class Settings;
class TrustStores;
}  // namespace signet::services

namespace signet::rpc {

struct Services {
  services::Certificates& certificates;
  services::TrustStores& trust;
  services::Keys& keys;
  services::Audit& audit;
  services::Settings& settings;
  services::CertificateMonitor& monitor;
  services::Lscs& lscs;
  services::Revocation& revocation;
  services::Connections& connections;
  services::Import& import;
  services::ServerSetup& servers;
  services::ControlCenter& control;
  services::ChangePlan& plan;
  services::Receipts& receipts;
  services::Events& events;
  std::function<services::api::StatusAnswer()> status;  // never blocks
};

// What `services` refers to outlives the table's calls.
MethodTable AllMethods(const Services& services);

void AddCertificateMethods(MethodTable& table, services::Certificates& certificates);
void AddTrustMethods(MethodTable& table, services::TrustStores& trust);
void AddImportMethods(MethodTable& table, services::Import& import);
void AddSettingMethods(MethodTable& table, services::Settings& settings);
void AddMonitorMethods(MethodTable& table, services::CertificateMonitor& monitor,
                       services::Settings& settings);
void AddLscMethods(MethodTable& table, services::Lscs& lscs);
void AddConnectionMethods(MethodTable& table, services::Connections& connections,
                          services::Settings& settings);
void AddRevocationMethods(MethodTable& table, services::Revocation& revocation,
                          services::Settings& settings);
void AddKeyMethods(MethodTable& table, services::Keys& keys);
void AddServiceMethods(MethodTable& table, services::ControlCenter& control,
                       services::ChangePlan& plan, services::Receipts& receipts);
void AddServerMethods(MethodTable& table, services::ServerSetup& servers);
void AddApplianceMethods(MethodTable& table, const Services& services);

// For handlers that answer at once.
template <class T>
boost::asio::awaitable<Result<T>> AtOnce(Result<T> result) {
  co_return result;
}

}  // namespace signet::rpc
