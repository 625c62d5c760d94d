// Users and groups of the machine, by the system's database.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "platform/error.h"

namespace signet {

struct LocalUser {
  std::string name;           // empty: the database does not know the user
  std::vector<gid_t> groups;  // `gid` among them

  bool IsIn(const std::string& group) const;  // false for a group that does not exist
};

// `gid` is the one that the process runs with. May block for a moment (LDAP, sssd).
LocalUser FindLocalUser(uid_t uid, gid_t gid);

struct UserAccount {
  std::uint32_t uid = 0, gid = 0;  // gid: of its first group
};

// Ask the system's database too. kUsage USER_UNKNOWN, GROUP_UNKNOWN.
Result<UserAccount> FindUser(const std::string& name);
Result<std::uint32_t> FindGroup(const std::string& name);
// The name of a user's first group; empty when either is not known.
std::string FirstGroupOf(const std::string& user);

}  // namespace signet
