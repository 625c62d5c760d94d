// Debian's prosody, an XMPP server of another maker, on loopback ports of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/loopback.h"
#include "tests/support/running_program.h"

namespace signet::testing {

class Prosody {
 public:
  // Its certificate and key, PEM files; without them it offers no TLS. Listens when this returns;
  // the test fails when it does not.
  explicit Prosody(const std::string& certificate = "", const std::string& key = "");

  // Why it cannot be run here; empty when it can.
  static std::string WhyNot();

  std::uint16_t clients() const { return clients_; }  // the port of clients
  std::uint16_t servers() const { return servers_; }  // and of other servers

 private:
  std::vector<std::string> Write(const std::string& certificate, const std::string& key) const;

  const std::uint16_t clients_ = FreePort(), servers_ = FreePort();
  ScratchFolder folder_;
  RunningProgram program_;
};

}  // namespace signet::testing
