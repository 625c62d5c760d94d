// Who asks, how, and until when. Made by the wire (or by the boot for itself), read by everything
// above the keystore. Types only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "platform/clock.h"

namespace signet::services {

// SPEC A2. In ascending order of rights only as far as the method table says so: a role is a set,
// see rpc/method.h.
enum class Role : std::uint8_t {
  kNone,
  kMetrics,
  kService,
  kAuditor,
  kOperator,
  kAdministrator,
  kSystem
};

struct RequestContext {
  std::string actor;  // "uid:1000 (ada)", "cert:CN=…", "system"
  Role role = Role::kNone;
  std::vector<std::string> purposes;  // of role service: those whose keys it may use
  std::string origin;                 // "socket", "tls 127.0.0.1:4711", "boot"
  bool local = false;                 // came through the Unix socket
  std::uint32_t uid = 0;              // of a local caller
  std::string idempotency_key;
  Duration limit = std::chrono::seconds(60);  // how long the caller waits
  std::string request_id;
};

std::string_view RoleName(Role role);
// Of what the appliance does by itself; `origin` says why: "boot".
RequestContext SystemContext(std::string origin, Duration limit);

}  // namespace signet::services
