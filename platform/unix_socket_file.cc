#include "platform/unix_socket_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/users.h"

namespace signet {

namespace {

Error Unsafe(const std::string& path, std::string problem) {
  return MakeError(
      Kind::kRefused, "SOCKET_PATH_UNSAFE", path + " " + std::move(problem),
      "Remove it, or name a socket in a directory that only the daemon's user writes.");
}

Error InUse(const std::string& path) {
  return MakeError(Kind::kConflict, "SOCKET_IN_USE", "another daemon serves " + path,
                   "Stop it first, or give this one another socket.");
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Status CheckDirectory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : path.substr(0, slash);
  struct stat info {};
  if (lstat(directory.c_str(), &info) != 0) return ErrnoError(errno, "lstat", directory);
  if (!S_ISDIR(info.st_mode)) return Unsafe(directory, "is not a directory");
  if (info.st_uid != geteuid() && info.st_uid != 0)
    return Unsafe(directory, "belongs to another user");
  if ((info.st_mode & S_IWOTH) != 0) return Unsafe(directory, "may be written by everybody");
  return Ok();
}

Result<int> TakeLock(const std::string& path) {
  const std::string name = path + ".lock";
  const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0 && errno == ELOOP) return Unsafe(name, "is a symbolic link");
  if (fd < 0) return ErrnoError(errno, "open", name);
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid()) {
    close(fd);
    return Unsafe(name, "is not a lock file of this user");
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int problem = errno;
    close(fd);
    if (problem == EWOULDBLOCK) return InUse(path);
    return ErrnoError(problem, "flock", name);
  }
  return fd;
}

// With the lock in hand: what stands at `path` may be our own stale socket and nothing else.
Status ClearStale(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return Ok();
    return ErrnoError(errno, "lstat", path);
  }
  if (S_ISLNK(info.st_mode)) return Unsafe(path, "is a symbolic link");
  if (!S_ISSOCK(info.st_mode)) return Unsafe(path, "is not a socket");
  if (info.st_uid != geteuid()) return Unsafe(path, "belongs to another user");
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return ErrnoError(errno, "socket", path);
  const sockaddr_un address = AddressOf(path);
  const int connected =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int problem = errno;
  close(probe);
  if (connected == 0 || problem != ECONNREFUSED) return InUse(path);
  if (unlink(path.c_str()) != 0) return ErrnoError(errno, "unlink", path);
  return Ok();
}

}  // namespace

Result<UnixSocketFile> UnixSocketFile::Listen(const std::string& path, const std::string& group,
                                              std::uint32_t mode) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ||
      path.find('\0') != std::string::npos) {
    return MakeError(Kind::kUsage, "SOCKET_PATH_INVALID",
                     "the path of a socket has 1 to 107 bytes: '" + path + "'",
                     "Name a shorter path.");
  }
  SIGNET_TRY(CheckDirectory(path));
  UnixSocketFile file;
  file.path_ = path;
  SIGNET_TRY(file.lock_, TakeLock(path));
  SIGNET_TRY(ClearStale(path));
  SIGNET_TRY(file.Bind(group, mode));
  return file;
}

Status UnixSocketFile::Bind(const std::string& group, std::uint32_t mode) {
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return ErrnoError(errno, "socket", path_);
  const sockaddr_un address = AddressOf(path_);
  // Nobody but this user can connect until mode and group are right.
  const mode_t before = umask(0177);
  const int result = bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int problem = errno;
  umask(before);
  if (result != 0) return ErrnoError(problem, "bind", path_);
  bound_ = true;
  struct stat info {};
  if (lstat(path_.c_str(), &info) != 0) return ErrnoError(errno, "lstat", path_);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  SIGNET_TRY(SetSocketAccess(path_, group, mode));
  if (listen(socket_, 512) != 0) return ErrnoError(errno, "listen", path_);
  return Ok();
}

UnixSocketFile::UnixSocketFile(UnixSocketFile&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      bound_(std::exchange(other.bound_, false)),
      device_(other.device_),
      inode_(other.inode_) {}

UnixSocketFile& UnixSocketFile::operator=(UnixSocketFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  std::swap(socket_, other.socket_);
  std::swap(bound_, other.bound_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

UnixSocketFile::~UnixSocketFile() {
  if (socket_ >= 0) close(socket_);
  struct stat info {};
  if (bound_ && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    unlink(path_.c_str());
  }
  if (lock_ >= 0) close(lock_);
}

Result<UnixSocketFile> UnixSocketFile::Adopt(const std::string& path, int lock, int socket) {
  UnixSocketFile file;
  file.path_ = path;
  file.socket_ = socket;
  file.lock_ = lock;
  if (lock < 0) {
    SIGNET_TRY(file.lock_, TakeLock(path));
  }
  struct stat info {};
  file.bound_ = lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
  file.device_ = info.st_dev;
  file.inode_ = info.st_ino;
  return file;
}

void UnixSocketFile::Leave() {
  bound_ = false;
  socket_ = -1;
  lock_ = -1;
}

int UnixSocketFile::Release() { return std::exchange(socket_, -1); }

Status SetSocketAccess(const std::string& path, const std::string& group, std::uint32_t mode) {
  if (!group.empty()) {
    SIGNET_TRY(const std::uint32_t gid, FindGroup(group));
    if (lchown(path.c_str(), static_cast<uid_t>(-1), gid) != 0)
      return ErrnoError(errno, "chown", path);
  }
  if (chmod(path.c_str(), mode) != 0) return ErrnoError(errno, "chmod", path);
  return Ok();
}

}  // namespace signet
