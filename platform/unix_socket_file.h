// The file of a listening Unix socket: made in a directory of our own, never over something
// foreign.
#pragma once

#include <cstdint>
#include <string>

#include "platform/error.h"

namespace signet {

// Owns a bound and listening socket's file and its lock `<path>.lock`, which says that its daemon
// lives. The socket file is removed at the end, the lock file stays (removing it would race).
class UnixSocketFile {
 public:
  // With this mode, group `group` when it is not empty. A stale socket of ours (nobody holds the
  // lock, nobody answers) is replaced. kUsage SOCKET_PATH_INVALID; kRefused SOCKET_PATH_UNSAFE (a
  // link, a file, a socket of another user, or a directory that others may write); kConflict
  // SOCKET_IN_USE.
  static Result<UnixSocketFile> Listen(const std::string& path, const std::string& group,
                                       std::uint32_t mode = 0660);
  // What a former process of the same user left open on purpose: its listening socket and its lock
  // (-1: it is taken anew; kConflict SOCKET_IN_USE).
  static Result<UnixSocketFile> Adopt(const std::string& path, int lock, int socket);

  UnixSocketFile() = default;
  UnixSocketFile(UnixSocketFile&& other) noexcept;
  UnixSocketFile& operator=(UnixSocketFile&& other) noexcept;
  ~UnixSocketFile();

  // The listening socket; the caller owns it from now on.
  int Release();
  int socket() const { return socket_; }
  int lock() const { return lock_; }
  // Descriptors and file stay as they are, for a successor of this process.
  void Leave();

 private:
  Status Bind(const std::string& group, std::uint32_t mode);

  std::string path_;
  int lock_ = -1, socket_ = -1;
  bool bound_ = false;
  std::uint64_t device_ = 0, inode_ = 0;  // of the file that we made
};

// Group (empty: as it is) and mode of a socket's file. kUsage GROUP_UNKNOWN.
Status SetSocketAccess(const std::string& path, const std::string& group, std::uint32_t mode);

}  // namespace signet
