// Services under Signet's control: a daemon that runs Debian's nginx in the role of Cisco Tomcat.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/appliance.h"
#include "tests/support/loopback.h"

namespace signet::testing {

class Control : public ::testing::Test {
 protected:
  // How Cisco Tomcat takes a renewal up, as signet.toml has it.
  explicit Control(const std::string& take_up = "reload");

  // Starts it, and waits until the service is seen to serve what the appliance has.
  void Begin();

  std::string Folder() const { return appliance.Spare("nginx"); }
  std::string Socket() const { return appliance.Spare("door/keys.sock"); }
  std::string Published() const { return appliance.Spare("published"); }
  // nginx's configuration, with the include files of that folder, and `more` inside of its server.
  void Serve(const std::string& includes, const std::string& more = "") const;

  // The service's item of service.list; the test fails when there is none.
  json::object Service(const std::string& name = kTomcat) const;
  std::string SerialOf(const std::string& purpose) const;
  void Renew(const std::string& purpose) const;  // self-signed, with a new key

  static constexpr char kTomcat[] = "Cisco Tomcat";
  static constexpr char kNode[] = "node1.signet.localhost";
  Appliance appliance;
  const std::string port = std::to_string(FreePort());
};

class ControlByRestart : public Control {
 protected:
  ControlByRestart() : Control("restart") {}
};

}  // namespace signet::testing
