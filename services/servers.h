// The kinds of servers that Signet can set up, as data (services/servers/*.toml, embedded; the
// README there explains the tables): what each wants to find in a generation folder, and what an
// administrator writes into its configuration once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet::services {

// Rendered into each generation, once for each purpose that has a certificate.
struct ServerFile {
  std::string name;  // a template, too: "nginx/{{{stem}}}.conf"
  std::string text;
};

struct Server {
  std::string name;    // "nginx", "sip-front"
  std::string title;   // for people
  std::string kind;    // the `server` of the [service] that it needs; of a front another one's name
  std::string worker;  // whose workers use the key on Debian, for examples
  // Templates of what is written once: at the top of the server's file, where one TLS side is
  // described, and all of it.
  std::string outer, inner, snippet;
  std::vector<ServerFile> files;  // of a kind; a front has those of its kind
};

class ServerTable {
 public:
  // As embedded. Ends the process when a table cannot be read: the build is broken.
  static const ServerTable& Embedded();

  const std::vector<Server>& all() const { return servers_; }
  const Server* Find(std::string_view name) const;  // null when there is none
  // The names, of kinds only or of all.
  std::vector<std::string> Names(bool kinds_only) const;

 private:
  explicit ServerTable(std::vector<Server> servers) : servers_(std::move(servers)) {}
  std::vector<Server> servers_;
};

// kNotFound SERVER_UNKNOWN; the remedy lists what there is, and says what may have been meant.
Result<const Server*> FindServer(const std::string& name);

// Mustache: {{{name}}} is the value, {{name}} the value with the escapes of XML,
// {{#name}}…{{/name}} is left out where the value is empty, and is there once for each element of a
// list. kInternal for a name that has no value.
struct TemplateValues {
  using Texts = std::map<std::string, std::string>;
  Texts texts;
  std::map<std::string, std::vector<Texts>> lists;
};
Result<std::string> RenderTemplate(const std::string& text, const TemplateValues& values);

}  // namespace signet::services
