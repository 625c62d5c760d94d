#include "hsm/keyd/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(250);
constexpr Duration kGrantTime = std::chrono::seconds(10);  // users and groups are looked up again
constexpr std::size_t kScratch = 64 * 1024;
constexpr int kTurns = 16;      // messages of one client before others have their turn
constexpr int kImpatience = 3;  // a client writes a message in pieces: the next is on its way
constexpr std::size_t kMostLeftBehind = 8;

std::int64_t Ticks(SteadyTime time) { return time.time_since_epoch().count(); }

// What tells this connection from every other on this machine, as long as it lives.
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

}  // namespace

struct AgentServer::Impl {
  struct Watched {  // what an epoll event leads to
    enum class Kind : std::uint8_t { kClient, kListener, kWake } kind;
  };
  struct Door : Watched {
    explicit Door(AgentListener given) : Watched{Kind::kListener}, listener(std::move(given)) {}
    AgentListener listener;
  };
  struct Client : Watched {
    Client(AgentBackend& backend, AgentPeer peer, AgentGrant grant, bool management, int fd_in)
        : Watched{Kind::kClient},
          fd(fd_in),
          connection(backend, std::move(peer), std::move(grant), management, NonceOf(fd_in)) {}
    const int fd;
    std::size_t slot = Survival::kSlots;
    AgentConnection connection;
    WipedString in;
    std::string out;
    std::size_t sent = 0;
    std::atomic<std::int64_t> deadline{0};  // steady clock; 0: none
  };
  struct Worker {
    std::mutex mutex;
    Client* client = nullptr;  // that a call into the token is under way for
    SteadyTime since{};
    Duration limit{};
    std::atomic<bool> left_behind{false};
    std::thread thread;
    std::atomic<bool> ended{false};
  };

  Impl(AgentBackend& backend_in, const AgentAccess& access_in, uid_t manager_in,
       AgentLimits limits_in, Survival& survival_in)
      : backend(backend_in),
        access(access_in),
        manager(manager_in),
        limits(limits_in),
        survival(survival_in) {}

  AgentBackend& backend;
  const AgentAccess& access;
  const uid_t manager;
  const AgentLimits limits;
  Survival& survival;
  int epoll = -1, wake = -1;
  Watched wake_tag{Watched::Kind::kWake};
  std::atomic<bool> stopping{false};
  std::vector<std::unique_ptr<Door>> doors;

  mutable std::mutex mutex;  // guards what follows
  std::unordered_map<Client*, std::unique_ptr<Client>> clients;
  std::map<uid_t, std::size_t> per_uid;
  std::vector<std::unique_ptr<Worker>> workers;
  std::map<std::pair<uid_t, std::string>, std::pair<SteadyTime, AgentGrant>> grants;
  SteadyTime last_refusal{};
  Figures figures;

  std::thread watchdog;
  std::condition_variable tick;

  void StartWorker();
  void Work(Worker& self);
  void Accept(Door& door);
  void Admit(Door& door, int descriptor);
  AgentGrant GrantOf(const AgentPeer& peer);
  void Refuse(int descriptor, const AgentPeer& peer, const std::string& why);
  Client* Insert(std::unique_ptr<Client> client, int operation);
  void Serve(Worker& self, Client& client, char* scratch);
  bool RunJob(Worker& self, Client& client, AgentConnection::Step& step);
  enum class Flushed : std::uint8_t { kAll, kBlocked, kGone };
  static Flushed Flush(Client& client);
  void Arm(Client& client, std::uint32_t events, Duration limit);
  void Close(Client& client);
  void Watch();
  void CheckWorkers();
  void CheckDeadlines();
};

void AgentServer::Impl::StartWorker() {
  auto worker = std::make_unique<Worker>();
  Worker& self = *worker;
  worker->thread = std::thread([this, &self] {
    Work(self);
    self.ended = true;
  });
  workers.push_back(std::move(worker));
}

