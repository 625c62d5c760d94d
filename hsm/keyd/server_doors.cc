// Who comes in, and how connections begin and end.
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hsm/keyd/server_impl.h"
#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr Duration kGrantTime = std::chrono::seconds(10);  // users and groups are looked up again
constexpr int kAtOnce = 16;  // connections of one socket before others have their turn

}  // namespace

std::uint64_t NonceOf(int descriptor) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size);
  const Bytes digest = Sha256("connection:" + std::to_string(cookie));
  std::uint64_t nonce = 0;
  std::memcpy(&nonce, digest.data(), sizeof nonce);
  return nonce;
}

bool PeerOf(int descriptor, AgentPeer& peer) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return false;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = credentials.pid;
  return true;
}

std::string LocalPath(int descriptor) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  const std::size_t head = offsetof(sockaddr_un, sun_path);
  return size > head ? std::string(address.sun_path, strnlen(address.sun_path, size - head))
                     : std::string();
}

void AgentServer::Impl::OpenDoor(Door& door, int operation) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.ptr = static_cast<Watched*>(&door);
  epoll_ctl(epoll, operation, door.file.socket(), &event);
}

const AgentSocket* AgentServer::Impl::SocketAt(const std::string& path) const {
  for (const auto& door : doors) {
    if (door->socket.path == path) return &door->socket;
  }
  return nullptr;
}

void AgentServer::Impl::Accept(Door& door) {
  for (int i = 0; i < kAtOnce; ++i) {
    const int descriptor =
        accept4(door.file.socket(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
      // Out of descriptors: those that are open go on, and the watchdog tries again.
      if (errno == EMFILE || errno == ENFILE) {
        door.paused = true;
        return;
      }
      break;
    }
    Admit(door, descriptor);
  }
  OpenDoor(door, EPOLL_CTL_MOD);
}

AgentGrant AgentServer::Impl::GrantOf(const AgentPeer& peer) {
  const auto now = std::chrono::steady_clock::now();
  const auto key = std::make_tuple(peer.uid, peer.gid, peer.socket);
  {
    const std::lock_guard lock(mutex);
    const auto known = grants.find(key);
    if (known != grants.end() && known->second.first > now) return known->second.second;
  }
  AgentGrant grant = access.Decide(peer);
  const std::lock_guard lock(mutex);
  if (grants.size() > 1024) grants.clear();
  grants[key] = {now + kGrantTime, grant};
  return grant;
}

void AgentServer::Impl::Refuse(int descriptor, const AgentPeer& peer, const std::string& why) {
  close(descriptor);
  NoteRefusal(peer, why);
}

void AgentServer::Impl::NoteRefusal(const AgentPeer& peer, const std::string& why) {
  bool say = false;
  {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    say = now - last_refusal > std::chrono::seconds(1);
    if (say) last_refusal = now;
  }
  if (say) {
    Log(LogLevel::kWarning, "refused a client: uid " + std::to_string(peer.uid) + ", pid " +
                                std::to_string(peer.pid) + ": " + why);
  }
}

void AgentServer::Impl::Admit(Door& door, int descriptor) {
  AgentPeer peer;
  peer.socket = door.socket.service;
  if (!PeerOf(descriptor, peer)) {
    close(descriptor);
    return;
  }
  const bool management = door.socket.management;
  AgentGrant grant;
  if (management) {
    if (peer.uid != manager) return Refuse(descriptor, peer, "this is signetd's own socket");
  } else {
    grant = GrantOf(peer);
    if (grant.IsEmpty()) {
      return Refuse(descriptor, peer,
                    "no key is for this user here (see [service.NAME] in the configuration)");
    }
  }
  const char* full = nullptr;
  {
    const std::lock_guard lock(mutex);
    const std::size_t most = limits.connections - (management ? 0 : limits.reserve);
    const auto own = per_uid.find(peer.uid);
    if (clients.size() >= most) full = "there are too many connections";
    if (!management && own != per_uid.end() && own->second >= limits.per_uid)
      full = "this user has too many connections";
  }
  if (full != nullptr) return Refuse(descriptor, peer, full);
  auto client =
      std::make_unique<Client>(backend, std::move(peer), std::move(grant), management, descriptor);
  client->greet_until = std::chrono::steady_clock::now() + limits.greeting;
  PutDown(*Insert(std::move(client)), Rest::kIdle);
}

AgentServer::Impl::Client* AgentServer::Impl::Insert(std::unique_ptr<Client> client) {
  Client* raw = client.get();
  const std::lock_guard lock(mutex);
  ++per_uid[raw->connection.peer().uid];
  clients.emplace(raw, std::move(client));
  return raw;
}

void AgentServer::Impl::Close(Client& client) {
  epoll_ctl(epoll, EPOLL_CTL_DEL, client.fd, nullptr);
  // Also for those who hold a copy of the descriptor, systemd above all.
  shutdown(client.fd, SHUT_RDWR);
  survival.DropClient(client.slot);
  held -= client.held;
  std::unique_ptr<Client> gone;
  {
    const std::lock_guard lock(mutex);
    const auto found = clients.find(&client);
    if (found == clients.end()) return;
    gone = std::move(found->second);
    clients.erase(found);
    const auto own = per_uid.find(gone->connection.peer().uid);
    if (own != per_uid.end() && --own->second == 0) per_uid.erase(own);
  }
  close(gone->fd);
}

}  // namespace signet::hsm
