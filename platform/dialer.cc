#include "platform/dialer.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

using std::chrono::steady_clock;

constexpr int kMaxLookups = 8;            // threads inside the C library's resolver; others wait
constexpr std::size_t kMaxAddresses = 8;  // of one host; more would only share the time out

constexpr long kLook = 500;  // milliseconds between two looks whether the process ends
std::atomic<bool> ends{false};

// Waits for `events`. Errors of the descriptor count as ready: the next call reports them.
bool WaitFor(int fd, short events, SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0 || ends) return false;
    pollfd poll_fd{fd, events, 0};
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(std::min(left, kLook)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;
  }
}

// One question to the resolver. Shared with the thread that asks, which may outlive the asker.
struct Lookup {
  std::string host;
  std::mutex mutex;
  std::condition_variable ready;
  bool done = false;
  int code = 0;
  std::vector<IpAddress> addresses;
};

// Never destroyed: threads that nobody waits for use it until the process is gone.
struct LookupSlots {
  std::mutex mutex;
  std::condition_variable freed;
  int taken = 0;
};
LookupSlots& Slots() {
  static auto& slots = *new LookupSlots;
  return slots;
}

bool TakeSlot(SteadyTime deadline) {
  LookupSlots& slots = Slots();
  std::unique_lock lock(slots.mutex);
  while (slots.taken >= kMaxLookups) {
    if (ends || steady_clock::now() >= deadline) return false;
    slots.freed.wait_until(
        lock, std::min(deadline, steady_clock::now() + std::chrono::milliseconds(kLook)));
  }
  ++slots.taken;
  return true;
}

void FreeSlot() {
  LookupSlots& slots = Slots();
  const std::lock_guard lock(slots.mutex);
  --slots.taken;
  slots.freed.notify_one();
}

void RunLookup(const std::shared_ptr<Lookup>& lookup) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(lookup->host.c_str(), nullptr, &hints, &list);
  {
    const std::lock_guard lock(lookup->mutex);
    lookup->code = code;
    for (const addrinfo* entry = list; code == 0 && entry != nullptr; entry = entry->ai_next) {
      const auto address = AddressOf(*entry->ai_addr);
      if (!address || lookup->addresses.size() == kMaxAddresses) continue;
      if (std::find(lookup->addresses.begin(), lookup->addresses.end(), *address) ==
          lookup->addresses.end()) {
        lookup->addresses.push_back(*address);
      }
    }
    lookup->done = true;
  }
  if (code == 0) ::freeaddrinfo(list);
  lookup->ready.notify_one();
  FreeSlot();
}

