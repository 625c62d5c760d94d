#include "tools/control_config.h"

#include <algorithm>

#include "platform/suggestion.h"
#include "platform/unit_manager.h"
#include "tools/keyd_config.h"

namespace signet::tools {
namespace {

using services::ControlledService;
using services::DriverKind;
using services::TakeUp;

constexpr std::int64_t kMostSeconds = 3600;

void ReadDriver(TomlTable& table, const std::filesystem::path& folder, ControlledService& service) {
  const std::string driver = table.String("driver");
  const std::string unit = table.String("unit", "");
  service.command = table.Strings("command");
  service.directory = ResolvePath(folder, table.String("directory", ""));
  TomlTable environment = table.Table("environment");
  for (const auto& [name, value] : environment.Pairs()) service.environment[name] = value;
  if (driver == "systemd") {
    service.driver = DriverKind::kSystemd;
    service.unit = unit;
    if (const Status checked = CheckUnitName(unit); !checked)
      table.Fail("unit", checked.error().detail + ". " + checked.error().remedy);
  } else if (driver == "process") {
    service.driver = DriverKind::kProcess;
    if (service.command.empty() || !service.command.front().starts_with('/'))
      table.Fail("command", "must be a list: the program's absolute path, then its arguments");
  } else if (driver == "unmanaged") {
    service.driver = DriverKind::kUnmanaged;
  } else {
    table.Fail("driver", "must be systemd, process or unmanaged");
  }
  if (service.driver != DriverKind::kSystemd && !unit.empty())
    table.Fail("unit", "is for driver = \"systemd\"");
  if (service.driver != DriverKind::kProcess && !service.command.empty())
    table.Fail("command", "is for driver = \"process\"");
}

}  // namespace

services::Endpoint ReadEndpoint(TomlTable& table, const std::vector<std::string>& purposes) {
  services::Endpoint endpoint;
  const std::string address = table.String("address");
  auto target = ParseHostPort(address, 0);
  if (!target) {
    table.Fail("address", target.error().detail + ". " + target.error().remedy);
  } else if (target.value().port == 0) {
    table.Fail("address", "needs a port: HOST:PORT");
  } else {
    endpoint.target = target.value();
  }
  const std::string protocol = table.String("starttls", "none");
  if (const auto starttls = StartTlsFromName(protocol)) {
    endpoint.starttls = *starttls;
  } else {
    table.Fail("starttls", "must be xmpp, xmpp-server, smtp or ldap");
  }
  endpoint.name = table.String("name", "");
  if (!endpoint.name.empty()) {
    auto name = ParseHostPort(endpoint.name, 0);
    if (!name) {
      table.Fail("name", name.error().detail + ". " + name.error().remedy);
    } else if (name.value().port != 0) {
      table.Fail("name", "has no port: that is the address's");
    } else {
      endpoint.name = name.value().host;
    }
  }
  endpoint.purposes = table.Has("purposes") ? table.Strings("purposes") : purposes;
  for (const std::string& purpose : endpoint.purposes) {
    if (std::find(purposes.begin(), purposes.end(), purpose) == purposes.end())
      table.Fail("purposes", "'" + purpose + "' is no purpose of the service");
  }
  return endpoint;
}

std::vector<ControlledService> ReadControlled(
    TomlTable& root, const std::filesystem::path& folder, const keystore::Catalogue& catalogue,
    const std::vector<services::PublishedService>& published) {
  std::vector<ControlledService> controlled;
  std::vector<std::string> known;
  for (const keystore::Service& row : catalogue.services) known.push_back(row.name);
  for (auto& [name, table] : root.Named("service")) {
    if (!table.Has("driver")) continue;
    ControlledService service;
    service.name = name;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      table.Fail("driver",
                 "only a service of the catalogue can be controlled. " + Suggestion(name, known));
    }
    ReadDriver(table, folder, service);
    const std::string take_up = table.String("take-up", "restart");
    if (take_up == "reload") {
      service.take_up = TakeUp::kReload;
    } else if (take_up != "restart") {
      table.Fail("take-up", "must be reload or restart: what a new certificate needs");
    }
    service.limit = std::chrono::seconds(table.Integer("limit-seconds", 1, kMostSeconds, 90));
    service.proof = std::chrono::seconds(table.Integer("proof-seconds", 1, kMostSeconds, 30));
    const auto own = std::find_if(published.begin(), published.end(),
                                  [&name = name](const auto& one) { return one.name == name; });
    const std::vector<std::string> purposes =
        own == published.end() ? std::vector<std::string>() : own->purposes;
    for (TomlTable& endpoint : table.Tables("endpoint"))
      service.endpoints.push_back(ReadEndpoint(endpoint, purposes));
    controlled.push_back(std::move(service));
  }
  return controlled;
}

}  // namespace signet::tools
