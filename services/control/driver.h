// How one service is looked at, started and stopped (SPEC S4).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"
#include "services/control/controlled_service.h"

namespace signet::services {

// SPEC S1. kUnmanaged: nobody here can tell but by its endpoints.
enum class ServiceStatus : std::uint8_t {
  kRunning,
  kStopped,
  kStarting,
  kFailed,
  kUnmanaged,
  kNotConfigured
};
std::string_view ServiceStatusName(ServiceStatus status);  // "running", "not configured"

enum class ServiceVerb : std::uint8_t { kStart, kStop, kRestart, kReload };
std::string_view ServiceVerbName(ServiceVerb verb);  // "restart"

struct ServiceLook {
  ServiceStatus status = ServiceStatus::kNotConfigured;
  std::string reason;               // of a failure, one line
  std::optional<WallTime> since;    // of this status
  std::optional<WallTime> started;  // of the process that runs
};

// Blocking, from a lane. Thread-safe.
class ServiceDriver {
 public:
  virtual ~ServiceDriver() = default;
  virtual Result<ServiceLook> Look() = 0;
  // Waits until it is done. kRefused VERB_UNSUPPORTED; errors of the unit or the process.
  virtual Status Run(ServiceVerb verb, Duration limit) = 0;
  // What it said last, newest last; empty when nobody knows.
  virtual std::vector<std::string> LastLines() = 0;
};

// A part of this daemon that can be started and stopped like a service.
class BuiltinService {
 public:
  virtual ~BuiltinService() = default;
  virtual std::string_view name() const = 0;  // of the catalogue
  virtual ServiceLook Look() const = 0;
  virtual Status Run(ServiceVerb verb) = 0;
};

struct DriverTools {
  std::string bus;                        // D-Bus; empty: the system's
  std::string helper;                     // signet-run
  std::vector<BuiltinService*> builtins;  // outlive the drivers
};
// kUsage UNIT_NAME_INVALID; kNotFound BUILTIN_UNKNOWN.
Result<std::unique_ptr<ServiceDriver>> MakeDriver(const ControlledService& service,
                                                  const DriverTools& tools);

}  // namespace signet::services
