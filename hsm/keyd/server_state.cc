// What a successor needs of the sockets and their clients.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "hsm/keyd/server_impl.h"

namespace signet::hsm {

void AgentServer::Save(wire::Writer& writer) {
  Impl& impl = *impl_;
  writer.Word(static_cast<std::uint32_t>(impl.doors.size()));
  for (const auto& door : impl.doors) {
    UnixSocketFile& file = door->file;
    writer.Octets(door->socket.path);
    writer.Word(static_cast<std::uint32_t>(file.socket()));
    writer.Word(static_cast<std::uint32_t>(file.lock()));
    fcntl(file.socket(), F_SETFD, 0);
    if (file.lock() >= 0) fcntl(file.lock(), F_SETFD, 0);
    file.Leave();
  }
  // A call that hangs holds its client: that one does not go on.
  std::vector<Impl::Client*> going;
  const std::lock_guard table(impl.mutex);
  for (const auto& [raw, client] : impl.clients) {
    bool held = false;
    for (const auto& worker : impl.workers) {
      const std::lock_guard lock(worker->mutex);
      held = held || worker->client == raw;
    }
    if (held) {
      shutdown(raw->fd, SHUT_RDWR);
    } else {
      going.push_back(raw);
    }
  }
  writer.Word(static_cast<std::uint32_t>(going.size()));
  for (Impl::Client* client : going) {
    writer.Word(static_cast<std::uint32_t>(client->fd));
    writer.Word(static_cast<std::uint32_t>(client->slot));
    client->connection.Save(writer);
    writer.Octets({client->in.data(), client->in.size()});
    writer.Octets(std::string_view(client->out).substr(client->sent));
    fcntl(client->fd, F_SETFD, 0);
  }
}

bool AgentServer::Load(wire::Reader& reader, const std::vector<AgentSocket>& sockets) {
  Impl& impl = *impl_;
  const std::uint32_t doors = reader.Word();
  for (std::uint32_t i = 0; i < doors && reader.ok(); ++i) {
    const std::string path(reader.Octets().value_or(""));
    const int socket = static_cast<int>(reader.Word());
    const int lock = static_cast<int>(reader.Word());
    if (!reader.ok()) return false;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    if (lock >= 0) fcntl(lock, F_SETFD, FD_CLOEXEC);
    auto file = UnixSocketFile::Adopt(path, lock, socket);
    if (!file) return false;
    const auto wanted = std::find_if(sockets.begin(), sockets.end(),
                                     [&](const AgentSocket& one) { return one.path == path; });
    if (wanted != sockets.end()) {
      Listen(*wanted, std::move(file).value());
    } else {
      impl.survival.DropListener(path);  // nobody's any more: its file goes, too
    }
  }
  const std::uint32_t count = reader.Word();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const int descriptor = static_cast<int>(reader.Word());
    AgentPeer peer;
    const std::size_t slot = reader.Word();
    if (!reader.ok() || !PeerOf(descriptor, peer)) return false;
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    const AgentSocket* socket = impl.SocketAt(LocalPath(descriptor));
    const bool management = socket != nullptr && socket->management;
    if (socket != nullptr) peer.socket = socket->service;
    AgentGrant grant = management ? AgentGrant() : impl.GrantOf(peer);
    auto client = std::make_unique<Impl::Client>(impl.backend, std::move(peer), std::move(grant),
                                                 management, descriptor);
    client->slot = slot;
    client->kept = slot != Survival::kSlots;
    impl.survival.TakeSlot(slot);
    if (!client->connection.Load(reader)) return false;
    client->in.reserve(256);
    client->in.append(reader.Octets().value_or(""));
    client->out = reader.Octets().value_or("");
    if (!reader.ok()) return false;
    client->greet_until = std::chrono::steady_clock::now() + impl.limits.greeting;
    Impl::Client* raw = impl.Insert(std::move(client));
    if (socket == nullptr) {  // it came by a socket that is no more
      impl.Close(*raw);
      continue;
    }
    // What it sent before is looked at as soon as it can be written to, which is now.
    const bool at_rest = raw->in.empty() && raw->out.empty();
    impl.PutDown(*raw, at_rest ? Impl::Rest::kIdle : Impl::Rest::kAgain);
  }
  return reader.ok();
}

void AgentServer::AdoptClient(int descriptor, std::size_t slot) {
  Impl& impl = *impl_;
  AgentPeer peer;
  const AgentSocket* socket = impl.SocketAt(LocalPath(descriptor));
  impl.survival.TakeSlot(slot);
  if (socket == nullptr || impl.survival.IsBusy(slot) || !PeerOf(descriptor, peer)) {
    impl.survival.DropClient(slot);
    shutdown(descriptor, SHUT_RDWR);
    close(descriptor);
    return;
  }
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  peer.socket = socket->service;
  // The manager says its credential anew.
  AgentGrant grant = socket->management ? AgentGrant() : impl.GrantOf(peer);
  auto client = std::make_unique<Impl::Client>(impl.backend, std::move(peer), std::move(grant),
                                               socket->management, descriptor);
  client->slot = slot;
  client->kept = true;
  client->connection.AssumeGreeted();
  client->greet_until = std::chrono::steady_clock::now() + impl.limits.greeting;
  impl.PutDown(*impl.Insert(std::move(client)), Impl::Rest::kIdle);
}

}  // namespace signet::hsm
