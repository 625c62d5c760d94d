// What a successor needs of the sockets and their clients.
#include <fcntl.h>
#include <unistd.h>

#include "hsm/keyd/server_impl.h"

namespace signet::hsm {

void AgentServer::Save(wire::Writer& writer) {
  Impl& impl = *impl_;
  writer.Word(static_cast<std::uint32_t>(impl.doors.size()));
  for (const auto& door : impl.doors) {
    UnixSocketFile& file = door->listener.file;
    writer.Octets(door->listener.service);
    writer.Byte(door->listener.management ? 1 : 0);
    writer.Octets(LocalPath(file.socket()));
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
    writer.Octets(client->connection.peer().socket);
    writer.Byte(client->connection.management() ? 1 : 0);
    writer.Word(static_cast<std::uint32_t>(client->slot));
    client->connection.Save(writer);
    writer.Octets({client->in.data(), client->in.size()});
    writer.Octets(std::string_view(client->out).substr(client->sent));
    fcntl(client->fd, F_SETFD, 0);
  }
}

bool AgentServer::Load(wire::Reader& reader) {
  Impl& impl = *impl_;
  const std::uint32_t doors = reader.Word();
  for (std::uint32_t i = 0; i < doors && reader.ok(); ++i) {
    AgentListener listener;
    listener.service = reader.Octets().value_or("");
    listener.management = reader.Byte() != 0;
    const std::string path(reader.Octets().value_or(""));
    const int socket = static_cast<int>(reader.Word());
    const int lock = static_cast<int>(reader.Word());
    if (!reader.ok()) return false;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    if (lock >= 0) fcntl(lock, F_SETFD, FD_CLOEXEC);
    auto file = UnixSocketFile::Adopt(path, lock, socket);
    if (!file) return false;
    listener.file = std::move(file).value();
    Listen(std::move(listener));
  }
  const std::uint32_t count = reader.Word();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const int descriptor = static_cast<int>(reader.Word());
    AgentPeer peer;
    peer.socket = reader.Octets().value_or("");
    const bool management = reader.Byte() != 0;
    const std::size_t slot = reader.Word();
    if (!reader.ok() || !PeerOf(descriptor, peer)) return false;
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    AgentGrant grant = management ? AgentGrant() : impl.GrantOf(peer);
    auto client = std::make_unique<Impl::Client>(impl.backend, std::move(peer), std::move(grant),
                                                 management, descriptor);
    client->slot = slot;
    impl.survival.TakeSlot(slot);
    if (!client->connection.Load(reader)) return false;
    client->in.reserve(256);
    client->in.append(reader.Octets().value_or(""));
    client->out = reader.Octets().value_or("");
    if (!reader.ok()) return false;
    client->greet_until = std::chrono::steady_clock::now() + impl.limits.greeting;
    Impl::Client* raw = impl.Insert(std::move(client));
    // What it sent before is looked at as soon as it can be written to, which is now.
    const bool at_rest = raw->in.empty() && raw->out.empty();
    impl.PutDown(*raw, at_rest ? Impl::Rest::kIdle : Impl::Rest::kAgain);
  }
  return reader.ok();
}

void AgentServer::AdoptClient(int descriptor, std::size_t slot) {
  Impl& impl = *impl_;
  AgentPeer peer;
  const std::string path = LocalPath(descriptor);
  const Impl::Door* door = nullptr;
  for (const auto& one : impl.doors) {
    if (LocalPath(one->listener.file.socket()) == path) door = one.get();
  }
  impl.survival.TakeSlot(slot);
  if (door == nullptr || impl.survival.IsBusy(slot) || !PeerOf(descriptor, peer)) {
    impl.survival.DropClient(slot);
    shutdown(descriptor, SHUT_RDWR);
    close(descriptor);
    return;
  }
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  peer.socket = door->listener.service;
  // The manager says its credential anew.
  AgentGrant grant = door->listener.management ? AgentGrant() : impl.GrantOf(peer);
  auto client = std::make_unique<Impl::Client>(impl.backend, std::move(peer), std::move(grant),
                                               door->listener.management, descriptor);
  client->slot = slot;
  client->connection.AssumeGreeted();
  client->greet_until = std::chrono::steady_clock::now() + impl.limits.greeting;
  impl.PutDown(*impl.Insert(std::move(client)), Impl::Rest::kIdle);
}

}  // namespace signet::hsm
