#include "services/servers.h"

#include <cstdio>
#include <cstdlib>
#include <kainjow/mustache.hpp>

#include "platform/encoding.h"
#include "platform/suggestion.h"
#include "platform/toml_reader.h"
#include "services/server_data.h"

namespace signet::services {
namespace {

namespace mustache = kainjow::mustache;

Result<Server> ReadServer(const EmbeddedServer& embedded) {
  SIGNET_TRY(TomlTable root, ParseToml(embedded.toml, std::string(embedded.file)));
  Server server;
  server.name = root.String("name");
  server.title = root.String("title");
  server.kind = root.String("kind", server.name);
  server.worker = root.String("worker", "");
  server.outer = root.String("outer", "");
  server.inner = root.String("inner");
  server.snippet = root.String("snippet");
  for (TomlTable& file : root.Tables("file"))
    server.files.push_back({file.String("name"), file.String("text")});
  SIGNET_TRY(root.Finish());
  return server;
}

std::vector<Server> ReadAll() {
  std::vector<Server> servers;
  for (const EmbeddedServer& embedded : EmbeddedServers()) {
    Result<Server> server = ReadServer(embedded);
    if (!server) {
      std::fprintf(stderr, "%s\n", server.error().ToString().c_str());
      std::abort();
    }
    servers.push_back(std::move(server).value());
  }
  return servers;
}

// Notes what has no value, which Mustache takes for empty.
class Values final : public mustache::context<std::string> {
 public:
  explicit Values(const mustache::data* data) : context(data) {}
  const mustache::data* get(const std::string& name) const override {
    const mustache::data* found = context::get(name);
    if (found == nullptr && missing_.empty()) missing_ = name;
    return found;
  }
  const std::string& missing() const { return missing_; }

 private:
  mutable std::string missing_;
};

mustache::data DataOf(const TemplateValues::Texts& texts) {
  mustache::data data;
  for (const auto& [name, value] : texts)
    data.set(name, value.empty() ? mustache::data(false) : mustache::data(value));
  return data;
}

}  // namespace

const ServerTable& ServerTable::Embedded() {
  static const ServerTable table(ReadAll());
  return table;
}

const Server* ServerTable::Find(std::string_view name) const {
  for (const Server& server : servers_) {
    if (server.name == name) return &server;
  }
  return nullptr;
}

std::vector<std::string> ServerTable::Names(bool kinds_only) const {
  std::vector<std::string> names;
  for (const Server& server : servers_) {
    if (!kinds_only || server.kind == server.name) names.push_back(server.name);
  }
  return names;
}

Result<const Server*> FindServer(const std::string& name) {
  const ServerTable& table = ServerTable::Embedded();
  if (const Server* server = table.Find(name)) return server;
  const std::vector<std::string> names = table.Names(false);
  std::string list;
  for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
  return MakeError(Kind::kNotFound, "SERVER_UNKNOWN",
                   "there is no server '" + EscapeLine(name, 64) + "'",
                   Suggestion(name, names) + "There are: " + list + ".");
}

Result<std::string> RenderTemplate(const std::string& text, const TemplateValues& values) {
  mustache::mustache compiled(text);
  if (!compiled.is_valid()) return InternalError("a template: " + compiled.error_message());
  mustache::data data = DataOf(values.texts);
  for (const auto& [name, elements] : values.lists) {
    mustache::data list(mustache::data::type::list);
    for (const TemplateValues::Texts& element : elements) list.push_back(DataOf(element));
    data.set(name, list);
  }
  Values context(&data);
  std::string rendered = compiled.render(context);
  if (!context.missing().empty())
    return InternalError("a template names '" + context.missing() + "', which is no value");
  return rendered;
}

}  // namespace signet::services
