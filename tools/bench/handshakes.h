// nginx with a key of a token, and what its handshakes cost.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/support.h"

namespace signet::tools::bench {

// One worker on a port of its own; the engine pkcs11 with the environment that is given.
class Nginx {
 public:
  Nginx(const std::string& folder, const std::string& certificate, const std::string& key_uri,
        const std::map<std::string, std::string>& environment);
  int port() const { return port_; }
  std::vector<pid_t> processes() const;  // master and worker

 private:
  int port_ = 0;
  std::unique_ptr<Program> program_;
};

struct HandshakeCost {
  double micros = 0;  // processor time of nginx and `helper`, each
  double rate = 0;    // a second
};
// Full TLS 1.3 handshakes by one client for that time; `helper`: another process that works for
// them, 0: none.
HandshakeCost MeasureCost(const Nginx& nginx, pid_t helper, double seconds);

}  // namespace signet::tools::bench
