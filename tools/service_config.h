// The part of the configuration that names this machine's services: [service.NAME], [publish].
#pragma once

#include <filesystem>
#include <vector>

#include "keystore/catalogue.h"
#include "platform/toml_reader.h"
#include "services/published_service.h"

namespace signet::tools {

// Notes each problem at its line. `folder`: what relative paths are relative to.
std::vector<services::PublishedService> ReadServices(TomlTable& root,
                                                     const std::filesystem::path& folder,
                                                     const keystore::Catalogue& catalogue);

}  // namespace signet::tools
