#include "tools/bench/support.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace signet::tools::bench {

namespace {
using SteadyClock = std::chrono::steady_clock;

std::string OwnFolder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

// Programs that run: a bench that dies ends them too.
std::vector<pid_t>& Running() {
  static std::vector<pid_t> pids;
  return pids;
}

void End(pid_t pid) {
  kill(pid, SIGTERM);
  waitpid(pid, nullptr, 0);
}

}  // namespace

void Die(const std::string& problem) {
  std::fprintf(stderr, "bench: %s\n", problem.c_str());
  for (const pid_t pid : Running()) End(pid);
  std::exit(1);
}

Options ReadOptions(int argc, char** argv, Options options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--large") {
      options.large = true;
      continue;
    }
    const char* value = ++i < argc ? argv[i] : nullptr;
    if (name == "--rounds" && value != nullptr) {
      options.rounds = std::max(1, std::atoi(value));
    } else if (name == "--seconds" && value != nullptr) {
      options.seconds = std::atof(value);
    } else if (name == "--certs" && value != nullptr) {
      options.certs = value;
    } else {
      Die("options are --rounds N and --seconds S, of bench_trust --large and --certs FOLDER too");
    }
  }
  return options;
}

double SecondsOf(const std::function<void()>& work) {
  const auto start = SteadyClock::now();
  work();
  return Seconds(SteadyClock::now() - start).count();
}

double Quantile(std::vector<double> samples, double q) {
  std::sort(samples.begin(), samples.end());
  const double place = q * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (samples[above] - samples[below]) * (place - static_cast<double>(below));
}

void PrintMachine() {
  std::string model = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
  std::array<double, 3> load{};
  if (getloadavg(load.data(), 3) < 0) load = {};
  std::printf("%u cores, %s; load before: %.2f\n\n", std::thread::hardware_concurrency(),
              model.c_str(), load[0]);
}

double Memory(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size())) / 1024;
  }
  Die("no " + name + " of process " + std::to_string(pid));
}

ScratchFolder::ScratchFolder() {
  std::string name = std::filesystem::temp_directory_path() / "signet-bench-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) Die("no scratch folder: " + name);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(std::vector<std::string> arguments, const std::string& log) {
  const std::string beside = OwnFolder() + "/" + arguments[0];
  if (std::filesystem::exists(beside)) arguments[0] = beside;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::array<int, 2> out{};
  if (pipe2(out.data(), O_CLOEXEC) != 0) Die("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0)
    Die("cannot start " + arguments[0]);
  posix_spawn_file_actions_destroy(&actions);
  Running().push_back(pid_);
  close(out[1]);
  out_ = out[0];
}

Program::~Program() {
  close(out_);
  std::erase(Running(), pid_);
  End(pid_);
}

std::string Program::ReadLine() {
  std::string line;
  char c = 0;
  while (read(out_, &c, 1) == 1 && c != '\n') line.push_back(c);
  return line;
}

Connection::Connection(const std::string& socket) : buffer_(65536, '\0') {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) Die("the socket's path is too long: " + socket);
  std::memcpy(address.sun_path, socket.c_str(), socket.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    Die("cannot connect to " + socket + ": " + std::strerror(errno));
}

Connection::~Connection() {
  if (fd_ >= 0) close(fd_);
}

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

void Connection::Send(std::string_view request) {
  body_ = 0;
  const ssize_t sent = send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) Die("a request was not taken");
}

bool Connection::Receive() {
  const ssize_t count = read(fd_, buffer_.data() + filled_, buffer_.size() - filled_);
  if (count <= 0) Die("the server closed the connection");
  filled_ += static_cast<std::size_t>(count);
  const std::string_view text(buffer_.data(), filled_);
  if (body_ == 0) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    const std::size_t at = text.find("Content-Length: ");
    if (!text.starts_with("HTTP/1.1 200") || at > end) Die("answer: " + std::string(text));
    std::from_chars(text.data() + at + 16, text.data() + end, length_);
    body_ = end + 4;
    if (body_ + length_ > buffer_.size()) buffer_.resize(body_ + length_);
  }
  if (filled_ < body_ + length_) return false;
  filled_ = 0;
  return true;
}

std::string_view Connection::Ask(std::string_view request) {
  Send(request);
  while (!Receive()) continue;
  return {buffer_.data() + body_, length_};
}

std::string GetRequest(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

std::string RpcRequest(std::string_view method, const json::object& params) {
  json::object call;
  call["jsonrpc"] = "2.0";
  call["id"] = 1;
  call["method"] = method;
  call["params"] = params;
  const std::string body = json::serialize(call);
  return "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

json::value Call(Connection& connection, std::string_view method, const json::object& params) {
  const std::string_view body = connection.Ask(RpcRequest(method, params));
  const json::value answer = json::parse({body.data(), body.size()});
  const json::value* result = answer.as_object().if_contains("result");
  if (result == nullptr) Die(std::string(body));
  return *result;
}

double Rate(const std::string& socket, const std::string& request, int in_flight, double seconds) {
  std::vector<Connection> connections;
  connections.reserve(static_cast<std::size_t>(in_flight));
  for (int i = 0; i < in_flight; ++i) connections.emplace_back(socket);
  // The first answer says whether this is measured at all, and warms up.
  for (Connection& connection : connections) {
    const std::string_view body = connection.Ask(request);
    if (body.find("\"error\"") != std::string_view::npos) Die(std::string(body));
  }
  const auto start = SteadyClock::now();
  const auto end = start + std::chrono::duration_cast<SteadyClock::duration>(Seconds(seconds));
  std::size_t count = 0;
  auto now = start;
  if (in_flight == 1) {
    for (; now < end; now = SteadyClock::now(), ++count) connections[0].Ask(request);
    return static_cast<double>(count) / Seconds(now - start).count();
  }
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  for (Connection& connection : connections) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(poller, EPOLL_CTL_ADD, connection.fd(), &event);
    connection.Send(request);
  }
  std::array<epoll_event, 64> events{};
  for (; now < end; now = SteadyClock::now()) {
    const int ready = epoll_wait(poller, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!connection.Receive()) continue;
      ++count;
      connection.Send(request);
    }
  }
  close(poller);
  return static_cast<double>(count) / Seconds(now - start).count();
}

Daemon::Daemon(std::string folder)
    : folder_(std::move(folder)),
      socket_(folder_ + "/signetd.sock"),
      program_({"signetd", "--dev", folder_}, folder_ + ".log") {
  const std::string line = program_.ReadLine();
  start_seconds_ = Seconds(SteadyClock::now() - begun_).count();
  if (!line.starts_with("{\"ready\":true")) Die("signetd did not start: see " + folder_ + ".log");
}

void Daemon::WaitUntilReady() const {
  Connection connection(socket_);
  for (int i = 0; i < 1200; ++i) {
    const json::value status = Call(connection, "status.show", {});
    if (status.at("identities") == status.at("identitiesWanted")) return;
    usleep(50'000);
  }
  Die("the first boot does not end");
}

}  // namespace signet::tools::bench
