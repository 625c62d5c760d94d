#include "hsm/keyd/agent.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <thread>

#include "hsm/control_words.h"
#include "hsm/keyd/counters.h"
#include "hsm/keyd/server.h"
#include "hsm/keyd/throttle_file.h"
#include "hsm/pin_source.h"
#include "platform/encoding.h"
#include "platform/logging.h"
#include "platform/users.h"

namespace signet::hsm {
namespace {

constexpr char kHandover[] = "SIGNET_KEYD_HANDOVER";  // a descriptor; set by a predecessor alone
constexpr std::uint32_t kHandoverVersion = 1;
constexpr std::size_t kMaxHandover = 256u << 20;
constexpr Duration kProbeInterval = std::chrono::seconds(2);
constexpr Duration kGrace = std::chrono::seconds(6);  // a call that hangs was answered by then
constexpr std::size_t kThreads = 4;
constexpr char kViewFile[] = "/view.json";

std::string SocketPath(int descriptor) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return address.sun_path;
}

std::string Answer(const Error& error) {
  const control::ErrorAnswer answer{std::string(KindName(error.kind)), error.word, error.detail,
                                    error.remedy};
  return json::serialize(json::object{{"error", ToJson(answer)}});
}

std::string Answer(json::value result) {
  return json::serialize(json::object{{"result", std::move(result)}});
}

Status MakeRoomForDescriptors(std::size_t count) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return Ok();
  const rlim_t wanted = std::min<rlim_t>(count, limit.rlim_max);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return ErrnoError(errno, "setrlimit", "RLIMIT_NOFILE");
    }
  }
  return Ok();
}

// The memory that a predecessor filled, whole; its descriptor is closed.
Result<WipedString> ReadHandover(int descriptor) {
  const off_t size = lseek(descriptor, 0, SEEK_END);
  if (size < 0 || static_cast<std::size_t>(size) > kMaxHandover) {
    return ErrnoError(errno, "lseek", "the hand-over");
  }
  WipedString bytes(static_cast<std::size_t>(size), '\0');
  const ssize_t got = pread(descriptor, bytes.data(), bytes.size(), 0);
  // What lies there may hold a PIN: nothing of it stays.
  static_cast<void>(ftruncate(descriptor, 0));
  close(descriptor);
  if (got != size) return ErrnoError(errno, "pread", "the hand-over");
  return bytes;
}

}  // namespace

struct Agent::Impl final : AgentBackend {
  Impl(AgentConfig given, FileSystem& files_in)
      : config(std::move(given)),
        files(files_in),
        access(config.services, geteuid()),
        throttle(config.directory + "/throttle.json", files_in) {}

  const AgentConfig config;
  FileSystem& files;
  const AgentAccess access;
  ThrottleFile throttle;
  FileLock lock;
  Secret credential;
  const std::string instance = RandomHex(8);
  std::unique_ptr<TokenOwner> owner;
  UseCounters counters;
  Survival survival;
  std::unique_ptr<AgentServer> server;

  std::mutex view_mutex;
  std::shared_ptr<const VirtualObjects> view = std::make_shared<VirtualObjects>();
  std::string view_digest;

  std::mutex probe_mutex;
  std::condition_variable probe_wake;
  bool stopping = false;
  std::atomic<bool> probing{false};
  std::thread prober;

  Status Open(Clock& clock);
  using Survivors = std::vector<std::pair<std::string, int>>;
  Status OpenSockets(uid_t manager, Survivors& left);
  Status TakeOver(std::string_view bytes, Clock& clock);
  Result<int> HandOver();
  Status TakeView(std::string_view document);
  void ReadViewFile();
  void Probe();
  Result<json::value> Run(std::string_view method, std::string_view octets);
  json::value State();

  // AgentBackend
  std::shared_ptr<const VirtualObjects> View() override {
    const std::lock_guard guard(view_mutex);
    return view;
  }
  TokenInfo Description() override { return owner->Info(); }
  std::vector<CK_MECHANISM_TYPE> Mechanisms() override { return owner->TokenMechanisms(); }
  CK_RV Ready() override;
  Result<std::string> Sign(const KeyId& key, const wire::Mechanism& mechanism,
                           std::string_view data) override {
    return owner->SignRaw(key, mechanism, data);
  }
  void CountUse(const std::string& purpose, const KeyId& key, uid_t uid,
                CK_MECHANISM_TYPE mechanism) override {
    counters.Count(purpose, key, uid, mechanism);
  }
  void CountUndelivered() override { counters.CountUndelivered(); }
  void ReportHang() override {
    Log(LogLevel::kError, "a call into the token did not come back in time");
    owner->ReportHang();
  }
  TokenObjects& Objects() override { return owner->objects(); }
  Result<KeySpec> KeySpecOf(const KeyId& key) override { return owner->Spec(key); }
  bool IsManager(std::string_view given) override {
    const std::string_view own = credential.Reveal();
    return given.size() == own.size() && !own.empty() &&
           CRYPTO_memcmp(given.data(), own.data(), own.size()) == 0;
  }
  std::string Control(std::string_view method, std::string_view octets) override {
    auto result = Run(method, octets);
    WipeStackBelow();
    return result ? Answer(std::move(result).value()) : Answer(result.error());
  }
};

