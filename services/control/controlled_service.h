// A service of this machine as the configuration puts it under Signet's control: what stands behind
// the catalogue's name, and where it serves. Types only.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/host_port.h"
#include "platform/starttls.h"

namespace signet::services {

enum class DriverKind : std::uint8_t {
  kSystemd,    // a unit
  kProcess,    // a program that Signet runs: containers, development
  kBuiltin,    // a part of this daemon
  kUnmanaged,  // an administrator restarts it, and says so
};

// What makes a service take up a new certificate.
enum class TakeUp : std::uint8_t { kReload, kRestart };

// Where a service answers by TLS.
struct Endpoint {
  HostPort target;
  StartTls starttls = StartTls::kNone;
  std::string name;  // that its certificate must bear; empty: not asked
  std::vector<std::string>
      purposes;  // whose certificates it shows: all of the service's by default
};

struct ControlledService {
  std::string name;  // of the catalogue
  DriverKind driver = DriverKind::kUnmanaged;
  TakeUp take_up = TakeUp::kRestart;
  std::string unit;                  // of kSystemd
  std::vector<std::string> command;  // of kProcess: an absolute path and its arguments
  std::string directory;
  std::map<std::string, std::string> environment;
  Duration limit = std::chrono::seconds(90);  // of a start, stop, restart or reload
  Duration proof = std::chrono::seconds(30);  // until its endpoints serve what they should
  std::vector<Endpoint> endpoints;
};

}  // namespace signet::services
