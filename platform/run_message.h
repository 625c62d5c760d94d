// What signetd and signet-run (tools/signet_run.cc) say to each other on a socket pair of
// SOCK_SEQPACKET: one message a packet. The form stays: either program may be the older one.
#pragma once

#include <sys/socket.h>

#include <cstdint>

namespace signet {

enum class RunWord : std::int32_t {
  // To signet-run. The end of the connection is as good as kEnd with the default patience.
  kSignal = 1,  // number: a signal for the command's own process
  kEnd = 2,     // number: milliseconds between SIGTERM and SIGKILL
  // From signet-run.
  kStarted = 11,      // number: the command's process
  kNoDirectory = 12,  // number: errno of chdir
  kNoCommand = 13,    // number: errno of execvp
  kExited = 14,       // number: exit code; signet-run stays until all descendants have ended
  kKilled = 15,       // number: signal
};

struct RunMessage {
  RunWord word;
  std::int32_t number;
};
static_assert(sizeof(RunMessage) == 8);

// How long the command may take to end on SIGTERM when nobody says it.
inline constexpr std::int32_t kRunPatience = 5000;  // milliseconds

// Neither blocks nor raises SIGPIPE; false when nobody is there.
inline bool SendRunMessage(int socket, RunWord word, int number) {
  const RunMessage message{word, number};
  return ::send(socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof message;
}

// 1: a message; 0: the other side has ended; -1: nothing now, or a packet of another form.
inline int ReceiveRunMessage(int socket, RunMessage& message) {
  const ssize_t size = ::recv(socket, &message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);
  if (size == 0) return 0;
  return size == sizeof message ? 1 : -1;
}

}  // namespace signet
