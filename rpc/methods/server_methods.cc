#include "rpc/methods/methods.h"
#include "services/server_setup.h"

namespace signet::rpc {

namespace api = services::api;

void AddServerMethods(MethodTable& table, services::ServerSetup& servers) {
  table.Add(MakeMethod<api::AgentEnvRequest, api::AgentEnv>(
      {"key.agentEnv",
       "What a program needs to use a purpose's key by the key socket: address, module, URI.",
       Access::kEveryone},
      [&servers](Call call, api::AgentEnvRequest request) {
        return AtOnce(servers.AgentEnv(call.context, request));
      }));
  table.Add(MakeMethod<api::SnippetRequest, api::Snippet>(
      {"service.snippet", "The part of a server's configuration that an administrator writes once.",
       Access::kRead},
      [&servers](Call, api::SnippetRequest request) { return AtOnce(servers.Snippet(request)); }));
}

}  // namespace signet::rpc
