#include "platform/users.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>

#include "platform/encoding.h"

namespace signet {

LocalUser FindLocalUser(uid_t uid, gid_t gid) {
  LocalUser user;
  user.groups = {gid};
  std::vector<char> buffer(16384);
  passwd record{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &record, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return user;
  user.name = found->pw_name;
  int count = 64;
  user.groups.resize(static_cast<std::size_t>(count));
  if (getgrouplist(found->pw_name, gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<std::size_t>(count));
    if (getgrouplist(found->pw_name, gid, user.groups.data(), &count) < 0) count = 0;
  }
  user.groups.resize(static_cast<std::size_t>(count));
  user.groups.push_back(gid);
  return user;
}

bool LocalUser::IsIn(const std::string& group) const {
  const auto id = FindGroup(group);
  return id && std::find(groups.begin(), groups.end(), id.value()) != groups.end();
}

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

std::string FirstGroupOf(const std::string& user) {
  const auto account = FindUser(user);
  if (!account) return {};
  std::vector<char> buffer(kRecord);
  group record{};
  group* found = nullptr;
  getgrgid_r(account.value().gid, &record, buffer.data(), buffer.size(), &found);
  return found == nullptr ? std::string() : found->gr_name;
}

}  // namespace signet
