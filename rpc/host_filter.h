// The Host and Origin checks against DNS rebinding and cross-site requests. On TCP only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace signet::rpc {

// Names this appliance is called by: given ones, and localhost, 127.0.0.1 and [::1] always.
// Immutable.
class HostFilter {
 public:
  explicit HostFilter(std::vector<std::string> names);

  // `host` is a Host field: name or address literal, with or without a port, any case. `own` is the
  // address that the connection came to ("192.0.2.1", "2001:db8::1"): a literal address cannot be
  // rebound.
  bool Allows(std::string_view host, std::string_view own) const;
  // `origin` is an Origin field: "https://" and a host that Allows().
  bool AllowsOrigin(std::string_view origin, std::string_view own) const;

 private:
  std::vector<std::string> names_;
};

}  // namespace signet::rpc
