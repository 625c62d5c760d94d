// Who may use which keys: by the kernel's word on the peer, and by the socket.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "hsm/keyd/agent_config.h"
#include "hsm/keyd/virtual_objects.h"

namespace signet::hsm {

// The peer of a connection, fixed when it is accepted.
struct AgentPeer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::string socket;  // of which service; empty: the common one
};

// What one peer may use; small, since each connection has one.
class AgentGrant {
 public:
  bool Allows(const VirtualKey& key) const;
  bool IsEmpty() const { return !all_ && services_.empty(); }

 private:
  friend class AgentAccess;
  bool all_ = false;
  std::vector<const AgentService*> services_;
};

// Immutable. Looks users and groups up in the system's database, which may block for a moment.
class AgentAccess {
 public:
  AgentAccess(std::vector<AgentService> services, uid_t own_uid)
      : services_(std::move(services)), own_uid_(own_uid) {}

  const std::vector<AgentService>& services() const { return services_; }
  // On a service's own socket: its user, the members of its group and root have its keys, nobody
  // else any, and nobody has them on the common one. There each has the keys of those services
  // without a socket that it is user or member of, root those of all of them. The user that runs
  // signet-keyd has every key on either.
  AgentGrant Decide(const AgentPeer& peer) const;

 private:
  std::vector<AgentService> services_;
  uid_t own_uid_;
};

}  // namespace signet::hsm
