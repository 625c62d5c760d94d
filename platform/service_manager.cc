#include "platform/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace signet {
namespace {

constexpr char kSocket[] = "NOTIFY_SOCKET";
constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

std::string_view Variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

int NumberOf(const char* name) {
  const std::string_view text = Variable(name);
  int number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

bool HasServiceManager() { return std::getenv(kSocket) != nullptr; }

void NotifyServiceManager(std::string_view state, int descriptor) {
  const std::string_view path = Variable(kSocket);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // '@' begins a name in the abstract name space.
  if (path.size() < 2 || path.size() >= sizeof address.sun_path) return;
  if (path.front() != '/' && path.front() != '@') return;
  path.copy(address.sun_path, path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  iovec text{const_cast<char*>(state.data()), state.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
  close(socket);
}

std::vector<std::pair<std::string, int>> TakeInheritedDescriptors() {
  std::vector<std::pair<std::string, int>> taken;
  std::string_view names = Variable("LISTEN_FDNAMES");
  const int count = NumberOf("LISTEN_PID") == getpid() ? NumberOf("LISTEN_FDS") : 0;
  for (int i = 0; i < count; ++i) {
    const std::size_t end = names.find(':');
    // The variable may hold less than there is: then the rest has no name.
    if (fcntl(kFirst + i, F_SETFD, FD_CLOEXEC) == 0)
      taken.emplace_back(names.substr(0, end), kFirst + i);
    names = end == std::string_view::npos ? std::string_view() : names.substr(end + 1);
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  return taken;
}

}  // namespace signet
