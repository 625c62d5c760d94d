// The texts of services/servers/*.toml as the build embedded them. For servers.cc only.
#pragma once

#include <span>
#include <string_view>

namespace signet::services {

struct EmbeddedServer {
  std::string_view file;
  std::string_view toml;
};

std::span<const EmbeddedServer> EmbeddedServers();

}  // namespace signet::services
