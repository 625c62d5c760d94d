#include "tools/service_config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "platform/encoding.h"
#include "platform/suggestion.h"
#include "services/servers.h"

namespace signet::tools {
namespace {

using services::PublishedService;

constexpr char kDirectory[] = "/var/lib/signet-published";
constexpr char kFileMode[] = "0640";
constexpr std::size_t kMaxSocket = 107;  // of sockaddr_un

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

// A path that servers' configurations take without quotes, resolved.
std::string PlainPath(TomlTable& table, std::string_view key, const std::filesystem::path& folder,
                      const std::string& fallback) {
  const std::string text = table.String(key, fallback);
  std::string path = (folder / text).lexically_normal().string();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const bool plain =
      std::all_of(path.begin(), path.end(), [](char c) { return c == '/' || IsPlain(c); });
  if (text.empty() || !plain || path == "/")
    table.Fail(key, "must be a path of A-Z a-z 0-9 / . _ - alone, as servers' files name it: '" +
                        path + "'");
  return path;
}

std::string Account(TomlTable& table, std::string_view key) {
  std::string name = table.String(key, "");
  const bool plain =
      name.size() <= 64 && std::all_of(name.begin(), name.end(), IsPlain) && !name.starts_with('-');
  if (!plain) table.Fail(key, "must be the name of a user or group, of A-Z a-z 0-9 . _ -");
  return name;
}

// "Cisco Tomcat" becomes "cisco-tomcat".
std::string Slug(std::string_view name) {
  std::string slug;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      slug += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  while (slug.ends_with('-')) slug.pop_back();
  return slug;
}

unsigned FileMode(TomlTable& table) {
  const std::string text = table.String("mode", kFileMode);
  unsigned mode = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  const bool octal = problem == std::errc() && end == text.data() + text.size();
  if (!octal || (mode & ~0644u) != 0 || (mode & 0400u) == 0) {
    table.Fail("mode",
               "must be an octal text of the bits 0644, the owner's reading among them: "
               "\"0640\", \"0644\", \"0440\"");
  }
  return mode;
}

std::vector<std::string> Purposes(TomlTable& table, const std::string& service,
                                  const keystore::Catalogue& catalogue) {
  std::vector<std::string> purposes = table.Strings("purposes");
  for (const std::string& name : purposes) {
    const auto found = keystore::FindPurpose(catalogue, name);
    if (!found) table.Fail("purposes", found.error().detail + ". " + found.error().remedy);
  }
  if (table.Has("purposes")) {
    if (purposes.empty()) table.Fail("purposes", "names no purpose");
    return purposes;
  }
  for (const keystore::Purpose& purpose : catalogue.purposes) {
    const auto& users = purpose.services;
    if (std::find(users.begin(), users.end(), service) != users.end())
      purposes.push_back(purpose.name);
  }
  if (purposes.empty()) {
    std::vector<std::string> known;
    for (const keystore::Service& row : catalogue.services) known.push_back(row.name);
    table.Fail("purposes",
               "is missing; only a service to which the catalogue gives purposes may "
               "leave it out. " +
                   Suggestion(service, known));
  }
  return purposes;
}

std::string ServerKind(TomlTable& table) {
  std::string kind = table.String("server", "");
  const std::vector<std::string> kinds = services::ServerTable::Embedded().Names(true);
  if (kind.empty() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return kind;
  std::string list;
  for (const std::string& known : kinds) list += (list.empty() ? "" : ", ") + known;
  table.Fail("server", Suggestion(kind, kinds) + "It must be one of " + list);
  return kind;
}

PublishedService ReadService(TomlTable& table, const std::string& name,
                             const std::filesystem::path& folder,
                             const std::filesystem::path& directory,
                             const keystore::Catalogue& catalogue) {
  PublishedService service;
  service.name = name;
  const bool printable = !name.empty() && name.size() <= 128 && EscapeLine(name) == name &&
                         name.find_first_of("\"\\") == std::string::npos;
  if (!printable) table.Fail("", "a service's name has 1 to 128 printable characters, no quotes");
  service.user = Account(table, "user");
  service.group = Account(table, "group");
  if (service.user.empty() && service.group.empty())
    table.Fail("user", "a service needs a user or a group");
  service.purposes = Purposes(table, name, catalogue);
  service.server = ServerKind(table);
  if (table.Has("socket")) {
    service.socket = PlainPath(table, "socket", folder, "");
    if (service.socket.size() > kMaxSocket)
      table.Fail("socket", "the path of a socket has at most 107 octets");
  }
  service.folder = PlainPath(table, "publish", folder, (directory / Slug(name)).string());
  if (!table.Has("publish") && Slug(name).empty())
    table.Fail("publish", "is missing, and the service's name gives no folder's name");
  service.owner = Account(table, "owner");
  service.file_group = Account(table, "file-group");
  service.file_mode = FileMode(table);
  return service;
}

bool IsInside(const std::string& inner, const std::string& outer) {
  return inner == outer || inner.starts_with(outer + "/");
}

}  // namespace

std::vector<PublishedService> ReadServices(TomlTable& root, const std::filesystem::path& folder,
                                           const keystore::Catalogue& catalogue) {
  TomlTable publish = root.Table("publish");
  const std::filesystem::path directory = folder / publish.String("directory", kDirectory);
  std::vector<PublishedService> services;
  for (auto& [name, table] : root.Named("service")) {
    PublishedService service = ReadService(table, name, folder, directory, catalogue);
    for (const PublishedService& other : services) {
      if (IsInside(service.folder, other.folder) || IsInside(other.folder, service.folder)) {
        table.Fail("publish", "the folder '" + service.folder +
                                  "' is that of another service, or one is inside the other: '" +
                                  other.name + "'");
      }
    }
    services.push_back(std::move(service));
  }
  return services;
}

}  // namespace signet::tools
