// The daemon's configuration file (signet.toml). Paths are relative to the file's folder. A key
// that is not known is refused.
#pragma once

#include <optional>
#include <string>

#include "keystore/catalogue.h"
#include "keystore/node.h"
#include "platform/address_policy.h"
#include "platform/files.h"
#include "rpc/appliance_view.h"
#include "services/connections/watched_connection.h"
#include "services/control/controlled_service.h"
#include "services/published_service.h"
#include "tools/keyd_config.h"
#include "tools/mail_config.h"

namespace signet::tools {

struct Config {
  keystore::Catalogue catalogue;  // of the product that is named, or of an operator's own file
  keystore::NodeNames names;
  std::string state_directory;
  KeydConfig keyd;  // the token and its owner
  std::string socket, socket_group;
  std::optional<std::pair<std::string, std::uint16_t>> listen;  // address, port; none: no TLS side
  AddressPolicy outgoing;  // where connections to other servers may go
  rpc::LocalRoles roles;
  std::vector<services::PublishedService> services;     // [service.NAME]
  std::vector<services::ControlledService> controlled;  // those with a driver
  std::string bus;  // [control] bus: D-Bus of systemd; empty: the system's
  Duration look_interval = std::chrono::seconds(60);  // [control] look-seconds: at the endpoints
  std::vector<rpc::ClientCertificate> clients;
  std::optional<MailConfig> mail;                        // [mail]
  std::vector<services::WatchedConnection> connections;  // [connection.NAME]
  std::string log_level = "info";
  std::string dev_folder;  // of --dev: signet-keyd is started and ended with the daemon
};

// kUsage CONFIG_INVALID with line and column of every problem; kRefused UNSAFE_FILE when others may
// write the file; what the catalogue's reading says.
Result<Config> LoadConfig(const std::string& path, FileSystem& files);

// "127.0.0.1:8443", "[::1]:0"; kUsage LISTEN_ADDRESS_INVALID.
Result<std::pair<std::string, std::uint16_t>> ParseListen(std::string_view text);

}  // namespace signet::tools
