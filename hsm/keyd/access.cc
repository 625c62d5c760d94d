#include "hsm/keyd/access.h"

#include <algorithm>

#include "platform/users.h"

namespace signet::hsm {

bool AgentGrant::Allows(const VirtualKey& key) const {
  if (all_) return true;
  const auto has = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  return std::any_of(services_.begin(), services_.end(), [&](const AgentService* service) {
    return service->purposes.empty() ? has(key.services, service->name)
                                     : has(service->purposes, key.purpose);
  });
}

AgentGrant AgentAccess::Decide(const AgentPeer& peer) const {
  AgentGrant grant;
  if (peer.uid == own_uid_) {
    grant.all_ = true;
    return grant;
  }
  const LocalUser user = FindLocalUser(peer.uid, peer.gid);
  for (const AgentService& service : services_) {
    const std::string& door = service.socket.empty() ? service.socket : service.name;
    if (peer.socket != door) continue;
    const bool member = peer.uid == 0 || (!service.user.empty() && service.user == user.name) ||
                        (!service.group.empty() && user.IsIn(service.group));
    if (member) grant.services_.push_back(&service);
  }
  return grant;
}

}  // namespace signet::hsm
