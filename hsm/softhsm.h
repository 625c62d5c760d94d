// What SoftHSM leaves to its users: fsync.
#pragma once

#include <chrono>
#include <string>

#include "platform/error.h"
#include "platform/files.h"

namespace signet::hsm {

// SoftHSM rewrites object files in place and never syncs them. When its token directory is known, a
// change counts as done only after the files written since its start, and their directories, were
// synced. Thread-safe.
class Durability {
 public:
  using FileTime = std::chrono::sys_time<std::chrono::nanoseconds>;

  // An empty directory: the token cares for itself, Sync does nothing.
  Durability(std::string directory, FileSystem& files)
      : directory_(std::move(directory)), files_(files) {}

  // Before the change: the kernel's time, not an injected clock's, for it is compared with file
  // times.
  static FileTime Mark();
  // A failure is final: a later fsync that succeeds proves nothing about the pages that were lost.
  Status Sync(FileTime since) const;

 private:
  Status SyncTree(const std::string& directory, FileTime since, int depth) const;

  const std::string directory_;
  FileSystem& files_;
};

}  // namespace signet::hsm
