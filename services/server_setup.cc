#include "services/server_setup.h"

#include <algorithm>

#include "platform/encoding.h"
#include "platform/suggestion.h"
#include "platform/users.h"
#include "services/key_uri.h"
#include "services/servers.h"

namespace signet::services {
namespace {

bool Has(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

const std::string& SocketOf(const PublishedService& service, const PublishOptions& options) {
  return service.socket.empty() ? options.socket : service.socket;
}

// The group that a server's processes must have to read what is published for them (publisher.cc).
std::string GroupOf(const PublishedService& service) {
  if (!service.group.empty()) return service.group;
  if (!service.file_group.empty()) return service.file_group;
  // The user may come with the server's package; Debian's have a group of their own name.
  const std::string first = FirstGroupOf(service.user);
  return first.empty() ? service.user : first;
}

// A percent sign begins a specifier in a unit's file (systemd.unit(5)).
std::string ForUnit(std::string text) {
  for (std::size_t at = text.find('%'); at != std::string::npos; at = text.find('%', at + 2))
    text.insert(at, 1, '%');
  return text;
}

// `known`: a service of that kind without the purpose, or null.
Error NotConfigured(const Server& server, const std::string& purpose,
                    const PublishedService* known) {
  std::string remedy;
  if (known == nullptr) {
    remedy = "Add these lines to signet.toml and restart signetd:\n[service." + server.kind +
             "]\nserver = \"" + server.kind + "\"\nuser = \"" + server.worker +
             "\"\npurposes = [\"" + purpose + "\"]";
  } else {
    std::string list;
    for (const std::string& name : known->purposes) list += "\"" + name + "\", ";
    remedy = "In signet.toml, let [service.\"" + known->name +
             "\"] have the purpose, too, and restart signetd:\npurposes = [" + list + "\"" +
             purpose + "\"]";
  }
  return MakeError(Kind::kNotFound, "SERVICE_NOT_CONFIGURED",
                   "no [service] whose server is " + server.kind + " has the purpose " + purpose,
                   std::move(remedy));
}

}  // namespace

Result<const PublishedService*> ServerSetup::FindService(const std::string& name) const {
  std::vector<std::string> names;
  for (const PublishedService& service : publisher_.services()) {
    if (service.name == name) return &service;
    names.push_back(service.name);
  }
  return MakeError(Kind::kNotFound, "SERVICE_UNKNOWN",
                   "there is no [service] '" + EscapeLine(name, 128) + "' in the configuration",
                   Suggestion(name, names) + "The configuration names the services.");
}

Result<api::AgentEnv> ServerSetup::AgentEnv(const RequestContext& context,
                                            const api::AgentEnvRequest& request) const {
  SIGNET_TRY(const keystore::Purpose* purpose, keystore::FindPurpose(catalogue_, request.purpose));
  if (context.role == Role::kService && !Has(context.purposes, purpose->name)) {
    return MakeError(Kind::kDenied, "PURPOSE_DENIED",
                     context.actor + " may not use the key of " + purpose->name,
                     "An administrator lists its purposes in the configuration ([service.NAME]).");
  }
  const PublishOptions& options = publisher_.options();
  std::string socket = options.socket;
  if (request.service) {
    SIGNET_TRY(const PublishedService* service, FindService(*request.service));
    socket = SocketOf(*service, options);
  } else {
    for (const PublishedService& service : publisher_.services()) {
      if (!Has(service.purposes, purpose->name)) continue;
      socket = SocketOf(service, options);
      break;
    }
  }
  const auto snapshot = state_.Now();
  const keystore::IdentityVersion* current = snapshot->Current(purpose->name);
  if (current == nullptr) {
    return MakeError(Kind::kNotFound, "NO_IDENTITY", purpose->name + " has no key yet",
                     "Wait for the first boot to end ('signet status').");
  }
  api::AgentEnv answer;
  answer.purpose = purpose->name;
  answer.address = KeyAddress(socket);
  answer.module = options.module;
  answer.uri = KeyUri(options.token_uri, current->key.id);
  answer.label = purpose->name;
  answer.environment = {{"P11_KIT_SERVER_ADDRESS", answer.address},
                        {"PKCS11_MODULE_PATH", answer.module}};
  return answer;
}

Result<api::Snippet> ServerSetup::Snippet(const api::SnippetRequest& request) const {
  SIGNET_TRY(const Server* server, FindServer(request.server));
  SIGNET_TRY(const keystore::Purpose* purpose, keystore::FindPurpose(catalogue_, request.purpose));
  const PublishedService* found = nullptr;
  const PublishedService* of_kind = nullptr;
  if (request.service) {
    SIGNET_TRY(of_kind, FindService(*request.service));
    if (of_kind->server == server->kind && Has(of_kind->purposes, purpose->name)) found = of_kind;
  }
  for (const PublishedService& service : publisher_.services()) {
    if (request.service || service.server != server->kind) continue;
    if (of_kind == nullptr) of_kind = &service;
    if (found == nullptr && Has(service.purposes, purpose->name)) found = &service;
  }
  if (found == nullptr) {
    const bool fits = of_kind != nullptr && of_kind->server == server->kind;
    return NotConfigured(*server, purpose->name, fits ? of_kind : nullptr);
  }

  api::Snippet snippet;
  snippet.server = server->name;
  snippet.purpose = purpose->name;
  snippet.service = found->name;
  snippet.folder = found->folder + "/current";
  const std::string socket = SocketOf(*found, publisher_.options());
  const std::string address = KeyAddress(socket);
  TemplateValues values;
  values.texts = {
      {"purpose", purpose->name},
      {"stem", purpose->file_stem},
      {"store", purpose->trust_store},
      {"service", found->name},
      {"user", found->user},
      {"group", GroupOf(*found)},
      {"current", snippet.folder},
      {"socket", socket},
      {"address", address},
      {"unit_address", ForUnit(address)},
      {"module", publisher_.options().module},
      {"node", node_},
  };
  SIGNET_TRY(snippet.outer, RenderTemplate(server->outer, values));
  SIGNET_TRY(snippet.inner, RenderTemplate(server->inner, values));
  values.texts["outer"] = snippet.outer;
  values.texts["inner"] = snippet.inner;
  SIGNET_TRY(snippet.text, RenderTemplate(server->snippet, values));
  return snippet;
}

}  // namespace signet::services
