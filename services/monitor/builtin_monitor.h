// The expiry monitor as a service that can be started, stopped and restarted like any other.
#pragma once

#include "services/control/driver.h"
#include "services/monitor/expiry_monitor.h"

namespace signet::services {

class BuiltinMonitor final : public BuiltinService {
 public:
  explicit BuiltinMonitor(ExpiryMonitor& monitor) : monitor_(monitor) {}
  std::string_view name() const override { return kExpiryMonitorName; }
  ServiceLook Look() const override {
    const ExpiryMonitor::Status status = monitor_.Look();
    ServiceLook look;
    look.status = status.running ? ServiceStatus::kRunning : ServiceStatus::kStopped;
    look.since = status.since;
    if (status.running) look.started = status.since;
    return look;
  }
  Status Run(ServiceVerb verb) override {
    if (verb == ServiceVerb::kStop) {
      monitor_.Stop();
    } else if (verb == ServiceVerb::kStart) {
      monitor_.Start();
    } else {
      monitor_.Restart();
    }
    return Ok();
  }

 private:
  ExpiryMonitor& monitor_;
};

}  // namespace signet::services
