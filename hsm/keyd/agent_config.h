// What signet-keyd is told. Types only.
#pragma once

#include <string>
#include <vector>

#include "hsm/token_owner.h"
#include "platform/clock.h"

namespace signet::hsm {

// [service."NAME"] of the configuration, as far as keys are concerned.
struct AgentService {
  std::string name;
  std::string user, group;  // a user's name or a group's; root may use the service's own socket too
  std::string socket;       // of its own; empty: the common one
  std::vector<std::string> purposes;  // empty: those that the catalogue gives the service
};

struct AgentLimits {
  std::size_t connections = 4096;
  std::size_t per_uid = 1024;
  std::size_t reserve = 64;        // of all, for the manager
  std::size_t memory = 32u << 20;  // octets that clients at rest hold; who holds most goes beyond
  Duration greeting = std::chrono::seconds(10);  // until C_Initialize
  Duration message = std::chrono::seconds(10);   // from its first octet to its last
  Duration answer = std::chrono::seconds(10);    // until the client has read it
  Duration call = std::chrono::seconds(5);       // into the token
  Duration change = std::chrono::seconds(90);    // makes a key, or runs the self-test
};

struct AgentConfig {
  TokenConfig token;
  std::string directory;  // state: the view, the count of wrong PINs
  std::string socket,
      group;  // of services; without a group everybody may connect (and see nothing)
  std::string management_socket, management_user;  // user: empty for the one that runs signet-keyd
  std::string credential;  // source of the manager's credential, as of a PIN
  std::vector<AgentService> services;
  AgentLimits limits;
};

}  // namespace signet::hsm
