#include "platform/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  // close() may report a write error that fsync did not (NFS).
  bool Close() { return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR; }

 private:
  int fd_;
};

Error NotAFile(const std::string& path, std::string_view what) {
  return MakeError(Kind::kRefused, "NOT_A_FILE",
                   "'" + EscapeLine(path) + "' is " + std::string(what) + ", not a regular file",
                   "Name the regular file itself; symbolic links, devices and pipes are refused.");
}

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

bool WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t wrote = ::write(fd, content.data(), content.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

FileInfo::Type TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return FileInfo::Type::kRegular;
  if (S_ISDIR(mode)) return FileInfo::Type::kDirectory;
  if (S_ISLNK(mode)) return FileInfo::Type::kSymlink;
  if (S_ISSOCK(mode)) return FileInfo::Type::kSocket;
  return FileInfo::Type::kOther;
}

Status SyncPath(const std::string& path, int flags) {
  const Descriptor file(::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.ok()) return ErrnoError(errno, "cannot open", path);
  // Never tried again: after a failed fsync the kernel may have dropped the dirty pages, so that a
  // second one would succeed without the data.
  if (::fsync(file.get()) != 0) return ErrnoError(errno, "cannot sync", path);
  return Ok();
}

// Fills the temporary file and brings it to the disk.
Status FillTemporary(int directory, const std::string& name, std::string_view content,
                     std::uint32_t mode, const std::string& path) {
  Descriptor file(::openat(directory, name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.ok()) return ErrnoError(errno, "cannot create a temporary file beside", path);
  if (!WriteAll(file.get(), content)) return ErrnoError(errno, "cannot write", path);
  // After the content, and against the umask: nobody else can open the file while it is half
  // written.
  if (::fchmod(file.get(), mode & 07777u) != 0) {
    return ErrnoError(errno, "cannot set the mode of", path);
  }
  if (::fsync(file.get()) != 0) return ErrnoError(errno, "cannot sync", path);
  if (!file.Close()) return ErrnoError(errno, "cannot close", path);
  return Ok();
}

// Owner before mode: the kernel takes some bits away when a file is given to somebody.
Status GiveTo(int fd, const FileOwner& owner, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoError(errno, "cannot inspect", path);
  const uid_t uid = owner.uid.value_or(::geteuid());
  const gid_t gid = owner.gid.value_or(::getegid());
  if ((info.st_uid != uid || info.st_gid != gid) && ::fchown(fd, uid, gid) != 0) {
    if (errno != EPERM) return ErrnoError(errno, "cannot set the owner of", path);
    return MakeError(Kind::kDenied, "OWNER_REFUSED",
                     "this process may not give '" + EscapeLine(path) + "' to user " +
                         std::to_string(uid) + " and group " + std::to_string(gid),
                     "Name a group that the daemon's user is in, leave the owner out, or run the "
                     "daemon as root or with CAP_CHOWN.");
  }
  if (::fchmod(fd, owner.mode & 07777u) != 0) {
    return ErrnoError(errno, "cannot set the mode of", path);
  }
  return Ok();
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::string> Read(const std::string& path, std::size_t limit) override {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.ok()) {
      if (errno == ELOOP) return NotAFile(path, "a symbolic link");
      if (errno == ENXIO) return NotAFile(path, "a socket or device");
      return ErrnoError(errno, "cannot open", path);
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return ErrnoError(errno, "cannot inspect", path);
    if (!S_ISREG(info.st_mode)) return NotAFile(path, "a directory, device or pipe");

    std::string content;
    std::size_t used = 0;
    content.resize(std::min<std::size_t>(static_cast<std::size_t>(info.st_size), limit) + 1);
    for (;;) {
      const ssize_t got = ::read(file.get(), content.data() + used, content.size() - used);
      if (got < 0) {
        if (errno == EINTR) continue;
        return ErrnoError(errno, "cannot read", path);
      }
      if (got == 0) break;
      used += static_cast<std::size_t>(got);
      if (used > limit) {
        return MakeError(
            Kind::kRefused, "FILE_TOO_LARGE",
            "'" + EscapeLine(path) + "' has more than " + std::to_string(limit) + " bytes",
            "Check that this is the right file.");
      }
      if (used == content.size()) {
        content.resize(std::min(std::max<std::size_t>(used * 2, 4096), limit + 1));
      }
    }
    content.resize(used);
    return content;
  }

  Status WriteAtomic(const std::string& path, std::string_view content,
                     std::uint32_t mode) override {
    const auto [folder, name] = SplitPath(path);
    const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.ok()) return ErrnoError(errno, "cannot open the directory", folder);
    struct stat info {};
    if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(info.st_mode)) {
      return NotAFile(path, S_ISLNK(info.st_mode) ? "a symbolic link" : "something else");
    }
    const std::string temporary = "." + name.substr(0, 200) + "." + RandomHex(8) + ".tmp";
    Status filled = FillTemporary(directory.get(), temporary, content, mode, path);
    if (filled &&
        ::renameat(directory.get(), temporary.c_str(), directory.get(), name.c_str()) != 0) {
      filled = ErrnoError(errno, "cannot replace", path);
    }
    if (!filled) {
      ::unlinkat(directory.get(), temporary.c_str(), 0);
      return filled;
    }
    if (::fsync(directory.get()) != 0) {
      return ErrnoError(errno, "cannot sync the directory", folder);
    }
    return Ok();
  }

  Status SyncFile(const std::string& path) override { return SyncPath(path, O_RDONLY); }
  Status SyncDirectory(const std::string& path) override {
    return SyncPath(path, O_RDONLY | O_DIRECTORY);
  }

  Status MakeDirectory(const std::string& path, std::uint32_t mode) override {
    if (::mkdir(path.c_str(), 0700) == 0) {
      if (::chmod(path.c_str(), mode & 07777u) != 0) {
        return ErrnoError(errno, "cannot set the mode of", path);
      }
      return Ok();
    }
    const int error = errno;
    struct stat info {};
    if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Ok();
    return ErrnoError(error, "cannot make the directory", path);
  }

  Status Remove(const std::string& path) override {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
      if (errno == ENOENT) return Ok();
      return ErrnoError(errno, "cannot inspect", path);
    }
    const int result = S_ISDIR(info.st_mode) ? ::rmdir(path.c_str()) : ::unlink(path.c_str());
    if (result != 0 && errno != ENOENT) return ErrnoError(errno, "cannot remove", path);
    return Ok();
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    if (!directory) return ErrnoError(errno, "cannot open the directory", path);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return ErrnoError(errno, "cannot read the directory", path);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<FileInfo> Info(const std::string& path) override {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return ErrnoError(errno, "cannot inspect", path);
    FileInfo result;
    result.type = TypeOf(info.st_mode);
    result.mode = info.st_mode & 07777u;
    result.uid = info.st_uid;
    result.gid = info.st_gid;
    result.size = static_cast<std::uint64_t>(info.st_size);
    result.modified = std::chrono::sys_time<std::chrono::nanoseconds>(
        std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec));
    return result;
  }

  Status WriteNew(const std::string& path, std::string_view content,
                  const FileOwner& owner) override {
    Descriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.ok()) return ErrnoError(errno, "cannot create", path);
    if (!WriteAll(file.get(), content)) return ErrnoError(errno, "cannot write", path);
    SIGNET_TRY(GiveTo(file.get(), owner, path));
    if (!file.Close()) return ErrnoError(errno, "cannot close", path);
    return Ok();
  }

  Status SetOwner(const std::string& path, const FileOwner& owner) override {
    const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.ok()) return ErrnoError(errno, "cannot open the directory", path);
    return GiveTo(folder.get(), owner, path);
  }

  Status MakeLink(const std::string& target, const std::string& path) override {
    if (::symlink(target.c_str(), path.c_str()) == 0) return Ok();
    return ErrnoError(errno, "cannot make the link", path);
  }

  Result<std::string> ReadLink(const std::string& path) override {
    std::string target(4096, '\0');
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) return ErrnoError(errno, "cannot read the link", path);
    target.resize(static_cast<std::size_t>(size));
    return target;
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::renameat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str()) == 0) return Ok();
    return ErrnoError(errno, "cannot rename to", to);
  }

  Status LinkFile(const std::string& from, const std::string& to) override {
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) == 0) return Ok();
    return ErrnoError(errno, "cannot make another name of", from);
  }

  Status SyncAll(const std::string& folder) override {
    const Descriptor opened(
        ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!opened.ok()) return ErrnoError(errno, "cannot open the directory", folder);
    if (::syncfs(opened.get()) != 0) return ErrnoError(errno, "cannot sync", folder);
    return Ok();
  }
};

}  // namespace

