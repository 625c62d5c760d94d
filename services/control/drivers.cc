#include <algorithm>
#include <atomic>

#include "platform/supervisor.h"
#include "platform/unit_manager.h"
#include "services/control/driver.h"

namespace signet::services {

namespace {

constexpr Duration kLookLimit = std::chrono::seconds(5);
constexpr std::size_t kLines = 20;

class SystemdDriver final : public ServiceDriver {
 public:
  SystemdDriver(std::string unit, const std::string& bus) : unit_(std::move(unit)), manager_(bus) {}

  Result<ServiceLook> Look() override {
    auto unit = manager_.Look(unit_, kLookLimit);
    ServiceLook look;
    if (!unit && unit.error().word == "UNIT_UNKNOWN") {
      look.status = ServiceStatus::kFailed;
      look.reason = unit.error().detail;
      return look;
    }
    if (!unit) return std::move(unit).error();
    look.status = StatusOf(unit.value().active);
    look.since = unit.value().since;
    if (look.status == ServiceStatus::kRunning) look.started = unit.value().started;
    if (look.status == ServiceStatus::kFailed) look.reason = "result: " + unit.value().result;
    return look;
  }

  Status Run(ServiceVerb verb, Duration limit) override {
    static constexpr UnitVerb kVerbs[] = {UnitVerb::kStart, UnitVerb::kStop, UnitVerb::kRestart,
                                          UnitVerb::kReload};
    return manager_.Run(kVerbs[static_cast<std::size_t>(verb)], unit_, limit);
  }

  std::vector<std::string> LastLines() override { return manager_.LastLines(unit_, kLines); }

 private:
  static ServiceStatus StatusOf(const std::string& active) {
    if (active == "active" || active == "reloading") return ServiceStatus::kRunning;
    if (active == "activating") return ServiceStatus::kStarting;
    if (active == "failed") return ServiceStatus::kFailed;
    return ServiceStatus::kStopped;
  }

  const std::string unit_;
  UnitManager manager_;
};

class ProcessDriver final : public ServiceDriver {
 public:
  ProcessDriver(const std::string& helper, const ControlledService& service)
      : supervisor_(helper, {service.command, service.directory, service.environment, SIGHUP}) {}

  Result<ServiceLook> Look() override {
    const ProcessStatus seen = supervisor_.Look();
    ServiceLook look;
    // One that was asked to end has not failed.
    const bool failed = !seen.running && wanted_;
    look.status = seen.running ? ServiceStatus::kRunning
                  : failed     ? ServiceStatus::kFailed
                               : ServiceStatus::kStopped;
    if (failed) look.reason = seen.ended;
    look.since = look.started = seen.running ? seen.started : std::nullopt;
    return look;
  }

  Status Run(ServiceVerb verb, Duration limit) override {
    if (verb != ServiceVerb::kReload) wanted_ = verb != ServiceVerb::kStop;
    switch (verb) {
      case ServiceVerb::kStart:
        return supervisor_.Start(limit);
      case ServiceVerb::kStop:
        return supervisor_.Stop(limit);
      case ServiceVerb::kReload:
        return supervisor_.Reload();
      case ServiceVerb::kRestart:
        break;
    }
    if (supervisor_.Look().running) {
      SIGNET_TRY(supervisor_.Stop(limit));
    }
    return supervisor_.Start(limit);
  }

  std::vector<std::string> LastLines() override { return supervisor_.Look().last_lines; }

 private:
  Supervisor supervisor_;
  std::atomic<bool> wanted_{false};
};

class BuiltinDriver final : public ServiceDriver {
 public:
  explicit BuiltinDriver(BuiltinService& service) : service_(service) {}
  Result<ServiceLook> Look() override { return service_.Look(); }
  Status Run(ServiceVerb verb, Duration) override { return service_.Run(verb); }
  std::vector<std::string> LastLines() override { return {}; }

 private:
  BuiltinService& service_;
};

// A restart is the administrator's word that it was done.
class UnmanagedDriver final : public ServiceDriver {
 public:
  Result<ServiceLook> Look() override {
    ServiceLook look;
    look.status = ServiceStatus::kUnmanaged;
    return look;
  }
  Status Run(ServiceVerb verb, Duration) override {
    if (verb == ServiceVerb::kRestart || verb == ServiceVerb::kReload) return Ok();
    return MakeError(Kind::kRefused, "SERVICE_UNMANAGED",
                     "Signet does not run this service, so it can not " +
                         std::string(ServiceVerbName(verb)) + " it",
                     "Do it by hand, or set 'driver' in its [service] table. 'signet service "
                     "restart' notes a restart that was done by hand.");
  }
  std::vector<std::string> LastLines() override { return {}; }
};

constexpr std::string_view kStatusNames[] = {"running", "stopped",   "starting",
                                             "failed",  "unmanaged", "not configured"};
constexpr std::string_view kVerbNames[] = {"start", "stop", "restart", "reload"};

}  // namespace

std::string_view ServiceStatusName(ServiceStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

std::string_view ServiceVerbName(ServiceVerb verb) {
  return kVerbNames[static_cast<std::size_t>(verb)];
}

Result<std::unique_ptr<ServiceDriver>> MakeDriver(const ControlledService& service,
                                                  const DriverTools& tools) {
  if (service.driver == DriverKind::kSystemd) {
    SIGNET_TRY(CheckUnitName(service.unit));
    return std::make_unique<SystemdDriver>(service.unit, tools.bus);
  }
  if (service.driver == DriverKind::kProcess)
    return std::make_unique<ProcessDriver>(tools.helper, service);
  if (service.driver == DriverKind::kUnmanaged) return std::make_unique<UnmanagedDriver>();
  const auto found =
      std::find_if(tools.builtins.begin(), tools.builtins.end(),
                   [&](const BuiltinService* one) { return one->name() == service.name; });
  if (found != tools.builtins.end()) return std::make_unique<BuiltinDriver>(**found);
  return MakeError(Kind::kNotFound, "BUILTIN_UNKNOWN", service.name + " is no part of this daemon",
                   "Set its driver to systemd, process or unmanaged.");
}

}  // namespace signet::services
