// Who a connection belongs to: a local user by the kernel's word, or the holder of a listed client
// certificate. SPEC A2.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"
#include "platform/users.h"
#include "rpc/appliance_view.h"
#include "services/request_context.h"

namespace signet::rpc {

// The peer of one connection, fixed when it is accepted (not by process id, which can be reused).
struct Peer {
  std::string actor;   // "uid:1000 (ada)", "cert:monitoring", "anonymous"
  std::string origin;  // "socket", "tls 127.0.0.1:4711"
  services::Role role = services::Role::kNone;
  std::vector<std::string> purposes;  // of role service
  bool local = false;
  std::uint32_t uid = 0;
  std::int32_t pid = 0;  // for the audit only
};

// The role with this name ("administrator"); kUsage ROLE_UNKNOWN.
Result<services::Role> RoleFromName(std::string_view name);

// Local users: root and the daemon's own user are administrators, others have the highest role of
// their name and groups. Looks users up in the system's database, remembered for 10 seconds. One
// thread.
class LocalUsers {
 public:
  LocalUsers(LocalRoles roles, uid_t own_uid, const Clock& clock);

  Peer Identify(uid_t uid, gid_t gid, pid_t pid);
  // Root and the daemon's own user: for them connections are reserved.
  bool IsPrivileged(uid_t uid) const { return uid == 0 || uid == own_uid_; }

 private:
  struct Entry {
    std::string name;
    services::Role role = services::Role::kNone;
    std::vector<std::string> purposes;
    SteadyTime until;
  };
  Entry LookUp(uid_t uid, gid_t gid) const;
  // A user of no other role may be one or several services.
  void AddServices(Entry& entry, const LocalUser& user) const;

  LocalRoles roles_;
  uid_t own_uid_;
  const Clock& clock_;
  std::map<uid_t, Entry> cache_;
};

// Remote clients: SHA-256 fingerprint of their certificate to role. Possession of the key was
// proved by TLS; no other certificate vouches for one that is listed. Immutable.
class RemoteClients {
 public:
  // kUsage ROLE_UNKNOWN, CLIENT_CERTIFICATE_INVALID (no fingerprint of 64 hex digits, or twice).
  static Result<RemoteClients> Make(const std::vector<ClientCertificate>& list);

  // `fingerprint` empty: no certificate was shown.
  Peer Identify(std::string_view fingerprint, std::string origin) const;

 private:
  struct Entry {
    std::string name;
    services::Role role;
    std::vector<std::string> purposes;
  };
  std::map<std::string, Entry, std::less<>> clients_;
};

}  // namespace signet::rpc
