// Shapes of requests and answers, as in api.h, about programs that use keys. Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>

#include "platform/json.h"

namespace signet::services::api {

struct AgentEnvRequest {
  std::string purpose;
  std::optional<std::string> service;  // whose socket, where services have one of their own
};
BOOST_DESCRIBE_STRUCT(AgentEnvRequest, (), (purpose, service))

struct AgentEnv {
  std::string purpose;
  std::string address;      // of the key socket, as p11-kit has it
  std::string module;       // the PKCS#11 module to load
  std::string uri;          // RFC 7512, of the purpose's current key
  std::string label;        // its CKA_LABEL, as the key socket shows it
  json::value environment;  // variable: value
};
BOOST_DESCRIBE_STRUCT(AgentEnv, (), (purpose, address, module, uri, label, environment))

struct SnippetRequest {
  std::string server, purpose;         // nginx, apache, …; tomcat, cup-ECDSA, …
  std::optional<std::string> service;  // where several have both
};
BOOST_DESCRIBE_STRUCT(SnippetRequest, (), (server, purpose, service))

struct Snippet {
  std::string server, purpose, service;
  std::string folder;  // the link that leads to the current generation
  std::string outer;   // at the top of the server's file
  std::string inner;   // where one TLS side is described: a server block, a virtual host, …
  std::string text;    // all that the administrator writes once, those two among it
};
BOOST_DESCRIBE_STRUCT(Snippet, (), (server, purpose, service, folder, outer, inner, text))

}  // namespace signet::services::api
