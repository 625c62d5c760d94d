// The file system behind one small interface, so that faults can be injected beneath real code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet {

struct FileInfo {
  enum class Type : std::uint8_t {
    kRegular,
    kDirectory,
    kSymlink,
    kSocket,
    kOther
  } type = Type::kOther;
  std::uint32_t mode = 0;  // permission bits
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;
  std::chrono::sys_time<std::chrono::nanoseconds> modified;
};

// Who owns a file or folder, and what its bits are. Unset: the process's own user or group.
struct FileOwner {
  std::optional<std::uint32_t> uid, gid;
  std::uint32_t mode = 0600;
};

// Thread-safe; every path absolute or relative to the process. Errors by ErrnoError.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // A regular file's content, O_NOFOLLOW; more than `limit` bytes is kRefused FILE_TOO_LARGE, not a
  // regular file kRefused NOT_A_FILE.
  virtual Result<std::string> Read(const std::string& path, std::size_t limit = 16u << 20) = 0;
  // Replaces `path` as a whole: temporary file beside it, write, fsync, rename, fsync of the
  // directory. After a crash the old or the new content is there, never a mixture.
  virtual Status WriteAtomic(const std::string& path, std::string_view content,
                             std::uint32_t mode) = 0;
  virtual Status SyncFile(const std::string& path) = 0;       // fsync
  virtual Status SyncDirectory(const std::string& path) = 0;  // fsync
  virtual Status MakeDirectory(const std::string& path,
                               std::uint32_t mode) = 0;  // existing directory is fine
  virtual Status Remove(
      const std::string& path) = 0;  // file, socket or empty directory; absent is fine
  virtual Result<std::vector<std::string>> List(
      const std::string& path) = 0;                            // names, sorted, no . and ..
  virtual Result<FileInfo> Info(const std::string& path) = 0;  // lstat

  // For folders that are made beside the old one and put in its place when they are whole. Nothing
  // here follows a symbolic link at the end of a path.
  // A file that is not there yet. Owner and mode are set when its content is in it; it is not
  // synced. kDenied OWNER_REFUSED when the process may not give files away.
  virtual Status WriteNew(const std::string& path, std::string_view content,
                          const FileOwner& owner) = 0;
  // Of a folder.
  virtual Status SetOwner(const std::string& path, const FileOwner& owner) = 0;
  // A symbolic link that is not there yet.
  virtual Status MakeLink(const std::string& target, const std::string& path) = 0;
  virtual Result<std::string> ReadLink(const std::string& path) = 0;
  // rename(2): replaces a file or link; a folder only when it is empty.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A second name of a regular file (a hard link) that is not there yet.
  virtual Status LinkFile(const std::string& from, const std::string& to) = 0;
  // All of the file system on which the folder lies is on the disk (syncfs): for many files less
  // work than one after the other.
  virtual Status SyncAll(const std::string& folder) = 0;
};

std::unique_ptr<FileSystem> MakeFileSystem();

// An advisory lock on a file (flock), made when absent and held as long as this lives.
class FileLock {
 public:
  // kConflict ALREADY_RUNNING when another process holds it.
  static Result<FileLock> Take(const std::string& path);
  // One that a former program of this process took and left open.
  static FileLock Adopt(int descriptor) {
    FileLock lock;
    lock.fd_ = descriptor;
    return lock;
  }
  int descriptor() const { return fd_; }
  FileLock() = default;
  ~FileLock();
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

 private:
  int fd_ = -1;
};

// Refuses (kRefused UNSAFE_FILE) a file that others than root and this user may write, or
// (`secret`) others may read.
Status CheckOwnFile(FileSystem& files, const std::string& path, bool secret);

}  // namespace signet