void AgentServer::Impl::Work(Worker& self) {
  const auto scratch = std::make_unique<char[]>(kScratch);
  while (!stopping && !self.left_behind) {
    epoll_event event{};
    const int count = epoll_wait(epoll, &event, 1, -1);
    if (count <= 0) continue;
    auto* tag = static_cast<Watched*>(event.data.ptr);
    if (tag->kind == Watched::Kind::kListener) {
      Accept(*static_cast<Door*>(tag));
    } else if (tag->kind == Watched::Kind::kClient) {
      Serve(self, *static_cast<Client*>(tag), scratch.get());
    }
  }
}

void AgentServer::Impl::Accept(Door& door) {
  for (int i = 0; i < kTurns; ++i) {
    const int descriptor =
        accept4(door.listener.file.socket(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
      // Out of descriptors: those that are open go on, and the next tick tries again.
      if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(kTick);
      break;
    }
    Admit(door, descriptor);
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.ptr = static_cast<Watched*>(&door);
  epoll_ctl(epoll, EPOLL_CTL_MOD, door.listener.file.socket(), &event);
}

AgentGrant AgentServer::Impl::GrantOf(const AgentPeer& peer) {
  const auto now = std::chrono::steady_clock::now();
  const auto key = std::make_pair(peer.uid, peer.socket);
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
  bool say = false;
  {
    const std::lock_guard lock(mutex);
    ++figures.refused;
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
  peer.socket = door.listener.service;
  if (!PeerOf(descriptor, peer)) {
    close(descriptor);
    return;
  }
  AgentGrant grant;
  if (door.listener.management) {
    if (peer.uid != manager) return Refuse(descriptor, peer, "this is signetd's own socket");
  } else {
    grant = GrantOf(peer);
    if (grant.IsEmpty()) {
      return Refuse(descriptor, peer,
                    "no key is for this user here (see [service.NAME] in the configuration)");
    }
  }
  {
    const std::lock_guard lock(mutex);
    const std::size_t most = limits.connections - (door.listener.management ? 0 : limits.reserve);
    const std::size_t own = per_uid[peer.uid];
    if (clients.size() >= most || (own >= limits.per_uid && !door.listener.management)) {
      ++figures.refused;
      close(descriptor);
      return;
    }
  }
  auto client = std::make_unique<Client>(backend, std::move(peer), std::move(grant),
                                         door.listener.management, descriptor);
  client->slot = survival.KeepClient(descriptor);
  client->deadline = Ticks(std::chrono::steady_clock::now() + limits.greeting);
  Insert(std::move(client), EPOLL_CTL_ADD);
}

AgentServer::Impl::Client* AgentServer::Impl::Insert(std::unique_ptr<Client> client,
                                                     int operation) {
  Client* raw = client.get();
  {
    const std::lock_guard lock(mutex);
    ++per_uid[raw->connection.peer().uid];
    ++figures.accepted;
    clients.emplace(raw, std::move(client));
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
  event.data.ptr = static_cast<Watched*>(raw);
  epoll_ctl(epoll, operation, raw->fd, &event);  // from here on it may be another thread's
  return raw;
}

void AgentServer::Impl::Arm(Client& client, std::uint32_t events, Duration limit) {
  client.deadline = limit == Duration::zero() ? 0 : Ticks(std::chrono::steady_clock::now() + limit);
  epoll_event event{};
  event.events = events | EPOLLRDHUP | EPOLLONESHOT;
  event.data.ptr = static_cast<Watched*>(&client);
  epoll_ctl(epoll, EPOLL_CTL_MOD, client.fd, &event);
}

AgentServer::Impl::Flushed AgentServer::Impl::Flush(Client& client) {
  while (client.sent < client.out.size()) {
    const ssize_t sent = send(client.fd, client.out.data() + client.sent,
                              client.out.size() - client.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      client.sent += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Flushed::kBlocked;
    } else if (errno != EINTR) {
      return Flushed::kGone;
    }
  }
  client.out.clear();
  client.sent = 0;
  return Flushed::kAll;
}

void AgentServer::Impl::Serve(Worker& self, Client& client, char* scratch) {
  int turns = 0;
  int patience = kImpatience;
  while (true) {
    const Flushed flushed = Flush(client);
    if (flushed == Flushed::kGone) return Close(client);
    if (flushed == Flushed::kBlocked) return Arm(client, EPOLLOUT, limits.answer);
    AgentConnection::Step step = client.connection.Next(client.in);
    using Kind = AgentConnection::Step::Kind;
    if (step.kind == Kind::kBroken) return Close(client);
    if (step.kind == Kind::kReply) {
      client.out = std::move(step.output);
      ++turns;
      continue;
    }
    if (step.kind == Kind::kJob) {
      if (!RunJob(self, client, step)) return;
      ++turns;
      continue;
    }
    if (client.in.empty()) survival.SetBusy(client.slot, !client.connection.initialized());
    if (turns >= kTurns && client.in.empty()) return Arm(client, EPOLLIN, Duration::zero());
    const ssize_t got = recv(client.fd, scratch, kScratch, MSG_DONTWAIT);
    if (got > 0) {
      survival.SetBusy(client.slot, true);
      if (client.in.capacity() < 64) client.in.reserve(256);
      client.in.append(scratch, static_cast<std::size_t>(got));
      if (client.connection.management()) Wipe(scratch, static_cast<std::size_t>(got));
      patience = kImpatience;
      continue;
    }
    if (got == 0) return Close(client);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Close(client);
    if (!client.in.empty() && --patience > 0) continue;
    Duration limit = client.connection.initialized() ? Duration::zero() : limits.greeting;
    if (!client.in.empty()) limit = limits.message;
    return Arm(client, EPOLLIN, limit);
  }
}

bool AgentServer::Impl::RunJob(Worker& self, Client& client, AgentConnection::Step& step) {
  {
    const std::lock_guard lock(self.mutex);
    self.client = &client;
    self.since = std::chrono::steady_clock::now();
    self.limit = step.is_long ? limits.change : limits.call;
  }
  AgentReply reply = step.job();
  {
    const std::lock_guard lock(self.mutex);
    if (self.client == nullptr) {  // the watchdog has answered, and the client is its own since
      if (step.is_signature && reply.code == CKR_OK) backend.CountUndelivered();
      return false;
    }
    self.client = nullptr;
  }
  client.out = client.connection.Finish(std::move(reply), false);
  return true;
}

void AgentServer::Impl::Close(Client& client) {
  epoll_ctl(epoll, EPOLL_CTL_DEL, client.fd, nullptr);
  survival.DropClient(client.slot);
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

void AgentServer::Impl::Watch() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    tick.wait_for(lock, kTick);
    lock.unlock();
    CheckWorkers();
    CheckDeadlines();
    lock.lock();
  }
}

// A call that hangs: its client is answered, its thread is left behind and another takes its place.
void AgentServer::Impl::CheckWorkers() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<Worker*> all;
  {
    const std::lock_guard lock(mutex);
    std::erase_if(workers, [](const std::unique_ptr<Worker>& worker) {
      if (!worker->left_behind || !worker->ended) return false;
      worker->thread.join();
      return true;
    });
    for (const auto& worker : workers) all.push_back(worker.get());
  }
  for (Worker* worker : all) {
    Client* client = nullptr;
    {
      const std::lock_guard lock(worker->mutex);
      if (worker->client == nullptr || now - worker->since < worker->limit) continue;
      client = std::exchange(worker->client, nullptr);
      worker->left_behind = true;
    }
    backend.ReportHang();
    client->out = client->connection.Finish({CKR_DEVICE_ERROR, {}}, true);
    const Flushed flushed = Flush(*client);
    if (flushed == Flushed::kGone) {
      Close(*client);
    } else {
      // Whatever it has sent meanwhile is looked at with the next event: at once, where there is
      // something.
      const bool more = flushed == Flushed::kBlocked || !client->in.empty();
      Arm(*client, more ? EPOLLIN | EPOLLOUT : EPOLLIN,
          flushed == Flushed::kBlocked ? limits.answer : Duration::zero());
    }
    const std::lock_guard lock(mutex);
    ++figures.hung;
    std::size_t behind = 0;
    for (const auto& one : workers) behind += one->left_behind ? 1 : 0;
    if (behind <= kMostLeftBehind) StartWorker();
  }
}

void AgentServer::Impl::CheckDeadlines() {
  const std::int64_t now = Ticks(std::chrono::steady_clock::now());
  const std::lock_guard lock(mutex);
  for (const auto& [raw, client] : clients) {
    const std::int64_t deadline = client->deadline;
    if (deadline == 0 || deadline > now) continue;
    client->deadline = 0;
    ++figures.timed_out;
    shutdown(client->fd, SHUT_RDWR);  // its event closes it
  }
}

AgentServer::AgentServer(AgentBackend& backend, const AgentAccess& access, uid_t manager,
                         AgentLimits limits, Survival& survival)
    : impl_(std::make_unique<Impl>(backend, access, manager, limits, survival)) {
  impl_->epoll = epoll_create1(EPOLL_CLOEXEC);
  impl_->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

AgentServer::~AgentServer() {
  Stop(std::chrono::seconds(1));
  // What systemd keeps must go on being found.
  if (impl_->survival.active()) {
    for (const auto& door : impl_->doors) door->listener.file.Leave();
  }
  for (const auto& [raw, client] : impl_->clients) close(client->fd);
  close(impl_->epoll);
  close(impl_->wake);
}

void AgentServer::Listen(AgentListener listener) {
  impl_->doors.push_back(std::make_unique<Impl::Door>(std::move(listener)));
}

Status AgentServer::Start(std::size_t threads) {
  Impl& impl = *impl_;
  if (impl.epoll < 0 || impl.wake < 0) return ErrnoError(errno, "epoll_create1", "the sockets");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &impl.wake_tag;
  if (epoll_ctl(impl.epoll, EPOLL_CTL_ADD, impl.wake, &event) != 0) {
    return ErrnoError(errno, "epoll_ctl", "the wake-up");
  }
  for (const auto& door : impl.doors) {
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.ptr = static_cast<Impl::Watched*>(door.get());
    if (epoll_ctl(impl.epoll, EPOLL_CTL_ADD, door->listener.file.socket(), &event) != 0) {
      return ErrnoError(errno, "epoll_ctl", LocalPath(door->listener.file.socket()));
    }
  }
  const std::lock_guard lock(impl.mutex);
  for (std::size_t i = 0; i < threads; ++i) impl.StartWorker();
  impl.watchdog = std::thread([&impl] { impl.Watch(); });
  return Ok();
}

bool AgentServer::Stop(Duration grace) {
  Impl& impl = *impl_;
  {
    const std::lock_guard lock(impl.mutex);
    impl.stopping = true;
  }
  const std::uint64_t one = 1;
  static_cast<void>(write(impl.wake, &one, sizeof one));
  impl.tick.notify_all();
  if (impl.watchdog.joinable()) impl.watchdog.join();
  const auto until = std::chrono::steady_clock::now() + grace;
  bool stopped = true;
  for (const auto& worker : impl.workers) {
    while (!worker->ended && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (worker->ended) {
      if (worker->thread.joinable()) worker->thread.join();
    } else {
      stopped = false;
    }
  }
  return stopped;
}

AgentServer::Figures AgentServer::Now() const {
  const std::lock_guard lock(impl_->mutex);
  Figures figures = impl_->figures;
  figures.connections = impl_->clients.size();
  return figures;
}

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
    Impl::Client* raw = impl.Insert(std::move(client), EPOLL_CTL_ADD);
    // What it sent before is looked at as soon as it can be written to, which is now.
    if (!raw->in.empty() || !raw->out.empty()) impl.Arm(*raw, EPOLLIN | EPOLLOUT, Duration::zero());
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
  impl.Insert(std::move(client), EPOLL_CTL_ADD);
}

}  // namespace signet::hsm
