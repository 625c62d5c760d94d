// What the wire needs to know of the appliance beside its methods. Types only; the composition root
// fills it.
#pragma once

#include <openssl/evp.h>

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/token_control.h"
#include "platform/error.h"

namespace signet::services {
class Events;
}

namespace signet::rpc {

// The certificate that the TLS listener presents: DER, leaf first, without the anchor; and its key
// (the token's).
struct ServerIdentity {
  std::vector<std::string> chain;
  std::shared_ptr<EVP_PKEY> key;
};

struct ApplianceView {
  std::function<hsm::TokenState()> token_state;  // never blocks; any thread
  std::function<bool()> ready;  // boot is done and the token operational; never blocks; any thread
  // Figures in Prometheus' text format; on the main loop.
  std::function<boost::asio::awaitable<std::string>()> metrics;
  services::Events* events = nullptr;  // null: nobody is told of any
  // A client with a role has shown this certificate (DER) and proved that it holds the key. Never
  // blocks; on the TLS thread. Empty: nobody is told.
  std::function<void(std::string_view der)> client_seen = {};
};

// A client certificate (SHA-256 fingerprint, hex) and the role it has on TLS.
struct ClientCertificate {
  std::string fingerprint, name, role;
  std::vector<std::string> purposes;  // of role service: the purposes whose keys it may use
};

// A local service: the user or the members of the group may use the keys of these purposes.
struct ServiceAccount {
  std::string name, user, group;
  std::vector<std::string> purposes;
};

struct LocalRoles {
  // Names of users and groups; root and the daemon's own user are administrators always.
  std::vector<std::string> administrator_groups, operator_groups, auditor_groups, metrics_groups;
  std::vector<std::string> administrator_users;
  std::vector<ServiceAccount> services;
};

}  // namespace signet::rpc
