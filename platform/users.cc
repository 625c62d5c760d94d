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
  const auto id = GroupId(group);
  return id && std::find(groups.begin(), groups.end(), id.value()) != groups.end();
}

Result<uid_t> UserId(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd record{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->pw_uid;
  }
  return MakeError(Kind::kNotFound, "USER_UNKNOWN",
                   "there is no user '" + EscapeLine(name, 64) + "' on this machine",
                   "Make the user, or correct the name.");
}

Result<gid_t> GroupId(const std::string& name) {
  std::vector<char> buffer(65536);
  group record{};
  group* found = nullptr;
  if (getgrnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->gr_gid;
  }
  return MakeError(Kind::kNotFound, "GROUP_UNKNOWN",
                   "there is no group '" + EscapeLine(name, 64) + "' on this machine",
                   "Make the group, or correct the name.");
}

}  // namespace signet
