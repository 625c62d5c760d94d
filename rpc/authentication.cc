#include "rpc/authentication.h"

#include <algorithm>

#include "platform/encoding.h"
#include "platform/users.h"

namespace signet::rpc {

using services::Role;

namespace {
constexpr auto kCacheTime = std::chrono::seconds(10);
constexpr std::size_t kCacheSize = 1024;

bool IsInOne(const LocalUser& user, const std::vector<std::string>& groups) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const std::string& group) { return user.IsIn(group); });
}
}  // namespace

Result<Role> RoleFromName(std::string_view name) {
  static constexpr std::pair<std::string_view, Role> kRoles[] = {
      {"administrator", Role::kAdministrator},
      {"operator", Role::kOperator},
      {"auditor", Role::kAuditor},
      {"metrics", Role::kMetrics},
      {"service", Role::kService},
  };
  for (const auto& [word, role] : kRoles) {
    if (word == name) return role;
  }
  return MakeError(Kind::kUsage, "ROLE_UNKNOWN", "there is no role '" + EscapeLine(name, 64) + "'",
                   "Use administrator, operator, auditor, metrics or service.");
}

LocalUsers::LocalUsers(LocalRoles roles, uid_t own_uid, const Clock& clock)
    : roles_(std::move(roles)), own_uid_(own_uid), clock_(clock) {}

Peer LocalUsers::Identify(uid_t uid, gid_t gid, pid_t pid) {
  const SteadyTime now = clock_.Steady();
  auto at = cache_.find(uid);
  if (at == cache_.end() || at->second.until < now) {
    if (cache_.size() >= kCacheSize) cache_.clear();
    Entry entry = LookUp(uid, gid);
    entry.until = now + kCacheTime;
    at = cache_.insert_or_assign(uid, std::move(entry)).first;
  }
  Peer peer;
  peer.actor = "uid:" + std::to_string(uid);
  if (!at->second.name.empty()) peer.actor += " (" + EscapeLine(at->second.name, 64) + ")";
  peer.origin = "socket";
  peer.role = at->second.role;
  peer.purposes = at->second.purposes;
  peer.local = true;
  peer.uid = uid;
  peer.pid = pid;
  return peer;
}

LocalUsers::Entry LocalUsers::LookUp(uid_t uid, gid_t gid) const {
  Entry entry;
  const LocalUser user = FindLocalUser(uid, gid);
  entry.name = user.name;
  if (IsPrivileged(uid)) {
    entry.role = Role::kAdministrator;
    return entry;
  }
  const auto& users = roles_.administrator_users;
  if ((!entry.name.empty() && std::find(users.begin(), users.end(), entry.name) != users.end()) ||
      IsInOne(user, roles_.administrator_groups)) {
    entry.role = Role::kAdministrator;
  } else if (IsInOne(user, roles_.operator_groups)) {
    entry.role = Role::kOperator;
  } else if (IsInOne(user, roles_.auditor_groups)) {
    entry.role = Role::kAuditor;
  } else if (IsInOne(user, roles_.metrics_groups)) {
    entry.role = Role::kMetrics;
  } else {
    AddServices(entry, user);
  }
  return entry;
}

void LocalUsers::AddServices(Entry& entry, const LocalUser& user) const {
  for (const ServiceAccount& service : roles_.services) {
    const bool is_user = !service.user.empty() && service.user == entry.name;
    if (!is_user && (service.group.empty() || !user.IsIn(service.group))) continue;
    entry.role = Role::kService;
    entry.purposes.insert(entry.purposes.end(), service.purposes.begin(), service.purposes.end());
  }
}

Result<RemoteClients> RemoteClients::Make(const std::vector<ClientCertificate>& list) {
  RemoteClients out;
  for (const ClientCertificate& client : list) {
    SIGNET_TRY(auto role, RoleFromName(client.role));
    std::string fingerprint;
    for (const char c : client.fingerprint) {
      if (c != ':')
        fingerprint.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
    const bool valid = fingerprint.size() == 64 &&
                       fingerprint.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!valid ||
        !out.clients_.emplace(fingerprint, Entry{client.name, role, client.purposes}).second) {
      return MakeError(Kind::kUsage, "CLIENT_CERTIFICATE_INVALID",
                       "the client certificate '" + EscapeLine(client.name, 64) +
                           "' needs a SHA-256 fingerprint of its own (64 hex digits)",
                       "Take it from 'openssl x509 -noout -fingerprint -sha256'.");
    }
  }
  return out;
}

Peer RemoteClients::Identify(std::string_view fingerprint, std::string origin) const {
  Peer peer;
  peer.origin = std::move(origin);
  const auto at = clients_.find(fingerprint);
  if (at != clients_.end()) {
    peer.role = at->second.role;
    peer.purposes = at->second.purposes;
    peer.actor = "cert:" + EscapeLine(at->second.name.empty() ? fingerprint : at->second.name, 128);
  } else {
    peer.actor = fingerprint.empty() ? "anonymous" : "cert:" + std::string(fingerprint);
  }
  return peer;
}

}  // namespace signet::rpc
