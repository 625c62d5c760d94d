#include "hsm/keyd/agent.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "hsm/keyd/agent_impl.h"
#include "hsm/pin_source.h"
#include "hsm/token_uri.h"
#include "platform/logging.h"
#include "platform/users.h"

namespace signet::hsm {
namespace {

constexpr Duration kProbeInterval = std::chrono::seconds(2);
constexpr Duration kGrace = std::chrono::seconds(6);  // for calls that are under way
constexpr std::size_t kThreads = 4;
constexpr std::size_t kMostLost = 4;  // looks at the token that never came back

std::string SocketPath(int descriptor) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return address.sun_path;
}

// How many of `connections` there is room for, half of all descriptors being for other things (the
// token's files).
Result<std::size_t> RoomForDescriptors(std::size_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  const rlim_t wanted = std::min<rlim_t>(2 * connections, limit.rlim_max);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return ErrnoError(errno, "setrlimit", "RLIMIT_NOFILE");
    }
  }
  return std::min<std::size_t>(connections, limit.rlim_cur / 2);
}

}  // namespace

void Agent::Impl::ReportHang() {
  Log(LogLevel::kError, "a call into the token did not come back in time");
  owner->ReportHang();
}

CK_RV Agent::Impl::Ready() {
  if (server->IsStuck()) return CKR_DEVICE_ERROR;
  switch (owner->State()) {
    case TokenState::kOperational:
      return CKR_OK;
    case TokenState::kLocked:
      return CKR_USER_NOT_LOGGED_IN;
    case TokenState::kUnprovisioned:
      return CKR_TOKEN_NOT_PRESENT;
    case TokenState::kFailed:
      break;
  }
  return CKR_DEVICE_ERROR;
}

void Agent::Impl::StartProber() {
  prober = std::thread([this, number = prober_number] { Probe(number); });
}

// Looks at the token every two seconds, so that one that went is noticed and taken up again.
void Agent::Impl::Probe(unsigned number) {
  std::unique_lock guard(probe_mutex);
  while (!stopping) {
    probing = true;
    probing_since = std::chrono::steady_clock::now();
    guard.unlock();
    static_cast<void>(owner->Probe());  // the state tells
    WarmUp();
    guard.lock();
    if (number != prober_number) {  // too late: another one looks since
      --lost;
      probe_wake.notify_all();
      return;
    }
    probing = false;
    probe_wake.notify_all();
    probe_wake.wait_for(guard, kProbeInterval, [&] { return stopping; });
  }
}

// Keys of the view are found and proved ahead of their first signature, which must not wait for a
// key that is just being made.
void Agent::Impl::WarmUp() {
  const auto now = View();
  if (now->version == warmed || owner->State() != TokenState::kOperational) return;
  for (const VirtualKey& key : now->keys) static_cast<void>(owner->Spec(key.id));
  warmed = now->version;
}

// A look that does not come back is a call that hangs, although no client waits for it.
void Agent::Impl::Tick() {
  const std::lock_guard guard(probe_mutex);
  const auto now = std::chrono::steady_clock::now();
  if (stopping || !probing || now - probing_since < config.limits.call || lost >= kMostLost) return;
  ReportHang();
  ++lost;
  ++prober_number;
  probing = false;
  late.push_back(std::move(prober));
  StartProber();
}

Status Agent::Impl::OpenSockets(uid_t manager, Survivors& left) {
  const auto listen = [&](const std::string& path, const std::string& group, std::uint32_t mode,
                          std::string service, bool management) -> Status {
    if (server->ListensOn(path)) return SetSocketAccess(path, group, mode);
    for (auto& [name, descriptor] : left) {
      if (descriptor < 0 || name != Survival::kListener || SocketPath(descriptor) != path) continue;
      SIGNET_TRY(auto kept, UnixSocketFile::Adopt(path, -1, std::exchange(descriptor, -1)));
      SIGNET_TRY(SetSocketAccess(path, group, mode));
      server->Listen({std::move(service), management, std::move(kept)});
      return Ok();
    }
    SIGNET_TRY(auto file, UnixSocketFile::Listen(path, group, mode));
    survival.KeepListener(file.socket());
    server->Listen({std::move(service), management, std::move(file)});
    return Ok();
  };
  // Whoever may not use a key is refused by the kernel's word on him; a group keeps him out before.
  SIGNET_TRY(listen(config.socket, config.group, config.group.empty() ? 0666 : 0660, "", false));
  SIGNET_TRY(listen(config.management_socket, "", manager == geteuid() ? 0600 : 0666, "", true));
  for (const AgentService& service : config.services) {
    if (service.socket.empty()) continue;
    SIGNET_TRY(listen(service.socket, service.group, service.group.empty() ? 0666 : 0660,
                      service.name, false));
  }
  return Ok();
}

