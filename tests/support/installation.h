// A prepared folder of `signetd --dev` made into what the units of systemd make of an appliance:
// signetd and signet-keyd apart, each by --config as a user of its own that may read nothing of the
// other's, their secrets as credentials, and sockets and published files where services' users
// come.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/running_program.h"

namespace signet::testing {

class Installation {
 public:
  // Users of every Debian that own nothing.
  static constexpr char kDaemonUser[] = "daemon", kKeydUser[] = "games";
  // A group of services that a socket of signet-keyd may be given to.
  static constexpr char kServiceGroup[] = "www-data";
  struct Programs {
    std::string daemon, keyd;
  };

  // Why it cannot be made here; empty when it can.
  static std::string WhyNot();
  // `config` is added to the folder's signet.toml; paths in it are relative to the folder. A socket
  // of a service lies in run/, its files in published/.
  Installation(std::string folder, const Programs& programs, const std::string& config);

  std::string Socket() const { return folder_ + "/run-signet/signetd.sock"; }
  std::string KeySocket() const { return folder_ + "/run/keys.sock"; }
  std::vector<std::string> DaemonCommand() const;
  Environment DaemonEnvironment() const;

  // Starts signet-keyd unless it runs, and waits until it serves.
  void StartKeyd();
  int StopKeyd();   // SIGTERM; the exit code
  void KillKeyd();  // SIGKILL
  pid_t keyd() const { return keyd_ == nullptr ? 0 : keyd_->pid(); }
  std::size_t KeydStarts() const;  // its own and its successors', by what they said
  std::string KeydLog() const { return keyd_ == nullptr ? "" : keyd_->Output(); }

 private:
  void WriteConfig(const std::string& config) const;
  void GiveAway() const;

  const std::string folder_;
  std::unique_ptr<RunningProgram> keyd_;
};

}  // namespace signet::testing
