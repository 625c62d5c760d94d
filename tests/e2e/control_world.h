// Services under Signet's control: a daemon that runs real servers of other makers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/appliance.h"
#include "tests/support/loopback.h"

namespace signet::testing {

// A [service] of signet.toml whose program the daemon runs.
struct ProcessService {
  std::string name;      // of the catalogue
  std::string server;    // whose include files it reads
  std::string socket;    // its key socket
  std::string publish;   // the folder of what is published for it
  std::string endpoint;  // members of the table: "address = …"
  std::string take_up;
  std::vector<std::string> command;
  Environment environment;
  int limit_seconds = 10, proof_seconds = 5;
  std::string Text() const;
};

class ControlWorld : public ::testing::Test {
 protected:
  ControlWorld();

  // Adds to signet.toml.
  void Configure(const std::string& text) const;
  // Until the service is seen to serve what the appliance has, and owes nothing.
  void AwaitCurrent(const std::string& name) const;
  // The service's item of service.list; the test fails when there is none.
  json::object Service(const std::string& name = kTomcat) const;
  std::string SerialOf(const std::string& purpose) const;  // as the appliance writes it
  void Renew(const std::string& purpose) const;            // self-signed, with a new key

  static constexpr char kTomcat[] = "Cisco Tomcat";
  static constexpr char kNode[] = "node1.signet.localhost";
  Appliance appliance;
};

// Debian's nginx in the role of Cisco Tomcat.
class Control : public ControlWorld {
 protected:
  // How it takes a renewal up, as signet.toml has it.
  explicit Control(const std::string& take_up = "reload");

  // Starts the daemon, and waits until the service is seen to serve what the appliance has.
  void Begin();

  std::string Folder() const { return appliance.Spare("nginx"); }
  std::string Socket() const { return appliance.Spare("door/keys.sock"); }
  std::string Published() const { return appliance.Spare("published"); }
  // nginx's configuration, with the include files of that folder, and `more` inside of its server.
  void Serve(const std::string& includes, const std::string& more = "") const;

  const std::string port = std::to_string(FreePort());
};

class ControlByRestart : public Control {
 protected:
  ControlByRestart() : Control("restart") {}
};

}  // namespace signet::testing
