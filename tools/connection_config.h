// The part of the configuration about long-lived connections: [connection.NAME] kind, endpoint or
// ike, store, close.
#pragma once

#include <vector>

#include "keystore/catalogue.h"
#include "platform/toml_reader.h"
#include "services/connections/watched_connection.h"

namespace signet::tools {

// Problems are noted at their lines.
std::vector<services::WatchedConnection> ReadConnections(TomlTable& root,
                                                         const keystore::Catalogue& catalogue);

}  // namespace signet::tools
