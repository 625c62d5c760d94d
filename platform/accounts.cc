#include "platform/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <vector>

#include "platform/encoding.h"

namespace signet {
namespace {

constexpr std::size_t kRecord = 65536;  // a group's record holds all its members

}  // namespace

Result<UserAccount> FindUser(const std::string& name) {
  std::vector<char> buffer(kRecord);
  passwd record{};
  passwd* found = nullptr;
  getpwnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return UserAccount{found->pw_uid, found->pw_gid};
  return MakeError(Kind::kUsage, "USER_UNKNOWN", "there is no user '" + EscapeLine(name, 64) + "'",
                   "Make the user, or name another in the configuration.");
}

Result<std::uint32_t> FindGroup(const std::string& name) {
  std::vector<char> buffer(kRecord);
  group record{};
  group* found = nullptr;
  getgrnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->gr_gid;
  return MakeError(Kind::kUsage, "GROUP_UNKNOWN",
                   "there is no group '" + EscapeLine(name, 64) + "'",
                   "Make the group, or name another in the configuration.");
}

}  // namespace signet