std::unique_ptr<FileSystem> MakeFileSystem() { return std::make_unique<PosixFileSystem>(); }

Status CheckOwnFile(FileSystem& files, const std::string& path, bool secret) {
  SIGNET_TRY(const FileInfo info, files.Info(path));
  const auto refuse = [&](const std::string& problem) {
    return MakeError(Kind::kRefused, "UNSAFE_FILE", "'" + EscapeLine(path) + "' " + problem,
                     secret ? "Own the file yourself and chmod 0600 it."
                            : "Own the file yourself (or root) and chmod go-w it.");
  };
  if (info.type == FileInfo::Type::kSymlink) return refuse("is a symbolic link");
  if (info.uid != 0 && info.uid != ::geteuid()) return refuse("belongs to another user");
  if ((info.mode & 0022u) != 0) return refuse("may be written by others");
  // systemd's credentials are root:root 0440 (the group bits are the mask of an ACL): group root is
  // root.
  const std::uint32_t readers = info.gid == 0 ? 0004u : 0044u;
  if (secret && (info.mode & readers) != 0) return refuse("may be read by others");
  return Ok();
}

Result<FileLock> FileLock::Take(const std::string& path) {
  FileLock lock;
  lock.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock.fd_ < 0) return ErrnoError(errno, "cannot open the lock", path);
  if (flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return ErrnoError(errno, "cannot take the lock", path);
  return MakeError(Kind::kConflict, "ALREADY_RUNNING", "another process holds " + path,
                   "Is signetd running already? Stop it, or give this one a directory of its own.");
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace signet
