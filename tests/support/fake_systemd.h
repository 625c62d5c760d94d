// A D-Bus of the test's own with one thing on it that behaves like systemd (fake_systemd.py).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/running_program.h"

namespace signet::testing {

class FakeSystemd {
 public:
  FakeSystemd() {
    WriteWhole(folder_ / "bus.conf",
               "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
               "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\"><busconfig>"
               "<type>custom</type><listen>" +
                   address() +
                   "</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                   "<allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
                   "<allow own=\"*\"/></policy></busconfig>");
    bus_.emplace(std::vector<std::string>{"/usr/bin/dbus-daemon", "--nofork", "--print-address",
                                          "--config-file", folder_ / "bus.conf"});
    bus_->Await("(unix:path=)");
    systemd_.emplace(std::vector<std::string>{"/usr/bin/python3", "-B", FAKE_SYSTEMD, address()});
    systemd_->Await("(ready)");
  }

  std::string address() const { return "unix:path=" + (folder_ / "bus"); }
  // The calls that changed something, as systemd was asked.
  std::string Calls() const { return systemd_->Output().substr(systemd_->Output().find('\n') + 1); }
  std::optional<RunningProgram>& bus() { return bus_; }
  std::optional<RunningProgram>& systemd() { return systemd_; }

 private:
  ScratchFolder folder_;
  std::optional<RunningProgram> bus_, systemd_;
};

}  // namespace signet::testing