// A thread without signals (they belong to the daemon's own threads) that nobody waits for.
bool StartLookup(std::shared_ptr<Lookup> lookup, SteadyTime deadline) {
  if (!TakeSlot(deadline)) return false;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread([lookup = std::move(lookup)] { RunLookup(lookup); }).detach();
  } catch (const std::system_error&) {
    FreeSlot();
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

Error NotFound(Kind kind, const std::string& host, const std::string& problem) {
  return MakeError(kind, "HOST_NOT_FOUND", host + ": " + problem,
                   "Check the spelling and that this machine's name servers know the name "
                   "('getent ahosts " +
                       host + "'), or give the IP address.");
}

Result<std::vector<IpAddress>> Resolve(const std::string& host, SteadyTime deadline) {
  auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  if (!StartLookup(lookup, deadline)) {
    return MakeError(Kind::kExhausted, "RESOLVER_BUSY",
                     host + ": too many questions to the name servers have no answer yet",
                     "Check this machine's name servers (/etc/resolv.conf), then try again, or "
                     "give the IP address.");
  }
  std::unique_lock lock(lookup->mutex);
  const auto until = [&] {
    return std::min(deadline, steady_clock::now() + std::chrono::milliseconds(kLook));
  };
  while (!lookup->done && !ends && steady_clock::now() < deadline)
    lookup->ready.wait_until(lock, until());
  if (!lookup->done) {
    return NotFound(Kind::kTimeout, host, "the name servers do not answer");
  }
  if (lookup->code != 0) {
    return NotFound(Kind::kUnavailable, host, ::gai_strerror(lookup->code));
  }
  if (lookup->addresses.empty()) return NotFound(Kind::kUnavailable, host, "it has no address");
  return lookup->addresses;
}

// errno of the connection, 0 for success.
int ConnectOne(const IpAddress& address, std::uint16_t port, SteadyTime deadline, int& fd) {
  const boost::asio::ip::tcp::endpoint endpoint(address, port);
  fd = ::socket(endpoint.data()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = 0;
  if (::connect(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) error = errno;
  if (error == EINPROGRESS || error == EINTR) {
    socklen_t size = sizeof error;
    if (!WaitFor(fd, POLLOUT, deadline)) {
      error = ETIMEDOUT;
    } else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  if (error != 0) {
    ::close(fd);
    fd = -1;
  }
  return error;
}

struct Attempt {
  IpAddress address;
  int error_number = 0;
};

// A refusal says most about the server, then silence, then what this machine or its routers say.
Error ConnectFailed(const HostPort& target, const std::vector<Attempt>& attempts) {
  std::string detail = target.ToString() + ": ";
  const auto has = [&](int number) {
    return std::any_of(attempts.begin(), attempts.end(),
                       [number](const Attempt& attempt) { return attempt.error_number == number; });
  };
  for (const Attempt& attempt : attempts) {
    if (&attempt != &attempts.front()) detail += "; ";
    detail +=
        attempt.address.to_string() + ": " + std::generic_category().message(attempt.error_number);
  }
  Error error;
  if (has(ECONNREFUSED)) {
    error = MakeError(Kind::kUnavailable, "CONNECTION_REFUSED", std::move(detail),
                      "Check the port, that the service runs there, and firewalls on the way.");
  } else if (has(ETIMEDOUT)) {
    error = MakeError(Kind::kTimeout, "CONNECT_TIMED_OUT", std::move(detail),
                      "Check that the server is up and that firewalls let this machine through "
                      "to that port.");
  } else {
    error = MakeError(Kind::kUnavailable, "HOST_UNREACHABLE", std::move(detail),
                      "Check this machine's routes and network ('ip route get ADDRESS').");
  }
  error.origin = {"errno", static_cast<std::uint64_t>(attempts.back().error_number)};
  return error;
}

}  // namespace

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

Connection::Connection(Connection&& other) noexcept { *this = std::move(other); }

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(fd_, other.fd_);
  address_ = other.address_;
  deadline_ = other.deadline_;
  bytes_read_ = other.bytes_read_;
  limit_ = other.limit_;
  return *this;
}

Connection::Io Connection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!WaitFor(fd_, POLLOUT, deadline_)) return Io::kTimedOut;
    } else if (errno != EINTR) {
      return Io::kEnd;
    }
  }
  return Io::kOk;
}

Connection::Io Connection::Receive(std::string& bytes) {
  std::array<char, 16384> buffer;
  for (;;) {
    // Asked first: a peer that always has one octet more would keep us here for ever.
    if (steady_clock::now() >= deadline_) return Io::kTimedOut;
    if (bytes_read_ >= limit_) return Io::kTooLarge;
    const std::size_t room = std::min(buffer.size(), limit_ - bytes_read_);
    const ssize_t got = ::recv(fd_, buffer.data(), room, 0);
    if (got > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(got));
      bytes_read_ += static_cast<std::size_t>(got);
      return Io::kOk;
    }
    if (got == 0) return Io::kEnd;
    if (errno == EAGAIN) {
      if (!WaitFor(fd_, POLLIN, deadline_)) return Io::kTimedOut;
    } else if (errno != EINTR) {
      return Io::kEnd;
    }
  }
}

Result<Connection> Dial(const HostPort& target, const AddressPolicy& policy, SteadyTime deadline) {
  std::vector<IpAddress> addresses;
  if (target.address) {
    addresses.push_back(*target.address);
  } else {
    SIGNET_TRY(addresses, Resolve(target.host, deadline));
  }
  std::vector<IpAddress> allowed;
  std::optional<Error> refusal;
  for (const IpAddress& address : addresses) {
    if (const Status status = policy.Check(address, target.port); status) {
      allowed.push_back(address);
    } else if (!refusal) {
      refusal = status.error();
    }
  }
  if (allowed.empty()) {
    if (!refusal) return InternalError("a host without address");
    if (!target.address) refusal->detail = target.host + " is " + refusal->detail;
    return *std::move(refusal);
  }
  std::vector<Attempt> attempts;
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    const SteadyTime now = steady_clock::now();
    const auto share = (deadline - now) / static_cast<long>(allowed.size() - i);
    int fd = -1;
    const int error_number = ConnectOne(allowed[i], target.port, now + share, fd);
    if (error_number == 0) return Connection(fd, allowed[i], deadline);
    attempts.push_back({allowed[i], error_number});
  }
  return ConnectFailed(target, attempts);
}

void EndOutgoing() { ends = true; }
bool OutgoingEnds() { return ends; }

}  // namespace signet
