// The parts of signet.toml that concern the token and its owner: [token], [keyd] and the
// [service.NAME] tables as far as keys go. signetd and signet-keyd read the same file.
#pragma once

#include <filesystem>
#include <string>

#include "hsm/keyd/agent_config.h"
#include "platform/files.h"
#include "platform/toml_reader.h"

namespace signet::tools {

struct KeydConfig {
  hsm::AgentConfig agent;
  std::string client_module;  // p11-kit-client.so, as services and signetd load it
  std::string log_level;
};

// Problems are noted in `root`. Paths are relative to `folder`.
KeydConfig ReadKeydConfig(TomlTable& root, const std::filesystem::path& folder);

// The file of signet-keyd: kUsage CONFIG_INVALID, kRefused UNSAFE_FILE. Keys of other tables are
// signetd's affair.
Result<KeydConfig> LoadKeydConfig(const std::string& path, FileSystem& files);

// `path` as it stands in a file in `folder`; empty stays empty.
std::string ResolvePath(const std::filesystem::path& folder, const std::string& path);

// Where a secret comes from (hsm/pin_source.h); the path of "file:" is one like any other.
std::string ResolveSource(const std::filesystem::path& folder, const std::string& source);

}  // namespace signet::tools
