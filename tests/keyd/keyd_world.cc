#include "tests/keyd/keyd_world.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "platform/encoding.h"
#include "platform/users.h"

namespace signet::testing {

namespace {

constexpr char kLabel[] = "keyd-test";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

void RunAs(uid_t uid, gid_t gid, const std::vector<gid_t>& groups,
           const std::function<void()>& work) {
  std::thread thread([&] {
    // By the bare calls: those of the C library change every thread of the process.
    if (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0 ||
        ::syscall(SYS_setresgid, gid, gid, gid) != 0 ||
        ::syscall(SYS_setresuid, uid, uid, uid) != 0) {
      ADD_FAILURE() << "this thread cannot become another user";
      return;
    }
    work();
  });
  thread.join();
}

}  // namespace

bool Within(double seconds, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

bool IsRoot() { return ::geteuid() == 0; }

void AsUser(const std::string& user, const std::function<void()>& work) {
  const UserAccount account = FindUser(user).value();
  RunAs(account.uid, account.gid, {}, work);
}

void AsUserInGroup(const std::string& user, const std::string& group,
                   const std::function<void()>& work) {
  RunAs(FindUser(user).value().uid, FindGroup(group).value(), {}, work);
}

KeydWorld::KeydWorld(KeydOptions options, bool start)
    : options_(std::move(options)), program_(BuiltProgram()) {
  ::signal(SIGPIPE, SIG_IGN);  // the client library writes to sockets that nobody reads any more
  // Other users come to the sockets.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  std::filesystem::create_directory(Path("tokens"));
  WriteWhole(Path("softhsm2.conf"), "directories.tokendir = " + Path("tokens") +
                                        "\nobjectstore.backend = file\nlog.level = ERROR\n");
  MustRun({"softhsm2-util", "--init-token", "--free", "--label", kLabel, "--so-pin", "12345678",
           "--pin", kKeydPin},
          {.environment = {{"SOFTHSM2_CONF", Path("softhsm2.conf")}}});
  WriteWhole(Path("pin"), std::string(kKeydPin) + "\n");
  WriteWhole(Path("credential"), "the manager's word\n");
  for (const char* secret : {"pin", "credential"})
    std::filesystem::permissions(Path(secret), std::filesystem::perms(0600));
  std::string config = "[token]\nmodule = \"" + options_.module +
                       "\"\nuri = \"pkcs11:token=" + kLabel +
                       "\"\nsofthsm-config = \"softhsm2.conf\"\n" + "softhsm-tokens = \"tokens\"\n";
  if (options_.pin_file) config += "pin-source = \"file:pin\"\n";
  config +=
      "[keyd]\ndirectory = \"state\"\nsocket = \"keys.sock\"\n"
      "management-socket = \"management.sock\"\ncredential = \"file:credential\"\n";
  if (!options_.user.empty()) config += "management-user = \"root\"\n";
  config += options_.keyd + options_.services;
  WriteWhole(config_file(), Replaced(config, "DIR", folder_.path()));
  std::filesystem::permissions(config_file(), std::filesystem::perms(0644));
  GiveToUser();
  if (start) Start();
}

// All of it belongs to who runs signet-keyd; the test, as root, reads it anyway.
void KeydWorld::GiveToUser() const {
  if (options_.user.empty()) return;
  MustRun({"chown", "-R", options_.user, folder_.path()});
  // The manager, another user, has his own copy of the credential.
  std::filesystem::copy_file(Path("credential"), Path("manager"));
  std::filesystem::permissions(Path("manager"), std::filesystem::perms(0600));
}

KeydWorld::~KeydWorld() {
  manager_.reset();
  if (pid_ > 0) Kill();
  if (::testing::Test::HasFailure()) {
    const std::string log = Log();
    std::cerr << "--- signet-keyd's log ends with\n"
              << log.substr(log.size() > 4000 ? log.size() - 4000 : 0) << "---\n";
  }
}

std::string KeydWorld::BuiltProgram() { return SIGNET_KEYD_PROGRAM; }

std::vector<std::string> KeydWorld::Command() const {
  std::vector<std::string> words;
  if (!options_.user.empty()) {
    const UserAccount account = FindUser(options_.user).value();
    words = {"setpriv",
             "--reuid",
             std::to_string(account.uid),
             "--regid",
             std::to_string(account.gid),
             "--clear-groups",
             "--pdeathsig",
             "SIGKILL"};
  }
  words.insert(words.end(), {program_, "--config", config_file()});
  return words;
}

Environment KeydWorld::Variables() const { return options_.environment; }

void KeydWorld::Start() {
  const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = ::open(Path("out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int log = ::open(Path("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t pid = Spawn(Command(), {.environment = Variables()}, in, out, log);
  for (const int fd : {in, out, log}) ::close(fd);
  Took(pid);
}

void KeydWorld::Took(pid_t pid) {
  pid_ = pid;
  if (WaitReady()) return;
  std::cerr << "signet-keyd is not ready; its log:\n" << Log();
  std::abort();
}

std::size_t KeydWorld::ReadyLines() const {
  const std::string text = ReadWhole(Path("out"));
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool KeydWorld::WaitReady() {
  const bool ready = Within(40, [&] { return ReadyLines() > ready_ || !running(); });
  ready_ = ReadyLines();
  return ready && running();
}

bool KeydWorld::running() const {
  siginfo_t info{};
  return pid_ > 0 &&
         ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

int KeydWorld::Stop() {
  ::kill(pid_, SIGTERM);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void KeydWorld::Kill() {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  pid_ = 0;
}

void KeydWorld::Replace() {
  ::kill(pid_, SIGUSR2);
  if (!WaitReady()) ADD_FAILURE() << "the successor is not ready";
}

Outcome KeydWorld::RunToEnd() const { return RunProgram(Command(), {.environment = Variables()}); }

std::string KeydWorld::credential() const {
  return "file:" + Path(options_.user.empty() ? "credential" : "manager");
}

std::string KeydWorld::Log() const { return ReadWhole(Path("log")); }

std::size_t KeydWorld::StatusNumber(const std::string& name) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stoul(line.substr(name.size()));
  }
  return 0;
}

std::size_t KeydWorld::Descriptors() const {
  std::error_code ignored;
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd", ignored)) {
    count += entry.path().empty() ? 0 : 1;
  }
  return count;
}

std::unique_ptr<hsm::TokenClient> KeydWorld::AnotherManager() const {
  auto client = hsm::TokenClient::Open(
      {kClientModule, management(), credential(), std::string("pkcs11:token=") + kLabel}, *files_);
  if (!client) {
    ADD_FAILURE() << client.error().ToString();
    std::abort();
  }
  return std::move(client).value();
}

hsm::TokenClient& KeydWorld::manager() {
  if (manager_ == nullptr) manager_ = AnotherManager();
  return *manager_;
}

bool KeydWorld::WaitState(hsm::TokenState state, double seconds) {
  return Within(seconds, [&] {
    static_cast<void>(manager().Probe());
    return manager().State() == state;
  });
}

void KeydWorld::MakeKeys(const std::vector<KeyWish>& wishes) {
  std::string input;
  const std::size_t before = view.keys.size();
  for (const KeyWish& wish : wishes) {
    const std::string label = wish.label.empty() ? wish.purpose : wish.label;
    auto key = manager().token().Generate("test:" + label, wish.spec, hsm::KeyPolicy::kFixed);
    if (!key) {
      ADD_FAILURE() << key.error().ToString();
      return;
    }
    const std::string spki = Base64Encode(key.value().spki);
    view.keys.push_back({wish.purpose, wish.services, label, key.value().id, spki, {}});
    input += label + " " + spki + "\n";
  }
  std::istringstream lines(
      MustRun({"/usr/bin/python3", "-W", "ignore", "-B", SIGNET_KEYD_CHAIN}, {.input = input}));
  for (std::size_t i = before; i < view.keys.size(); ++i) {
    std::string line;
    std::getline(lines, line);
    std::istringstream words(line);
    for (std::string word; words >> word;) view.keys[i].certificates.push_back(word);
    EXPECT_EQ(view.keys[i].certificates.size(), 3u);
  }
  Show();
}

const hsm::ViewKey& KeydWorld::Key(const std::string& label) const {
  for (const hsm::ViewKey& key : view.keys) {
    if (key.label == label) return key;
  }
  ADD_FAILURE() << "no key " << label;
  std::abort();
}

void KeydWorld::Show() {
  const Status shown = manager().Show(view);
  EXPECT_TRUE(shown) << shown.error().ToString();
}

std::string KeydWorld::TokenTool(const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = {"pkcs11-tool",   "--module", "/usr/lib/softhsm/libsofthsm2.so",
                                    "--token-label", kLabel,     "--login",
                                    "--pin",         kKeydPin};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return MustRun(words, {.environment = {{"SOFTHSM2_CONF", Path("softhsm2.conf")}}});
}

std::string KeydWorld::TokenDigest() const {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("tokens"))) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  std::string all;
  for (const std::string& file : files) all += file + " " + Sha256Hex(ReadWhole(file)) + "\n";
  return all;
}

}  // namespace signet::testing
