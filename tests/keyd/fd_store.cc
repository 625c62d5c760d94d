#include "tests/keyd/fd_store.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace signet::testing {

namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

}  // namespace

FdStore::FdStore(const std::string& path) : path_(path) {
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  thread_ = std::thread([this] { Run(); });
}

FdStore::~FdStore() {
  stop_ = true;
  thread_.join();
  ::close(socket_);
  for (const auto& [name, descriptor] : kept_) ::close(descriptor);
}

void FdStore::Run() {
  while (!stop_) {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, 20) <= 0) continue;
    char text[4096];
    iovec data{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const std::lock_guard lock(mutex_);
    const ssize_t got = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0) continue;
    std::vector<int> descriptors;
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
         head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
      descriptors.resize((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      std::memcpy(descriptors.data(), CMSG_DATA(head), descriptors.size() * sizeof(int));
    }
    Take(std::string(text, static_cast<std::size_t>(got)), descriptors);
  }
}

bool FdStore::SameFile(int one, int other) {
  struct stat a {
  }, b{};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

void FdStore::Take(const std::string& text, const std::vector<int>& descriptors) {
  std::string name = "stored";
  bool store = false, remove = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("FDNAME=")) name = line.substr(7);
    store = store || line == "FDSTORE=1";
    remove = remove || line == "FDSTOREREMOVE=1";
    if (line == "READY=1") ready_ = true;
  }
  if (remove) {
    std::erase_if(kept_, [&](const auto& entry) {
      if (entry.first != name) return false;
      ::close(entry.second);
      return true;
    });
  }
  for (const int descriptor : descriptors) {
    // As systemd does: a file is kept once.
    const bool known = std::any_of(kept_.begin(), kept_.end(), [&](const auto& entry) {
      return SameFile(entry.second, descriptor);
    });
    if (store && !known) {
      kept_.emplace_back(name, descriptor);
    } else {
      ::close(descriptor);
    }
  }
}

void FdStore::Settle() const {
  pollfd wait{socket_, POLLIN, 0};
  while (::poll(&wait, 1, 0) > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::lock_guard lock(mutex_);  // the last one is taken in
}

std::size_t FdStore::Count(const std::string& prefix) const {
  Settle();
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(kept_.begin(), kept_.end(), [&](const auto& entry) {
    return entry.first.starts_with(prefix);
  }));
}

pid_t FdStore::Start(const std::vector<std::string>& command, const std::string& out,
                     const std::string& log) const {
  Settle();
  const std::lock_guard lock(mutex_);
  std::string names;
  for (const auto& entry : kept_) names += (names.empty() ? "" : ":") + entry.first;
  // Only a shell knows its own process id in time.
  std::vector<std::string> words = {"/bin/sh", "-c", "export LISTEN_PID=$$; exec \"$0\" \"$@\""};
  words.insert(words.end(), command.begin(), command.end());
  std::vector<std::string> variables = {
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET=" + path_,
      "LISTEN_FDS=" + std::to_string(kept_.size()), "LISTEN_FDNAMES=" + names};
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string text = *one;
    if (text.starts_with("ASAN_") || text.starts_with("TSAN_") || text.starts_with("UBSAN_"))
      variables.push_back(text);
  }
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
  };
  const std::vector<char*> argv = pointers(words), envp = pointers(variables);
  const int files[3] = {::open("/dev/null", O_RDONLY | O_CLOEXEC),
                        ::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
                        ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  const pid_t child = ::fork();
  if (child != 0) {
    for (const int file : files) ::close(file);
    return child;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < 3; ++i) ::dup2(files[i], i);
  int place = kFirst;
  std::vector<int> away;
  // Beyond all of their places.
  const int beyond = kFirst + static_cast<int>(kept_.size());
  for (const auto& entry : kept_) away.push_back(::fcntl(entry.second, F_DUPFD_CLOEXEC, beyond));
  for (const int descriptor : away) ::dup2(descriptor, place++);
  // The client library's sockets are inherited, and would stay open.
  ::close_range(static_cast<unsigned>(place), ~0U, 0);
  ::execve(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

}  // namespace signet::testing
