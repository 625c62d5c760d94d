// The sockets of signet-keyd: threads that share one epoll instance. Whoever takes an event owns
// the connection until it gives it back, answers what it can and calls the token itself: no hop.
//
// A thread that does not come back from the token is left behind by the watchdog, which answers for
// it, takes its connection over and starts another thread in its place.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hsm/keyd/access.h"
#include "hsm/keyd/connection.h"
#include "hsm/keyd/survival.h"
#include "platform/clock.h"
#include "platform/unix_socket_file.h"

namespace signet::hsm {

// A socket that the configuration asks for.
struct AgentSocket {
  std::string path, group;  // group: empty for that of the process
  std::uint32_t mode = 0666;
  std::string service;  // whose; empty: the common one
  bool management = false;
};

// Where a socket is bound, or was accepted; empty when it has no path.
std::string LocalPath(int descriptor);

// Start, Stop and Save on one thread.
class AgentServer {
 public:
  // `manager` alone may use the management socket. `survival` keeps descriptors over a crash.
  AgentServer(AgentBackend& backend, const AgentAccess& access, uid_t manager, AgentLimits limits,
              Survival& survival);
  ~AgentServer();

  void Listen(AgentSocket socket, UnixSocketFile file);
  bool ListensOn(const std::string& path) const;
  Status Start(std::size_t threads);
  // Takes no more work and waits for what is under way; false when a call into the token hangs.
  bool Stop(Duration grace);

  std::size_t Connections() const;
  // So many calls into the token never came back that no more is begun. From any thread.
  static constexpr std::size_t kMostLeftBehind = 8;
  bool IsStuck() const;

  // For a successor of this process, after Stop: sockets and what is known of their clients.
  void Save(wire::Writer& writer);
  // In the successor, before Start: those of `sockets` that a predecessor listened on, and their
  // clients; others end. False when it does not decode; then the rest is lost.
  bool Load(wire::Reader& reader, const std::vector<AgentSocket>& sockets);
  // After a crash: a client's socket, with nothing but what the kernel knows of it.
  void AdoptClient(int descriptor, std::size_t slot);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::hsm