Status Agent::Impl::Open(Clock& clock) {
  uid_t manager = geteuid();
  if (!config.management_user.empty()) {
    SIGNET_TRY(const UserAccount user, FindUser(config.management_user));
    manager = user.uid;
  }
  SIGNET_TRY(auto source, PinSource::Parse(config.credential));
  SIGNET_TRY(credential, source.Read(files));
  SIGNET_TRY(config.limits.connections, RoomForDescriptors(config.limits.connections));
  config.limits.reserve = std::min(config.limits.reserve, config.limits.connections / 8);
  SIGNET_TRY(files.MakeDirectory(config.directory, 0700));
  server = std::make_unique<AgentServer>(*this, access, manager, config.limits, survival);
  ReadViewFile();
  SIGNET_TRY(const bool taken_over, TakeOver(clock));
  if (taken_over) {
    // Sockets that the configuration has now and had not then. One that cannot be opened is no
    // reason to leave the clients of the others.
    Survivors none;
    const Status opened = OpenSockets(manager, none);
    if (!opened) Log(LogLevel::kError, "a new socket is not opened: " + opened.error().ToString());
  } else {
    SIGNET_TRY(lock, FileLock::Take(config.directory + "/lock"));
    SIGNET_TRY(auto left, survival.Open());
    SIGNET_TRY(owner, TokenOwner::Open(config.token, files, clock, throttle));
    SIGNET_TRY(OpenSockets(manager, left));
    for (const auto& [name, kept] : left) {
      constexpr std::string_view kClient = Survival::kClient;
      if (kept < 0) continue;
      if (name.starts_with(kClient)) {
        server->AdoptClient(kept, static_cast<std::size_t>(std::atoi(&name[kClient.size()])));
      } else {
        close(kept);
      }
    }
  }
  SIGNET_TRY(server->Start(kThreads));
  StartProber();
  return Ok();
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() { Stop(); }

Result<std::unique_ptr<Agent>> Agent::Start(AgentConfig config, FileSystem& files, Clock& clock) {
  std::unique_ptr<Agent> agent(new Agent(std::make_unique<Impl>(std::move(config), files)));
  SIGNET_TRY(agent->impl_->Open(clock));
  return agent;
}

Status Agent::Check(const AgentConfig& config, FileSystem& files) {
  if (!config.management_user.empty()) {
    SIGNET_TRY(FindUser(config.management_user));
  }
  if (!config.group.empty()) {
    SIGNET_TRY(FindGroup(config.group));
  }
  for (const AgentService& service : config.services) {
    if (service.socket.empty() || service.group.empty()) continue;
    SIGNET_TRY(FindGroup(service.group));
  }
  SIGNET_TRY(auto source, PinSource::Parse(config.credential));
  SIGNET_TRY(source.Read(files));
  SIGNET_TRY(PinSource::Parse(config.token.pin_source));
  SIGNET_TRY(TokenUri::Parse(config.token.uri));
  SIGNET_TRY(files.Info(config.token.module));
  SIGNET_TRY(ThrottleFile(config.directory + "/throttle.json", files).Load());
  return Ok();
}

bool Agent::Stop() {
  {
    const std::lock_guard guard(impl_->probe_mutex);
    impl_->stopping = true;
  }
  impl_->probe_wake.notify_all();
  const bool stopped = impl_->server == nullptr || impl_->server->Stop(kGrace);
  if (!impl_->prober.joinable()) return stopped;
  // A probe that hangs would keep us.
  bool done = false;
  {
    std::unique_lock guard(impl_->probe_mutex);
    done = impl_->probe_wake.wait_for(guard, kGrace,
                                      [&] { return !impl_->probing && impl_->lost == 0; });
  }
  impl_->late.push_back(std::move(impl_->prober));
  for (std::thread& thread : impl_->late) {
    if (done) {
      thread.join();
    } else {
      thread.detach();
    }
  }
  impl_->late.clear();
  return stopped && done;
}

TokenInfo Agent::Info() const { return impl_->owner->Info(); }

}  // namespace signet::hsm
