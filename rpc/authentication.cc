#include "rpc/authentication.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>

#include "platform/accounts.h"
#include "platform/encoding.h"

namespace signet::rpc {

using services::Role;

namespace {
constexpr auto kCacheTime = std::chrono::seconds(10);
constexpr std::size_t kCacheSize = 1024;
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
  std::vector<char> buffer(16384);
  passwd record{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &record, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    entry.name = found->pw_name;
  if (IsPrivileged(uid)) {
    entry.role = Role::kAdministrator;
    return entry;
  }
  std::vector<gid_t> groups = {gid};
  if (found != nullptr) {
    int count = 64;
    groups.resize(static_cast<std::size_t>(count));
    if (getgrouplist(found->pw_name, gid, groups.data(), &count) < 0) {
      groups.resize(static_cast<std::size_t>(count));
      if (getgrouplist(found->pw_name, gid, groups.data(), &count) < 0) count = 0;
    }
    groups.resize(static_cast<std::size_t>(count));
    groups.push_back(gid);
  }
  const auto& users = roles_.administrator_users;
  if ((!entry.name.empty() && std::find(users.begin(), users.end(), entry.name) != users.end()) ||
      InGroup(roles_.administrator_groups, groups)) {
    entry.role = Role::kAdministrator;
  } else if (InGroup(roles_.operator_groups, groups)) {
    entry.role = Role::kOperator;
  } else if (InGroup(roles_.auditor_groups, groups)) {
    entry.role = Role::kAuditor;
  } else if (InGroup(roles_.metrics_groups, groups)) {
    entry.role = Role::kMetrics;
  } else {
    AddServices(entry, groups);
  }
  return entry;
}

void LocalUsers::AddServices(Entry& entry, const std::vector<gid_t>& groups) const {
  for (const ServiceAccount& service : roles_.services) {
    const bool is_user = !service.user.empty() && service.user == entry.name;
    if (!is_user && (service.group.empty() || !InGroup({service.group}, groups))) continue;
    entry.role = Role::kService;
    entry.purposes.insert(entry.purposes.end(), service.purposes.begin(), service.purposes.end());
  }
}

bool LocalUsers::InGroup(const std::vector<std::string>& names,
                         const std::vector<gid_t>& groups) const {
  for (const std::string& name : names) {
    const Result<std::uint32_t> group = FindGroup(name);
    if (group && std::find(groups.begin(), groups.end(), group.value()) != groups.end())
      return true;
  }
  return false;
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
