// Reaching another server by TCP: resolution, the address policy, the connection, and octets over
// it, all within one deadline. Blocking, so for a lane; no call outlasts its deadline by more than
// a scheduling delay. Never raises SIGPIPE.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/address_policy.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/host_port.h"

namespace signet {

// An open TCP connection. Owned by one thread.
class Connection {
 public:
  enum class Io : std::uint8_t {
    kOk,
    kEnd,       // the peer closed or reset the connection
    kTimedOut,  // the deadline came
    kTooLarge,  // the peer sent more than AllowBytes allows
  };

  Connection() = default;
  Connection(int fd, IpAddress address, SteadyTime deadline)
      : fd_(fd), address_(address), deadline_(deadline) {}
  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;

  // The numeric address at the other end.
  const IpAddress& address() const { return address_; }
  std::size_t bytes_read() const { return bytes_read_; }
  // The descriptor, non-blocking, for somebody else to read, write and close.
  int Release() { return std::exchange(fd_, -1); }
  // From here on at most `count` octets are read.
  void AllowBytes(std::size_t count) { limit_ = bytes_read_ + count; }

  // Everything, or not kOk.
  Io Send(std::string_view bytes);
  // Appends what is there, one octet at least.
  Io Receive(std::string& bytes);

 private:
  int fd_ = -1;
  IpAddress address_;
  SteadyTime deadline_{};
  std::size_t bytes_read_ = 0;
  std::size_t limit_ = 0;
};

// Connects to the first address of the host that the policy allows and that answers; while there
// are others, one silent address gets only its share of the time. The resolver of the C library
// cannot be stopped: it runs in a thread of its own, which is left behind when the deadline comes
// first (8 such threads at most).
//
// HOST_NOT_FOUND, RESOLVER_BUSY, ADDRESS_NOT_ALLOWED (no address of the host is allowed),
// CONNECTION_REFUSED, CONNECT_TIMED_OUT, HOST_UNREACHABLE.
Result<Connection> Dial(const HostPort& target, const AddressPolicy& policy, SteadyTime deadline);

// This process is about to end: from now on every wait for another machine (here, in libcurl's
// transfers) is over within a second, as if its deadline had come. For good. Thread-safe.
void EndOutgoing();
bool OutgoingEnds();

}  // namespace signet
