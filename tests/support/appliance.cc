#include "tests/support/appliance.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace signet::testing {

namespace {

constexpr Seconds kStartLimit(60);
constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";

// SIGNET_E2E_BIN names a folder of executables to test in place of those just built (an installed
// one).
std::string Program(const char* name, const char* built) {
  const char* folder = std::getenv("SIGNET_E2E_BIN");
  return folder == nullptr ? std::string(built) : std::string(folder) + "/" + name;
}
std::string Daemon() { return Program("signetd", SIGNETD_PROGRAM); }

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

json::object DataOf(const json::object& error) {
  const json::value* data = error.if_contains("data");
  json::object out = data != nullptr && data->is_object() ? data->get_object() : json::object();
  out["rpcCode"] = error.at("code");
  return out;
}

// Copies the folder of a first boot that is over, made once per build of the daemon.
void CopyPrepared(const std::string& product, const std::string& to) {
  struct stat daemon {};
  if (::stat(Daemon().c_str(), &daemon) != 0) std::abort();
  const std::string cache = SIGNET_E2E_CACHE;
  std::filesystem::create_directories(cache);
  const std::string ready = cache + "/" + product + "-" + std::to_string(daemon.st_mtim.tv_sec) +
                            "-" + std::to_string(daemon.st_size);
  const int lock =
      ::open((cache + "/" + product + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0 || ::flock(lock, LOCK_EX) != 0) std::abort();
  if (!std::filesystem::exists(ready)) {
    for (const auto& old : std::filesystem::directory_iterator(cache)) {
      if (old.is_directory() && old.path().filename().string().starts_with(product + "-"))
        std::filesystem::remove_all(old.path());
    }
    Appliance fresh({product, false, {}});
    fresh.StartAndWait();
    EXPECT_EQ(fresh.Stop(), 0);
    for (const char* name : {"signetd.sock", "keys.sock", "keyd.sock"})
      std::filesystem::remove(fresh.Path(name));
    MustRun({"cp", "-a", fresh.folder(), ready + ".new"});
    std::filesystem::rename(ready + ".new", ready);
  }
  MustRun({"cp", "-a", ready, to});
  ::close(lock);
}

int Connect(const std::string& path, Seconds limit) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  const timeval patience{static_cast<time_t>(limit.count()), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

int ExitCodeOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string Answer::Text(const char* member) const {
  if (!result.is_object()) return {};
  const json::value* found = result.get_object().if_contains(member);
  return found != nullptr && found->is_string() ? std::string(View(found->get_string())) : "";
}

std::string Answer::word() const {
  if (status == 0) return "NO_ANSWER";
  const json::value* code = error.if_contains("code");
  return code != nullptr && code->is_string() ? std::string(View(code->get_string())) : "";
}

Appliance::Appliance(ApplianceOptions options) : options_(std::move(options)) {
  folder_ = scratch_ / "d";
  if (options_.prepared) CopyPrepared(options_.product, folder_);
  if (!options_.installed) return;
  std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
  const Installation::Programs programs{
      Daemon(), Daemon().substr(0, Daemon().rfind('/') + 1) + "signet-keyd"};
  installation_ = std::make_unique<Installation>(folder_, programs, options_.config);
}

Appliance::~Appliance() {
  if (running()) Kill();
  if (::testing::Test::HasFailure()) {
    const std::string log = ReadWhole(log_file());
    std::cerr << "--- the daemon's log ends with\n"
              << log.substr(log.size() > 4000 ? log.size() - 4000 : 0) << "---\n";
    if (installation_ != nullptr) std::cerr << "--- signet-keyd said\n" << installation_->KeydLog();
  }
  KillKeyd();
}

std::string Appliance::socket() const {
  return installation_ == nullptr ? Path("signetd.sock") : installation_->Socket();
}

std::string Appliance::keys() const {
  return installation_ == nullptr ? Path("keys.sock") : installation_->KeySocket();
}

std::vector<std::string> Appliance::Command() const {
  if (installation_ != nullptr) return installation_->DaemonCommand();
  return {Daemon(), "--dev", folder_, "--product", options_.product};
}

CommandOptions Appliance::Options(const Environment& extra) const {
  CommandOptions options;
  options.environment = options_.environment;
  if (installation_ != nullptr) options.environment.merge(installation_->DaemonEnvironment());
  for (const auto& [name, value] : extra) options.environment[name] = value;
  return options;
}

void Appliance::Start(const Environment& extra) {
  if (installation_ != nullptr) installation_->StartKeyd();
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) std::abort();
  const int log = ::open(log_file().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = Spawn(Command(), Options(extra), nothing, ready[1], log);
  ::close(ready[1]);
  ::close(log);
  ::close(nothing);
  std::string line;
  const auto end = std::chrono::steady_clock::now() + kStartLimit;
  while (line.find('\n') == std::string::npos && std::chrono::steady_clock::now() < end) {
    pollfd wait{ready[0], POLLIN, 0};
    if (::poll(&wait, 1, 1000) <= 0) continue;
    char buffer[1024];
    const ssize_t got = ::read(ready[0], buffer, sizeof buffer);
    if (got <= 0) break;
    line.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ready[0]);
  if (!line.starts_with("{\"ready\":true")) {
    const std::optional<int> code = WaitForEnd(Seconds(1));
    if (!code) Kill();
    throw std::runtime_error("the daemon did not get ready: '" + line + "', exit code " +
                             std::to_string(code.value_or(-1)));
  }
  url_ = json::value_to<std::string>(json::parse(line).at("url"));
}

Seconds Appliance::StartAndWait(const Environment& extra) {
  const auto start = std::chrono::steady_clock::now();
  Start(extra);
  EXPECT_TRUE(WaitReady()) << "not ready: " << Rpc("status.show").result;
  return std::chrono::steady_clock::now() - start;
}

int Appliance::Stop() {
  if (!running()) return -1;
  ::kill(pid_, SIGTERM);
  const std::optional<int> code = WaitForEnd(Seconds(30));
  if (code) return *code;
  ADD_FAILURE() << "the daemon does not end on SIGTERM";
  Kill();
  return -1;
}

void Appliance::Kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

pid_t Appliance::keyd() const {
  if (installation_ != nullptr) return installation_->keyd();
  const int fd = Connect(Path("keyd.sock"), Seconds(5));
  if (fd < 0) return 0;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  ::close(fd);
  return credentials.pid;
}

void Appliance::KillKeyd() const {
  if (installation_ != nullptr) return installation_->KillKeyd();
  const pid_t pid = keyd();
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  // It is this process's child or nobody's.
  EXPECT_TRUE(Eventually([&] { return ::waitpid(pid, nullptr, WNOHANG) == pid || keyd() != pid; },
                         Seconds(10)));
}

std::optional<int> Appliance::WaitForEnd(Seconds limit) {
  int status = 0;
  if (!Eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, limit)) {
    return std::nullopt;
  }
  pid_ = 0;
  return ExitCodeOf(status);
}

Outcome Appliance::RunToEnd(const Environment& extra) const {
  std::vector<std::string> command = Command();
  command.insert(command.begin(), {"timeout", "-s", "KILL", "20"});
  return RunProgram(command, Options(extra));
}

void Appliance::EditConfig(const std::string& from, const std::string& to) const {
  std::string text = ReadWhole(Path("signet.toml"));
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << text;
  WriteWhole(Path("signet.toml"), text.replace(at, from.size(), to));
}

std::string Appliance::Request(const std::string& head, const std::string& body,
                               Seconds limit) const {
  const int fd = Connect(socket(), limit);
  if (fd < 0) return {};
  const std::string request = head + " HTTP/1.1\r\nHost: signet\r\nConnection: close\r\n" +
                              (body.empty() ? std::string()
                                            : "Content-Type: application/json\r\nContent-Length: " +
                                                  std::to_string(body.size()) + "\r\n") +
                              "\r\n" + body;
  std::string answer;
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
      static_cast<ssize_t>(request.size())) {
    char buffer[65536];
    for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return answer;
}

std::pair<int, std::string> Appliance::Get(const std::string& path) const {
  const std::string answer = Request("GET " + path, "", Seconds(10));
  const std::size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return {0, ""};
  return {std::stoi(answer.substr(9, 3)), answer.substr(body + 4)};
}

Answer Appliance::Rpc(const std::string& method, json::object params, Seconds limit) const {
  const json::object call = {
      {"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", std::move(params)}};
  const std::string text = Request("POST /rpc", json::serialize(call), limit);
  Answer answer;
  const std::size_t body = text.find("\r\n\r\n");
  if (body == std::string::npos) return answer;
  boost::system::error_code problem;
  const json::value parsed = json::parse(text.substr(body + 4), problem);
  if (problem || !parsed.is_object()) return answer;
  answer.status = std::stoi(text.substr(9, 3));
  const json::object& object = parsed.get_object();
  if (const json::value* result = object.if_contains("result")) answer.result = *result;
  if (const json::value* error = object.if_contains("error"))
    answer.error = DataOf(error->get_object());
  return answer;
}

json::value Appliance::MustRpc(const std::string& method, json::object params) const {
  Answer answer = Rpc(method, std::move(params));
  EXPECT_TRUE(answer.ok()) << method << ": " << answer.word() << " " << answer.error;
  return std::move(answer.result);
}

json::array Appliance::List(const std::string& method, json::object params) const {
  json::array all;
  for (;;) {
    const json::value page = MustRpc(method, params);
    if (!page.is_object()) return all;
    for (const json::value& item : page.at("items").as_array()) all.push_back(item);
    if (page.at("next").is_null()) return all;
    params["cursor"] = page.at("next");
  }
}

std::string Appliance::State() const { return Rpc("status.show", {}, Seconds(5)).Text("state"); }

std::string Appliance::CliProgram() { return Program("signet", SIGNET_PROGRAM); }

Outcome Appliance::Cli(std::vector<std::string> arguments, const std::string& input) const {
  arguments.insert(arguments.begin(), CliProgram());
  return RunProgram(arguments, {input, scratch_.path(), {{"SIGNET_SOCKET", socket()}}});
}

json::value Appliance::CliJson(std::vector<std::string> arguments, const std::string& input) const {
  const std::vector<std::string> asked = arguments;
  arguments.insert(arguments.begin(), {"--output", "json"});
  const Outcome outcome = Cli(std::move(arguments), input);
  EXPECT_EQ(outcome.code, 0) << ::testing::PrintToString(asked) << outcome.out << outcome.err;
  boost::system::error_code problem;
  json::value value = json::parse(outcome.out, problem);
  EXPECT_FALSE(problem) << outcome.out;
  return value;
}

bool Appliance::WaitReady(Seconds limit) const {
  return Eventually([&] { return Get("/health/ready").first == 200; }, limit);
}

bool Appliance::WaitState(const std::string& state, Seconds limit) const {
  return Eventually([&] { return State() == state; }, limit);
}

std::string Appliance::TokenTool(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {"pkcs11-tool", "--module", kSoftHsm, "--token-label",
                                      "signet",      "--login",  "--pin",  "env:TOKEN_PIN"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return MustRun(command,
                 {"", "", {{"SOFTHSM2_CONF", Path("softhsm2.conf")}, {"TOKEN_PIN", Pin()}}});
}

namespace {
std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size())
    ++count;
  return count;
}
}  // namespace

std::size_t Appliance::PrivateKeysOnToken() const {
  return Count(TokenTool({"--list-objects", "--type", "privkey"}), "Private Key Object");
}

std::size_t Appliance::ObjectsOnToken() const {
  return Count(TokenTool({"--list-objects"}), " Object");
}

std::string Appliance::NodeDatabase(const std::string& query) const {
  return MustRun({"sqlite3", "-cmd", ".timeout 5000", Path("state/node.db"), query});
}

std::vector<std::string> Appliance::ServedChain(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {"openssl", "s_client", "-connect", "127.0.0.1:" + port(),
                                      "-showcerts"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Outcome outcome = RunProgram(command);
  // Its exit code tells how the connection ended; what was presented is told before.
  return CertificatesIn(outcome.out);
}

}  // namespace signet::testing
