// [mail] of signet.toml: the server that takes this node's mails.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"
#include "platform/files.h"
#include "platform/mail_sender.h"
#include "platform/toml_reader.h"
#include "services/monitor/mail_queue.h"

namespace signet::tools {

struct MailConfig {
  HostPort server;
  MailSecurity security = MailSecurity::kStartTls;
  std::string from;             // address
  std::string user;             // empty: no authentication
  std::string password_source;  // as the token's pin-source
  std::string trust_store;  // whose anchors the server's certificate leads to; empty: the system's
  std::chrono::days heartbeat{30};  // without a mail, until one says that all is well
};

// None where there is no such table. Problems are the table's.
std::optional<MailConfig> ReadMail(TomlTable& root, const std::filesystem::path& folder,
                                   const keystore::Catalogue& catalogue);

// Password and trust store are read for each mail. What it refers to outlives it.
services::MailQueue::Sender MakeSender(const MailConfig& config, std::string helo,
                                       FileSystem& files, const keystore::State& state,
                                       std::function<AddressPolicy()> policy);

}  // namespace signet::tools
