// A service that Signet runs itself, as a child process, where no service manager does: in
// development and in containers. signetd has threads and secrets, so it forks nothing itself:
// signet-run (tools/signet_run.cc) starts the command, and ends it with all that it started when it
// is told to or when signetd is gone.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/command_run.h"
#include "platform/error.h"

namespace signet {

struct ProcessStatus {
  bool running = false;
  pid_t pid = 0;                    // of the command's own process; 0: none
  std::optional<WallTime> started;  // of the present run, else of the last one
  std::string ended;                // "exited with 1", "killed by SIGSEGV"; empty: not yet
  // Standard output and error of that run: at most 50 lines, each escaped and at most 1 KiB.
  std::vector<std::string> last_lines;
};

// Thread-safe; Start and Stop block, so they are called from a lane.
class Supervisor {
 public:
  // `helper_path`: where signet-run lies.
  Supervisor(std::string helper_path, ProcessSpec spec);
  ~Supervisor();  // ends it, with some seconds between SIGTERM and SIGKILL
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Until the command runs, which says nothing of how it goes on; nothing when it runs already.
  // First what a former run left behind must have ended. kUsage PROCESS_SPEC_INVALID, kUnavailable
  // PROCESS_NOT_STARTED or HELPER_NOT_STARTED, kTimeout PROCESS_SLOW.
  Status Start(Duration limit);
  // SIGTERM to all that the command started, after `limit` SIGKILL; fine when it does not run.
  // kTimeout PROCESS_SLOW when even that does not end it.
  Status Stop(Duration limit);
  // kRefused PROCESS_NOT_RUNNING or PROCESS_RELOAD_UNKNOWN.
  Status Reload();
  ProcessStatus Look() const;

 private:
  struct Run;
  std::shared_ptr<Run> Current() const;

  const std::string helper_path_;
  const ProcessSpec spec_;
  std::mutex turn_;  // one Start or Stop at a time
  mutable std::mutex mutex_;
  std::shared_ptr<Run> run_;  // the last one; guarded by mutex_
};

}  // namespace signet
