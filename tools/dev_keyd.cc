#include "tools/dev_keyd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

namespace signet::tools {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);  // a machine under load makes a token
constexpr auto kEndLimit = std::chrono::seconds(10);

// Of the process that listens there; 0: nobody.
pid_t Listener(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ucred credentials{};
  socklen_t size = sizeof credentials;
  const bool there = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
  close(fd);
  return there ? credentials.pid : 0;
}

Error NotStarted(const std::string& why) {
  return MakeError(Kind::kUnavailable, "KEYD_NOT_STARTED", "signet-keyd did not start: " + why,
                   "Look at what it says above; run 'signet-keyd --dev DIR' by hand.");
}

}  // namespace

Result<DevKeyd> DevKeyd::Start(const std::string& folder, const std::string& management_socket) {
  DevKeyd keyd(folder, management_socket);
  keyd.pid_ = Listener(management_socket);
  if (keyd.pid_ == 0) {
    SIGNET_TRY(keyd.Spawn());
  }
  return keyd;
}

Status DevKeyd::Spawn() {
  std::error_code ignored;
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "signet-keyd";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);  // nothing of ours outlives us in it
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own: what ends signetd from a terminal does not end it before signetd does.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::string name = "signet-keyd", option = "--dev", value = folder_;
  char* arguments[] = {name.data(), option.data(), value.data(), nullptr};
  const int problem =
      posix_spawn(&pid_, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (problem != 0) {
    pid_ = 0;
    return NotStarted(program + ": " + std::strerror(problem));
  }
  is_child_ = true;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (Listener(socket_) == 0) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      return NotStarted("it ended at once");
    }
    if (std::chrono::steady_clock::now() > until) return NotStarted("it is not ready in time");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return Ok();
}

Status DevKeyd::Revive() {
  if (is_child_ && pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
  if (!is_child_ && pid_ > 0 && kill(pid_, 0) != 0) pid_ = 0;
  if (pid_ > 0) return Ok();
  return Spawn();
}

DevKeyd::DevKeyd(DevKeyd&& other) noexcept
    : folder_(std::move(other.folder_)),
      socket_(std::move(other.socket_)),
      pid_(std::exchange(other.pid_, 0)),
      is_child_(other.is_child_) {}

DevKeyd::~DevKeyd() {
  if (pid_ <= 0) return;
  // The descriptor names the process also where its number is used again.
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (handle >= 0 && kill(pid_, SIGTERM) == 0) {
    pollfd end{handle, POLLIN, 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(kEndLimit).count();
    if (poll(&end, 1, static_cast<int>(limit)) == 0) kill(pid_, SIGKILL);
  }
  if (handle >= 0) close(handle);
  if (is_child_) waitpid(pid_, nullptr, 0);
}

}  // namespace signet::tools
