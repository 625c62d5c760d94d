// Long-lived connections as the configuration has them: [connection.NAME]. Types only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/control/controlled_service.h"

namespace signet::services {

// The kinds of SPEC R4, each with the trust store that its peers lead to, by product.
struct ConnectionKind {
  std::string_view name, imp_store, cucm_store;
};
inline constexpr ConnectionKind kConnectionKinds[] = {
    {"cti", "cup-trust", "CallManager-trust"},
    {"ipsec", "ipsec-trust", "ipsec-trust"},
    {"ldap", "tomcat-trust", "tomcat-trust"},
};

struct WatchedConnection {
  std::string name;
  std::string kind;
  std::string store;                 // canonical
  std::optional<Endpoint> endpoint;  // looked at by a handshake
  bool ike = false;                  // the IKE_SAs of strongSwan are looked at
  std::string vici;                  // its socket as a URI; empty: strongSwan's default
  // Closes one that fails: an absolute path and its arguments, with SIGNET_CONNECTION, SIGNET_PEER
  // and SIGNET_REASON in its environment. Of a table that is no probe: for all connections of this
  // kind that services register. Empty: the event stream alone tells.
  std::vector<std::string> close;
};

}  // namespace signet::services
