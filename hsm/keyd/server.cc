#include "hsm/keyd/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hsm/keyd/server_impl.h"

namespace signet::hsm {
namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr int kTurns = 16;      // messages of one client before others have their turn
constexpr int kImpatience = 3;  // a client writes a message in pieces: the next is on its way
constexpr std::size_t kRoomAtRest = 4096;      // of a buffer, that an idle client keeps
constexpr std::size_t kFairShare = 16 * 1024;  // that nobody loses his connection for

std::int64_t Ticks(SteadyTime time) { return time.time_since_epoch().count(); }

}  // namespace

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

void AgentServer::Impl::PutDown(Client& client, Rest rest) {
  const auto now = std::chrono::steady_clock::now();
  const bool initialized = client.connection.initialized();
  SteadyTime until{};
  const auto at_most = [&](SteadyTime limit) {
    if (until == SteadyTime{} || limit < until) until = limit;
  };
  if (!initialized) at_most(client.greet_until);
  if (rest == Rest::kBlocked) {
    if (client.writing_since == SteadyTime{}) client.writing_since = now;
    at_most(client.writing_since + limits.answer);
  } else if (!client.in.empty()) {
    if (client.reading_since == SteadyTime{}) client.reading_since = now;
    at_most(client.reading_since + limits.message);
  }
  // From its C_Initialize on: who only connects is no affair of the service manager.
  if (initialized && client.slot == Survival::kSlots && !client.kept) {
    client.slot = survival.KeepClient(client.fd);
    client.kept = true;
  }
  const bool at_rest = rest == Rest::kIdle && client.in.empty();
  survival.SetBusy(client.slot, !at_rest || !initialized);
  if (client.in.empty() && client.in.capacity() > kRoomAtRest) WipedString().swap(client.in);
  if (client.out.empty() && client.out.capacity() > kRoomAtRest) std::string().swap(client.out);
  const std::size_t holds = client.in.capacity() + client.out.capacity() + client.connection.Held();
  const std::size_t all = held += holds - client.held;
  client.held = holds;
  if (all > limits.memory && holds > kFairShare && !client.connection.management()) {
    return Close(client);
  }
  client.deadline = until == SteadyTime{} ? 0 : Ticks(until);
  epoll_event event{};
  // Of one that does not read, its other half being closed is no news that can be used.
  event.events = EPOLLONESHOT;
  if (rest != Rest::kBlocked) event.events |= EPOLLIN | EPOLLRDHUP;
  if (rest != Rest::kIdle) event.events |= EPOLLOUT;
  event.data.ptr = static_cast<Watched*>(&client);
  const int operation = std::exchange(client.watched, true) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  epoll_ctl(epoll, operation, client.fd, &event);  // from here on it may be another thread's
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
  client.writing_since = {};
  return Flushed::kAll;
}

namespace {

// recv, and the kernel's word on who wrote: a worker that inherited its master's connection, or
// whoever it was passed to, is not who was let in. EACCES then. The process that connected may
// become another user (stunnel does), and root may be anybody.
ssize_t ReceiveFromPeer(int descriptor, const AgentPeer& peer, char* scratch) {
  iovec space{scratch, kScratch};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  msghdr message{};
  message.msg_iov = &space;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got <= 0) return got;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
    ucred writer{};
    std::memcpy(&writer, CMSG_DATA(part), sizeof writer);
    // Without a process: written before the kernel was asked to note the writer.
    if (writer.pid == 0 || writer.pid == peer.pid || writer.uid == peer.uid || writer.uid == 0)
      continue;
    Wipe(scratch, static_cast<std::size_t>(got));
    errno = EACCES;
    return -1;
  }
  return got;
}

}  // namespace

AgentServer::Impl::Received AgentServer::Impl::Receive(Client& client, char* scratch) {
  // Before it is read: a request that is lost with this process must not look like none.
  survival.SetBusy(client.slot, true);
  while (true) {
    const ssize_t got = ReceiveFromPeer(client.fd, client.connection.peer(), scratch);
    if (got > 0) {
      if (client.in.capacity() < 64) client.in.reserve(256);
      client.in.append(scratch, static_cast<std::size_t>(got));
      if (client.connection.management()) Wipe(scratch, static_cast<std::size_t>(got));
      return Received::kSome;
    }
    if (got == 0) return Received::kGone;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::kNothing;
    if (errno == EACCES) {
      NoteRefusal(client.connection.peer(),
                  "a process of another user writes to the connection that this one made; a "
                  "worker needs one of its own, as p11-kit's client makes it after a fork");
    }
    if (errno != EINTR) return Received::kGone;
  }
}

void AgentServer::Impl::Serve(Worker& self, Client& client, char* scratch) {
  client.deadline.exchange(0);  // nothing of it waits now; and sees all that PutDown wrote
  int turns = 0;
  int patience = kImpatience;
  while (true) {
    const Flushed flushed = Flush(client);
    if (flushed == Flushed::kGone) return Close(client);
    if (flushed == Flushed::kBlocked) return PutDown(client, Rest::kBlocked);
    if (client.in.empty()) survival.SetBusy(client.slot, !client.connection.initialized());
    // It has had its share. What it sent meanwhile is looked at when all others had theirs.
    if (turns >= kTurns) return PutDown(client, client.in.empty() ? Rest::kIdle : Rest::kAgain);
    AgentConnection::Step step = client.connection.Next(client.in);
    using Kind = AgentConnection::Step::Kind;
    if (step.kind == Kind::kBroken) return Close(client);
    if (step.kind == Kind::kNothing) {
      const Received received = Receive(client, scratch);
      if (received == Received::kGone) return Close(client);
      if (received == Received::kSome) {
        patience = kImpatience;
      } else if (client.in.empty() || --patience <= 0) {
        return PutDown(client, Rest::kIdle);
      }
      continue;
    }
    ++turns;
    client.reading_since = {};
    if (step.kind == Kind::kReply) {
      client.out = std::move(step.output);
    } else if (!RunJob(self, client, step)) {
      return;
    }
  }
}

bool AgentServer::Impl::RunJob(Worker& self, Client& client, AgentConnection::Step& step) {
  {
    const std::lock_guard lock(self.mutex);
    self.client = &client;
    self.since = std::chrono::steady_clock::now();
    self.limit = step.is_long ? limits.change : limits.call;
    self.is_long = step.is_long;
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
    for (const auto& door : impl_->doors) door->file.Leave();
  }
  for (const auto& [raw, client] : impl_->clients) close(client->fd);
  close(impl_->epoll);
  close(impl_->wake);
}

void AgentServer::Listen(AgentSocket socket, UnixSocketFile file) {
  impl_->doors.push_back(std::make_unique<Impl::Door>(std::move(socket), std::move(file)));
}

bool AgentServer::ListensOn(const std::string& path) const {
  return impl_->SocketAt(path) != nullptr;
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
  for (const auto& door : impl.doors) impl.OpenDoor(*door, EPOLL_CTL_ADD);
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
  // It cannot be full: nobody but us writes, once.
  if (write(impl.wake, &one, sizeof one) < 0) impl.tick.notify_all();
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

std::size_t AgentServer::Connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->clients.size();
}

bool AgentServer::IsStuck() const { return impl_->left_behind >= kMostLeftBehind; }

}  // namespace signet::hsm
