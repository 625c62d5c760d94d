// One run of a command through signet-run (tools/signet_run.cc), which starts it for signetd and
// ends it with all that it started. What supervisor.h and run_once.h stand on; for this folder
// only.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"
#include "platform/run_message.h"

namespace signet {

struct ProcessSpec {
  std::vector<std::string> command;  // stays in the foreground; no slash: looked for in PATH
  std::string directory;             // where it runs; empty: /
  // All that it gets, beside a PATH of the system's folders: nothing of signetd's own.
  std::map<std::string, std::string> environment;
  int reload_signal = SIGHUP;  // 0: it cannot reload
};

// A thread of its own reads what signet-run and the command say until signet-run has ended, which
// is when all that the command started has ended. Thread-safe.
class CommandRun {
 public:
  // Gets standard output and error as they come, on the run's thread, and what was written before
  // an end before that end is known. False: nothing more is wanted, and no more is read.
  using Sink = std::function<bool(std::string_view)>;

  struct State {
    bool running = false;
    pid_t pid = 0;                    // of the command's own process; 0: none
    std::optional<WallTime> started;  // unset: it did not
    std::string ended;                // "exited with 1", "killed by SIGSEGV"; empty: not yet
    bool unread = false;              // the sink wanted no more
  };

  // kUsage PROCESS_SPEC_INVALID, kUnavailable HELPER_NOT_STARTED.
  static Result<std::shared_ptr<CommandRun>> Spawn(const std::string& helper,
                                                   const ProcessSpec& spec, Sink sink);
  CommandRun() = default;
  ~CommandRun();  // kills it
  CommandRun(const CommandRun&) = delete;
  CommandRun& operator=(const CommandRun&) = delete;

  // Until the command runs, or will not: kUnavailable PROCESS_NOT_STARTED, kTimeout PROCESS_SLOW.
  Status AwaitStart(const ProcessSpec& spec, SteadyTime until);
  // Until the command's own process has ended or the sink wants no more; false: not in time.
  bool AwaitEnd(SteadyTime until);
  // Until signet-run has ended; false: not in time.
  bool AwaitOver(SteadyTime until);
  // SIGTERM to all that the command started, after `patience` SIGKILL; false when even that does
  // not end it in some seconds.
  bool Stop(Duration patience);
  // For a signet-run that does not obey: its end ends the command, too.
  void Kill();
  bool Signal(int number) { return SendRunMessage(channel_, RunWord::kSignal, number); }
  State Look() const;

 private:
  void Read();
  bool Drain();
  void Note(const RunMessage& message);
  void End(std::string how);

  int channel_ = -1, output_ = -1;
  pid_t helper_ = 0;
  Sink sink_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  State state_;
  std::optional<RunMessage> failure_;
  bool reaping_ = false, over_ = false;
  std::thread thread_;
};

}  // namespace signet
