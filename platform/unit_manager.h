// Units of systemd on this machine, over D-Bus (org.freedesktop.systemd1(5)): their state, and jobs
// that start, stop, restart or reload them. A library of its own, since libsystemd brings
// compression and cryptography libraries that signet-keyd must not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet {

enum class UnitVerb : std::uint8_t { kStart, kStop, kRestart, kReload };

struct UnitStatus {
  std::string load;    // "loaded", "masked", "bad-setting", "error"
  std::string active;  // "active", "reloading", "inactive", "failed", "activating", "deactivating"
  std::string sub;     // the kind's own word: "running", "exited", "auto-restart", …
  std::string result;  // of the last run: "success", "exit-code", "signal", …; empty: has none
  std::optional<WallTime> since;    // of `active`, as 'systemctl status' shows it
  std::optional<WallTime> started;  // the main process, else the unit; the last start once it ended
  std::int64_t main_pid = 0;        // 0: none
  std::string invocation;           // InvocationID in hex; another one with each start
  bool can_reload = false;
};

// A name of systemd.unit(5) with its suffix, of something that can be started: "nginx.service",
// "php@8.service". kUsage UNIT_NAME_INVALID for all else: a template, a pattern, another machine's.
Status CheckUnitName(const std::string& name);

// Thread-safe; blocks, so it is called from a lane. Each call has a connection of its own and ends
// within its limit, however silent the other side is.
class UnitManager {
 public:
  // `bus_address` as D-Bus writes it ("unix:path=/…"), empty: the system bus. `journal_directory`
  // holds *.journal files; empty: the machine's journal.
  explicit UnitManager(std::string bus_address = {}, std::string journal_directory = {});

  // kNotFound UNIT_UNKNOWN without such a unit, kUnavailable BUS_UNAVAILABLE when D-Bus or systemd
  // does not answer in time.
  Result<UnitStatus> Look(const std::string& unit, Duration limit) const;

  // Queues a job in mode "replace" and waits for its end. A restart is one job, never a stop and a
  // start. Besides Look's errors: kUnavailable UNIT_JOB_FAILED with the job's result; kTimeout
  // UNIT_JOB_SLOW (the job goes on); kDenied UNIT_DENIED (D-Bus policy, polkit); kRefused
  // UNIT_VERB_REFUSED (a unit that cannot be reloaded, or is started by others only), UNIT_MASKED;
  // kUnavailable UNIT_BROKEN (its file), UNIT_CALL_FAILED.
  Status Run(UnitVerb verb, const std::string& unit, Duration limit) const;

  // The last lines that the unit wrote to the journal and that systemd wrote about it, oldest
  // first, each escaped to one line of at most 1 KiB. Empty when the journal cannot be read: the
  // user needs the group systemd-journal.
  std::vector<std::string> LastLines(const std::string& unit, std::size_t count) const;

 private:
  std::string bus_address_;
  std::string journal_directory_;
};

}  // namespace signet
