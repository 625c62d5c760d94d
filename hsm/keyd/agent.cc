#include "hsm/keyd/agent.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "hsm/keyd/agent_impl.h"
#include "hsm/pin_source.h"
#include "hsm/token_uri.h"
#include "platform/logging.h"
#include "platform/process.h"
#include "platform/users.h"

namespace signet::hsm {
namespace {

constexpr Duration kProbeInterval = std::chrono::seconds(2);
constexpr Duration kGrace = std::chrono::seconds(6);  // for calls that are under way
constexpr std::size_t kThreads = 4;
constexpr std::size_t kMostLost = 4;  // looks at the token that never came back

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

// Opens the token, then looks at it every two seconds, so that one that went is noticed and taken
// up again.
void Agent::Impl::Probe(unsigned number) {
  std::unique_lock guard(probe_mutex);
  for (bool first = number == 0; !stopping; first = false) {
    probing = true;
    probing_since = std::chrono::steady_clock::now();
    guard.unlock();
    if (first) {
      Status status = StartToken();
      guard.lock();
      started = std::move(status);
      guard.unlock();
    } else {
      static_cast<void>(owner->Probe());  // the state tells
    }
    if (suspect.exchange(false)) static_cast<void>(owner->SelfTest());
    WarmUp();
    guard.lock();
    if (number != prober_number) {  // too late: another one looks since
      --lost;
      probe_wake.notify_all();
      return;
    }
    probing = false;
    probe_wake.notify_all();
    probe_wake.wait_for(guard, kProbeInterval, [&] { return stopping || suspect; });
  }
}

Status Agent::Impl::StartToken() {
  const Status status = owner->Start();
  if (!status) Log(LogLevel::kError, "the token cannot be opened: " + status.error().ToString());
  if (lock_after_start) {
    owner->Lock();
    lock_after_start = false;
  }
  return status;
}

// A token that made a signature which does not verify is not trusted further: its self-test
// decides.
Result<std::string> Agent::Impl::Sign(const KeyId& key, const wire::Mechanism& mechanism,
                                      std::string_view data) {
  auto signature = owner->SignRaw(key, mechanism, data);
  if (!signature && signature.error().word == "SIGNATURE_WRONG") {
    suspect = true;
    probe_wake.notify_all();
  }
  return signature;
}

// Keys of the view are found and proved ahead of their first signature, which must not wait for a
// key that is just being made.
void Agent::Impl::WarmUp() {
  const auto now = View();
  if (now->version == warmed || owner->State() != TokenState::kOperational) return;
  for (const VirtualKey& key : now->keys) static_cast<void>(owner->Spec(key.id));
  warmed = now->version;
  ReturnFreedMemory();
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

// Whoever may not use a key is refused by the kernel's word on him; a group keeps him out before.
std::vector<AgentSocket> Agent::Impl::Sockets(uid_t manager) const {
  const auto mode = [](const std::string& group) { return group.empty() ? 0666u : 0660u; };
  std::vector<AgentSocket> sockets = {
      {config.socket, config.group, mode(config.group), "", false},
      {config.management_socket, "", manager == geteuid() ? 0600u : 0666u, "", true}};
  for (const AgentService& service : config.services) {
    if (service.socket.empty()) continue;
    sockets.push_back({service.socket, service.group, mode(service.group), service.name, false});
  }
  return sockets;
}

Status Agent::Impl::OpenSockets(const std::vector<AgentSocket>& sockets, Survivors& left) {
  for (const AgentSocket& socket : sockets) {
    if (server->ListensOn(socket.path)) {
      SIGNET_TRY(SetSocketAccess(socket.path, socket.group, socket.mode));
      continue;
    }
    const auto kept = std::find_if(left.begin(), left.end(), [&](const auto& one) {
      return one.second >= 0 && one.first.starts_with(Survival::kListener) &&
             LocalPath(one.second) == socket.path;
    });
    UnixSocketFile file;
    if (kept != left.end()) {
      SIGNET_TRY(file, UnixSocketFile::Adopt(socket.path, -1, std::exchange(kept->second, -1)));
      SIGNET_TRY(SetSocketAccess(socket.path, socket.group, socket.mode));
    } else {
      SIGNET_TRY(file, UnixSocketFile::Listen(socket.path, socket.group, socket.mode));
      survival.KeepListener(socket.path, file.socket());
    }
    server->Listen(socket, std::move(file));
  }
  return Ok();
}

// Clients go on; a listener that the configuration does not name any more ends, file and all.
void Agent::Impl::TakeUpSurvivors(Survivors& left) {
  constexpr std::string_view kClient = Survival::kClient;
  for (auto& [name, kept] : left) {
    if (kept < 0) continue;
    if (name.starts_with(kClient)) {
      server->AdoptClient(kept, static_cast<std::size_t>(std::atoi(&name[kClient.size()])));
    } else if (const std::string path = LocalPath(kept); name.starts_with(Survival::kListener)) {
      survival.DropListener(path);
      static_cast<void>(UnixSocketFile::Adopt(path, -1, kept));  // owns it either way, and ends
    } else {
      close(kept);
    }
  }
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
  const auto sockets = Sockets(manager);
  SIGNET_TRY(const bool taken_over, TakeOver(sockets, clock));
  if (taken_over) {
    // Sockets that the configuration has now and had not then. One that cannot be opened is no
    // reason to leave the clients of the others.
    Survivors none;
    const Status opened = OpenSockets(sockets, none);
    if (!opened) Log(LogLevel::kError, "a new socket is not opened: " + opened.error().ToString());
  } else {
    SIGNET_TRY(lock, FileLock::Take(config.directory + "/lock"));
    SIGNET_TRY(auto left, survival.Open());
    SIGNET_TRY(owner, TokenOwner::Open(config.token, files, clock, throttle));
    SIGNET_TRY(OpenSockets(sockets, left));
    TakeUpSurvivors(left);
  }
  StartProber();
  {
    // Clients wait at the sockets for the token, but not for one that hangs: they are told then.
    std::unique_lock guard(probe_mutex);
    probe_wake.wait_for(guard, config.limits.call, [&] { return started.has_value(); });
    if (started && !taken_over) {
      SIGNET_TRY(*started);
    } else if (!started) {
      Log(LogLevel::kError, "the token does not open in time; clients are answered with an error");
    }
  }
  return server->Start(kThreads);
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
