// signet-keyd without its main: the token's owner, the view that services have of it, and the
// sockets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hsm/keyd/agent_config.h"
#include "platform/clock.h"
#include "platform/files.h"

namespace signet::hsm {

// One thread. Construction takes over what a predecessor left, if there is one.
class Agent {
 public:
  // kConflict ALREADY_RUNNING, SOCKET_IN_USE; errors of the configuration and of the module. A
  // token that is missing, locked or broken is a state.
  static Result<std::unique_ptr<Agent>> Start(AgentConfig config, FileSystem& files, Clock& clock);
  ~Agent();
  // Whether Start could do with this configuration, as far as that can be told without the token
  // and its sockets: users, credential, URI, module, the count of wrong PINs.
  static Status Check(const AgentConfig& config, FileSystem& files);

  // Ends what is under way. False when a call into the token hangs: then the process must end
  // without destroying this.
  bool Stop();
  // Stop, then this process becomes `program` with `arguments`, which goes on with the sockets,
  // their clients and the login. Ends the log first. Returns only when that failed, with everything
  // stopped.
  Error BecomeSuccessor(const std::string& program, const std::vector<std::string>& arguments);

  TokenInfo Info() const;

 private:
  struct Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::hsm
