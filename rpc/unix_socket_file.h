// The file of a listening Unix socket: made in a directory of our own, never over something
// foreign.
#pragma once

#include <string>

#include "platform/error.h"

namespace signet::rpc {

// Owns a bound and listening socket's file and its lock `<path>.lock`, which says that its daemon
// lives. The socket file is removed at the end, the lock file stays (removing it would race).
class UnixSocketFile {
 public:
  // Mode 0660, group `group` when it is not empty. A stale socket of ours (nobody holds the lock,
  // nobody answers) is replaced. kUsage SOCKET_PATH_INVALID; kRefused SOCKET_PATH_UNSAFE (a link, a
  // file, a socket of another user, or a directory that others may write); kConflict SOCKET_IN_USE.
  static Result<UnixSocketFile> Listen(const std::string& path, const std::string& group);

  UnixSocketFile(UnixSocketFile&& other) noexcept;
  UnixSocketFile& operator=(UnixSocketFile&&) = delete;
  ~UnixSocketFile();

  // The listening socket; the caller owns it from now on.
  int Release();

 private:
  UnixSocketFile() = default;
  Status Bind(const std::string& group);

  std::string path_;
  int lock_ = -1, socket_ = -1;
  bool bound_ = false;
  std::uint64_t device_ = 0, inode_ = 0;  // of the file that we made
};

}  // namespace signet::rpc