CK_RV Agent::Impl::Ready() {
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

Status Agent::Impl::TakeView(std::string_view document) {
  SIGNET_TRY(auto value, ParseJson(document, {8u << 20, 8, false}));
  SIGNET_TRY(auto given, FromJson<KeyView>(value));
  std::uint64_t version = 0;
  {
    const std::lock_guard guard(view_mutex);
    version = view->version + 1;
  }
  SIGNET_TRY(auto made, MakeVirtualObjects(given, version));
  const std::lock_guard guard(view_mutex);
  view = std::move(made);
  view_digest = Sha256Hex(document);
  return Ok();
}

// So that services go on from the first moment, whether signetd runs or not.
void Agent::Impl::ReadViewFile() {
  auto text = files.Read(config.directory + kViewFile, 8u << 20);
  if (!text) {
    if (text.error().word != "FILE_NOT_FOUND")
      Log(LogLevel::kError, "the view of the keys cannot be read: " + text.error().ToString());
    return;
  }
  const Status taken = TakeView(text.value());
  if (!taken) {
    Log(LogLevel::kError,
        "the view of the keys is damaged, services see none until signetd gives "
        "it anew: " +
            taken.error().ToString());
  }
}

json::value Agent::Impl::State() {
  const TokenInfo info = owner->Info();
  control::StateAnswer answer;
  answer.state = static_cast<std::int64_t>(info.state);
  answer.reason = info.reason;
  answer.label = info.label;
  answer.manufacturer = info.manufacturer;
  answer.model = info.model;
  answer.serial = info.serial;
  answer.library = info.library;
  answer.failed_logins = static_cast<std::int64_t>(info.failed_logins);
  answer.next_login_in_s = info.next_login_in_s;
  answer.instance = instance;
  answer.generation = static_cast<std::int64_t>(owner->Generation());
  answer.connections = static_cast<std::int64_t>(server->Now().connections);
  const std::lock_guard guard(view_mutex);
  answer.view = view_digest;
  return ToJson(answer);
}

Result<json::value> Agent::Impl::Run(std::string_view method, std::string_view octets) {
  if (method == control::kState) return State();
  if (method == control::kUse) return ToJson(counters.Report(owner->count()));
  if (method == control::kShow) {
    SIGNET_TRY(TakeView(octets));
    SIGNET_TRY(files.WriteAtomic(config.directory + kViewFile, octets, 0600));
    return json::value(nullptr);
  }
  if (method == control::kUnlock) {
    SIGNET_TRY(owner->Unlock(Secret(octets)));
    return json::value(nullptr);
  }
  if (method == control::kLock) {
    owner->Lock();
    return json::value(nullptr);
  }
  if (method == control::kSelfTest) {
    SIGNET_TRY(auto steps, owner->SelfTest());
    std::vector<control::SelfTestRow> rows;
    for (SelfTestStep& step : steps)
      rows.push_back({std::move(step.name), step.passed, std::move(step.detail)});
    return ToJson(rows);
  }
  return MakeError(Kind::kUsage, "CONTROL_UNKNOWN", "signet-keyd has no such method",
                   "Use signetd and signet-keyd of one version.");
}

// Looks at the token every two seconds, so that one that went is noticed and taken up again.
void Agent::Impl::Probe() {
  std::unique_lock guard(probe_mutex);
  while (!stopping) {
    probe_wake.wait_for(guard, kProbeInterval);
    if (stopping) return;
    guard.unlock();
    probing = true;
    static_cast<void>(owner->Probe());  // the state tells
    probing = false;
    guard.lock();
  }
}

Status Agent::Impl::OpenSockets(uid_t manager, Survivors& left) {
  const auto listen = [&](const std::string& path, const std::string& group, std::uint32_t mode,
                          std::string service, bool management) -> Status {
    for (auto& [name, descriptor] : left) {
      if (descriptor < 0 || name != Survival::kListener || SocketPath(descriptor) != path) continue;
      SIGNET_TRY(auto kept, UnixSocketFile::Adopt(path, -1, std::exchange(descriptor, -1)));
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
  SIGNET_TRY(MakeRoomForDescriptors(2 * config.limits.connections));
  SIGNET_TRY(files.MakeDirectory(config.directory, 0700));
  server = std::make_unique<AgentServer>(*this, access, manager, config.limits, survival);
  ReadViewFile();
  if (const char* handed = std::getenv(kHandover)) {
    const int descriptor = std::atoi(handed);
    unsetenv(kHandover);
    SIGNET_TRY(auto bytes, ReadHandover(descriptor));
    SIGNET_TRY(TakeOver({bytes.data(), bytes.size()}, clock));
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
  prober = std::thread([this] { Probe(); });
  return Ok();
}

// Everything that a successor needs, in memory that only it will see. The server has stopped.
Result<int> Agent::Impl::HandOver() {
  std::string bytes;
  wire::Writer writer(bytes);
  writer.Word(kHandoverVersion);
  writer.Word(static_cast<std::uint32_t>(lock.descriptor()));
  writer.Word(static_cast<std::uint32_t>(survival.flags_descriptor()));
  writer.Octets(json::serialize(ToJson(counters.Report(owner->count()))));
  const auto table = owner->objects().Table();
  writer.Word(static_cast<std::uint32_t>(table.size()));
  for (const auto& [number, entry] : table) {
    writer.Number(number);
    writer.Number(entry.object_class);
    writer.Octets(entry.id);
  }
  // The PIN goes through a pipe of its own: it is read once, and is in no file.
  Secret pin = owner->KeptPin();
  int ends[2] = {-1, -1};
  if (!pin.empty()) {
    if (pipe(ends) != 0) return ErrnoError(errno, "pipe", "the hand-over");
    const std::string_view text = pin.Reveal();
    static_cast<void>(write(ends[1], text.data(), text.size()));
    close(ends[1]);
  }
  writer.Word(static_cast<std::uint32_t>(ends[0]));
  server->Save(writer);
  for (const int kept : {lock.descriptor(), survival.flags_descriptor()}) {
    if (kept >= 0) fcntl(kept, F_SETFD, 0);
  }
  const int memory = memfd_create("signet-keyd hand-over", 0);
  if (memory < 0 ||
      write(memory, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoError(errno, "memfd_create", "the hand-over");
  }
  return memory;
}

Status Agent::Impl::TakeOver(std::string_view bytes, Clock& clock) {
  const auto damaged = [] { return InternalError("the hand-over of the predecessor is damaged"); };
  wire::Reader reader(bytes);
  if (reader.Word() != kHandoverVersion) return damaged();
  lock = FileLock::Adopt(static_cast<int>(reader.Word()));
  SIGNET_TRY(survival.AdoptFlags(static_cast<int>(reader.Word())));
  SIGNET_TRY(auto value, ParseJson(reader.Octets().value_or("")));
  SIGNET_TRY(auto report, FromJson<UseReport>(value));
  counters.Adopt(report);
  std::unordered_map<TokenObjects::Number, TokenObjects::Entry> table;
  const std::uint32_t objects = reader.Word();
  for (std::uint32_t i = 0; i < objects && reader.ok(); ++i) {
    TokenObjects::Entry& entry = table[reader.Number()];
    entry.object_class = reader.Number();
    entry.id = reader.Octets().value_or("");
  }
  const int pin = static_cast<int>(reader.Word());
  if (!reader.ok()) return damaged();
  TokenConfig token = config.token;
  if (pin >= 0) token.pin_source = "fd:" + std::to_string(pin);
  SIGNET_TRY(owner, TokenOwner::Open(token, files, clock, throttle));
  owner->objects().Adopt(std::move(table));
  if (!server->Load(reader)) return damaged();
  return Ok();
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() { Stop(); }

Result<std::unique_ptr<Agent>> Agent::Start(AgentConfig config, FileSystem& files, Clock& clock) {
  std::unique_ptr<Agent> agent(new Agent(std::make_unique<Impl>(std::move(config), files)));
  SIGNET_TRY(agent->impl_->Open(clock));
  return agent;
}

bool Agent::Stop() {
  {
    const std::lock_guard guard(impl_->probe_mutex);
    impl_->stopping = true;
  }
  impl_->probe_wake.notify_all();
  const bool stopped = impl_->server == nullptr || impl_->server->Stop(kGrace);
  // A probe that hangs would keep us.
  if (impl_->prober.joinable()) {
    if (stopped && !impl_->probing) {
      impl_->prober.join();
    } else {
      impl_->prober.detach();
      return false;
    }
  }
  return stopped;
}

Error Agent::BecomeSuccessor(const std::string& program,
                             const std::vector<std::string>& arguments) {
  Stop();
  auto memory = impl_->HandOver();
  if (!memory) return std::move(memory).error();
  setenv(kHandover, std::to_string(memory.value()).c_str(), 1);
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ShutDownLogging();
  execv(program.c_str(), words.data());
  return ErrnoError(errno, "execv", program);
}

TokenInfo Agent::Info() const { return impl_->owner->Info(); }

}  // namespace signet::hsm
