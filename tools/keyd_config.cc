#include "tools/keyd_config.h"

namespace signet::tools {
namespace {

void ReadToken(TomlTable& root, const std::filesystem::path& folder, hsm::TokenConfig& token) {
  TomlTable table = root.Table("token");
  token.module = table.String("module");
  token.uri = table.String("uri");
  token.pin_source = ResolveSource(folder, table.String("pin-source", ""));
  token.softhsm_config = ResolvePath(folder, table.String("softhsm-config", ""));
  token.softhsm_tokens = ResolvePath(folder, table.String("softhsm-tokens", ""));
  table.RefuseUnknown();
}

}  // namespace

std::string ResolveSource(const std::filesystem::path& folder, const std::string& source) {
  constexpr std::string_view kFile = "file:";
  if (!source.starts_with(kFile)) return source;
  return std::string(kFile) + ResolvePath(folder, source.substr(kFile.size()));
}

std::string ResolvePath(const std::filesystem::path& folder, const std::string& path) {
  return path.empty() ? path : (folder / path).lexically_normal().string();
}

KeydConfig ReadKeydConfig(TomlTable& root, const std::filesystem::path& folder) {
  KeydConfig config;
  hsm::AgentConfig& agent = config.agent;
  ReadToken(root, folder, agent.token);
  TomlTable keyd = root.Table("keyd");
  const auto path = [&](const char* key, const char* fallback) {
    return ResolvePath(folder, keyd.String(key, fallback));
  };
  agent.directory = path("directory", "/var/lib/signet-keyd");
  agent.socket = path("socket", "/run/signet-keyd/keys.sock");
  agent.group = keyd.String("group", "");
  agent.management_socket = path("management-socket", "/run/signet-keyd/management.sock");
  agent.management_user = keyd.String("management-user", "");
  agent.credential = ResolveSource(folder, keyd.String("credential", "credential:management"));
  config.client_module = path("client-module", SIGNET_P11_KIT_CLIENT);
  keyd.RefuseUnknown();
  for (auto& [name, service] : root.Named("service")) {
    agent.services.push_back({name, service.String("user", ""), service.String("group", ""),
                              ResolvePath(folder, service.String("socket", "")),
                              service.Strings("purposes")});
  }
  config.log_level = root.Table("log").String("level", "info");
  return config;
}

Result<KeydConfig> LoadKeydConfig(const std::string& path, FileSystem& files) {
  SIGNET_TRY(CheckOwnFile(files, path, false));
  SIGNET_TRY(std::string text, files.Read(path, 1u << 20));
  SIGNET_TRY(TomlTable root, ParseToml(text, path));
  KeydConfig config = ReadKeydConfig(root, std::filesystem::absolute(path).parent_path());
  SIGNET_TRY(root.Problems());
  return config;
}

}  // namespace signet::tools
