// The part of the configuration that puts services under Signet's control: [service.NAME] driver,
// unit, command, endpoint.
#pragma once

#include <filesystem>
#include <vector>

#include "keystore/catalogue.h"
#include "platform/toml_reader.h"
#include "services/control/controlled_service.h"
#include "services/published_service.h"

namespace signet::tools {

// Those of `services` that have a driver; problems are noted at their lines. `folder`: what
// relative paths are relative to.
std::vector<services::ControlledService> ReadControlled(
    TomlTable& root, const std::filesystem::path& folder, const keystore::Catalogue& catalogue,
    const std::vector<services::PublishedService>& services);

// An [[…endpoint]] table; `purposes`: those that it may name.
services::Endpoint ReadEndpoint(TomlTable& table, const std::vector<std::string>& purposes);

}  // namespace signet::tools
