// What programs and administrators need to put a purpose's key to use: the environment of
// p11-kit's client, and the part of a server's configuration that is written once (key.agentEnv,
// service.snippet).
#pragma once

#include <string>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"
#include "services/publisher.h"
#include "services/request_context.h"
#include "services/server_api.h"

namespace signet::services {

// Answers from the snapshot and the configuration. Thread-safe.
class ServerSetup {
 public:
  ServerSetup(const keystore::Catalogue& catalogue, const keystore::State& state,
              const Publisher& publisher, std::string node)
      : catalogue_(catalogue), state_(state), publisher_(publisher), node_(std::move(node)) {}

  // kDenied PURPOSE_DENIED for a service that the purpose is not of; kNotFound NO_IDENTITY,
  // SERVICE_UNKNOWN.
  Result<api::AgentEnv> AgentEnv(const RequestContext& context,
                                 const api::AgentEnvRequest& request) const;
  // kNotFound SERVER_UNKNOWN, SERVICE_UNKNOWN; SERVICE_NOT_CONFIGURED, whose remedy has the lines
  // to add.
  Result<api::Snippet> Snippet(const api::SnippetRequest& request) const;

 private:
  Result<const PublishedService*> FindService(const std::string& name) const;

  const keystore::Catalogue& catalogue_;
  const keystore::State& state_;
  const Publisher& publisher_;
  std::string node_;
};

}  // namespace signet::services
