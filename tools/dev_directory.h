// A whole appliance in one folder, for development and demonstration: configuration, credential of
// signet-keyd, state, sockets; the token is signet-keyd's affair (dev_token.h).
#pragma once

#include <string>

#include "platform/files.h"

namespace signet::tools {

struct DevOptions {
  std::string directory;
  std::string product = "imp";
  std::string listen = "127.0.0.1:0";
};

// Makes what is absent, continues what is present; returns the path of the configuration file. The
// options shape a new folder only, but for `listen`, which is written anew when it is given.
// kConflict PRODUCT_DIFFERS.
Result<std::string> PrepareDevDirectory(const DevOptions& options, FileSystem& files);

}  // namespace signet::tools
