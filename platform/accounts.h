// Users and groups of this machine, by name.
#pragma once

#include <cstdint>
#include <string>

#include "platform/error.h"

namespace signet {

struct UserAccount {
  std::uint32_t uid = 0, gid = 0;  // gid: of its first group
};

// Ask the system's database, which may be a network's: not for every request. kUsage USER_UNKNOWN,
// GROUP_UNKNOWN.
Result<UserAccount> FindUser(const std::string& name);
Result<std::uint32_t> FindGroup(const std::string& name);

}  // namespace signet
