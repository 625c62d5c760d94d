// signetd's word to signet-keyd beside PKCS#11 (control_words.h): one connection to the management
// socket, made when it is needed.
#pragma once

#include <sys/types.h>

#include <mutex>
#include <string>
#include <string_view>

#include "platform/clock.h"
#include "platform/json.h"
#include "platform/secret.h"

namespace signet::hsm {

// Thread-safe; calls wait for one another.
class ControlChannel {
 public:
  ControlChannel(std::string socket, const Secret& credential)
      : socket_(std::move(socket)), credential_(credential.Clone()) {}
  ~ControlChannel();
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;

  // The method's result, or its error as signet-keyd gave it. kTokenFailed KEYD_UNREACHABLE when
  // nobody answers within `limit` or refuses the credential. Never sent twice. The octets are wiped
  // from every buffer here.
  Result<json::value> Call(std::string_view method, std::string_view octets, Duration limit);
  // Of who listened when the connection was made; 0: none yet.
  pid_t peer() const;

 private:
  Status Connect();
  void Close();
  Status Exchange(const WipedString& frame, std::string& answer, SteadyTime until);
  Status Fill(char* into, std::size_t size, SteadyTime until);

  const std::string socket_;
  const Secret credential_;
  mutable std::mutex mutex_;
  int fd_ = -1;
  pid_t peer_ = 0;
  std::uint32_t code_ = 1;
};

}  // namespace signet::hsm
