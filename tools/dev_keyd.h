// The signet-keyd of an appliance for development: started by signetd, and ended by it.
#pragma once

#include <sys/types.h>

#include <string>

#include "platform/error.h"

namespace signet::tools {

class DevKeyd {
 public:
  // Goes on with the one that serves `management_socket` already (left by a signetd that was
  // killed), or starts `signet-keyd --dev folder`, which lies beside this program, and waits until
  // it is ready. kUnavailable KEYD_NOT_STARTED; what it has to say it says on standard error.
  static Result<DevKeyd> Start(const std::string& folder, const std::string& management_socket);
  DevKeyd(DevKeyd&& other) noexcept;
  DevKeyd& operator=(DevKeyd&&) = delete;
  // Starts another one where it has died. Any thread, one at a time.
  Status Revive();
  // Ends it, waits.
  ~DevKeyd();

 private:
  DevKeyd(std::string folder, std::string socket)
      : folder_(std::move(folder)), socket_(std::move(socket)) {}
  Status Spawn();

  std::string folder_, socket_;
  pid_t pid_ = 0;
  bool is_child_ = false;
};

}  // namespace signet::tools
