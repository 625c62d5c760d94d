#include "tools/config.h"

#include <charconv>
#include <filesystem>

#include "keystore/x509/names.h"
#include "platform/toml_reader.h"
#include "tools/connection_config.h"
#include "tools/control_config.h"
#include "tools/service_config.h"

namespace signet::tools {

namespace {

// A host name of the configuration, as an A-label.
std::string HostName(TomlTable& table, std::string_view key, const std::string& text) {
  auto name = keystore::x509::ParseHostName(text);
  if (name) return name.value();
  table.Fail(key, name.error().detail);
  return text;
}

bool IsRecordName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), allowed);
}

void ReadNames(TomlTable& root, keystore::NodeNames& names) {
  TomlTable cluster = root.Table("cluster");
  names.cluster = cluster.String("name", "cluster");
  if (!IsRecordName(names.cluster)) cluster.Fail("name", "must be 1 to 63 of a-z, 0-9 and -");
  names.publisher = cluster.Boolean("publisher", true);
  TomlTable node = root.Table("node");
  names.node = HostName(node, "name", node.String("name"));
  const std::size_t dot = names.node.find('.');
  names.domain = HostName(
      node, "domain",
      node.String("domain", dot == std::string::npos ? names.node : names.node.substr(dot + 1)));
  for (const std::string& other : cluster.Strings("nodes"))
    names.nodes.push_back(HostName(cluster, "nodes", other));
  if (std::find(names.nodes.begin(), names.nodes.end(), names.node) == names.nodes.end())
    names.nodes.insert(names.nodes.begin(), names.node);
  for (const std::string& domain : cluster.Strings("hosted-domains")) {
    names.hosted_domains.push_back(HostName(cluster, "hosted-domains", domain));
  }
}

void ReadAccess(TomlTable& root, const std::filesystem::path& folder, Config& config) {
  TomlTable rpc = root.Table("rpc");
  config.socket = ResolvePath(folder, rpc.String("socket", "/run/signet/signetd.sock"));
  config.socket_group = rpc.String("group", "");
  const std::string listen = rpc.String("listen", "");
  if (!listen.empty()) {
    auto address = ParseListen(listen);
    if (address) {
      config.listen = address.value();
    } else {
      rpc.Fail("listen", address.error().detail);
    }
  }
  TomlTable outgoing = root.Table("outgoing");
  const auto allow = outgoing.Strings("allow"), deny = outgoing.Strings("deny");
  auto policy = AddressPolicy::Make(allow, deny);
  if (policy) {
    config.outgoing = std::move(policy).value();
  } else {
    outgoing.Fail("allow", policy.error().detail);
  }
  TomlTable roles = root.Table("roles");
  config.roles.administrator_users = roles.Strings("administrator-users");
  config.roles.administrator_groups = roles.Strings("administrator-groups");
  config.roles.operator_groups = roles.Strings("operator-groups");
  config.roles.auditor_groups = roles.Strings("auditor-groups");
  config.roles.metrics_groups = roles.Strings("metrics-groups");
  for (const services::PublishedService& service : config.services)
    config.roles.services.push_back({service.name, service.user, service.group, service.purposes});
  for (auto& [name, client] : root.Named("client")) {
    config.clients.push_back(
        {client.String("fingerprint"), name, client.String("role"), client.Strings("purposes")});
  }
}

Result<keystore::Catalogue> ReadCatalogue(TomlTable& root, const std::filesystem::path& folder,
                                          FileSystem& files) {
  const std::string file = ResolvePath(folder, root.String("catalogue", ""));
  const std::string product = root.String("product", file.empty() ? "imp" : "");
  if (file.empty()) return keystore::LoadCatalogue(product);
  if (!product.empty()) root.Fail("product", "name a product or a catalogue, not both");
  SIGNET_TRY(CheckOwnFile(files, file, false));
  SIGNET_TRY(const std::string text, files.Read(file, 1u << 20));
  return keystore::ParseCatalogue(text, file);
}

}  // namespace

Result<std::pair<std::string, std::uint16_t>> ParseListen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::uint16_t port = 0;
  std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string_view digits =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (host.empty() || digits.empty() || problem != std::errc() ||
      end != digits.data() + digits.size()) {
    return MakeError(Kind::kUsage, "LISTEN_ADDRESS_INVALID",
                     "'" + std::string(text) + "' is not ADDRESS:PORT",
                     "For example 127.0.0.1:8443 or [::1]:0; port 0 takes any free one.");
  }
  return std::pair(std::string(host), port);
}

Result<Config> LoadConfig(const std::string& path, FileSystem& files) {
  SIGNET_TRY(CheckOwnFile(files, path, false));
  SIGNET_TRY(std::string text, files.Read(path, 1u << 20));
  SIGNET_TRY(TomlTable root, ParseToml(text, path));
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  Config config;
  SIGNET_TRY(config.catalogue, ReadCatalogue(root, folder, files));
  config.log_level = root.Table("log").String("level", "info");
  config.state_directory =
      ResolvePath(folder, root.Table("state").String("directory", "/var/lib/signet"));
  ReadNames(root, config.names);
  config.keyd = ReadKeydConfig(root, folder);
  config.services = ReadServices(root, folder, config.catalogue);
  config.controlled = ReadControlled(root, folder, config.catalogue, config.services);
  TomlTable control = root.Table("control");
  config.bus = control.String("bus", "");
  config.look_interval = std::chrono::seconds(control.Integer("look-seconds", 1, 86400, 60));
  config.mail = ReadMail(root, folder, config.catalogue);
  config.connections = ReadConnections(root, config.catalogue);
  ReadAccess(root, folder, config);
  SIGNET_TRY(root.Finish());
  return config;
}

}  // namespace signet::tools
