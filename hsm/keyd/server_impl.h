// What the parts of AgentServer share (server*.cc alone).
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hsm/keyd/server.h"

namespace signet::hsm {

inline constexpr Duration kTick = std::chrono::milliseconds(250);

// The kernel's word on a connection.
bool PeerOf(int descriptor, AgentPeer& peer);
// What tells this connection from every other on this machine, as long as it lives.
std::uint64_t NonceOf(int descriptor);

struct AgentServer::Impl {
  struct Watched {  // what an epoll event leads to
    enum class Kind : std::uint8_t { kClient, kListener, kWake } kind;
  };
  struct Door : Watched {
    Door(AgentSocket given, UnixSocketFile file_in)
        : Watched{Kind::kListener}, socket(std::move(given)), file(std::move(file_in)) {}
    const AgentSocket socket;
    UnixSocketFile file;
    std::atomic<bool> paused{false};  // out of descriptors: the watchdog opens it again
  };
  struct Client : Watched {
    Client(AgentBackend& backend, AgentPeer peer, AgentGrant grant, bool management, int fd_in)
        : Watched{Kind::kClient},
          fd(fd_in),
          connection(backend, std::move(peer), std::move(grant), management, NonceOf(fd_in)) {
      const int on = 1;  // the kernel notes who writes
      setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    }
    const int fd;
    std::size_t slot = Survival::kSlots;
    bool kept = false;  // a slot was asked for; there may be none
    AgentConnection connection;
    WipedString in;
    std::string out;
    std::size_t sent = 0;
    SteadyTime greet_until{};                     // C_Initialize must have come by then
    SteadyTime reading_since{}, writing_since{};  // a message of which a part is missing; {}: none
    bool watched = false;                         // known to epoll, since it was first put down
    std::size_t held = 0;                         // its part of Impl::held
    std::atomic<std::int64_t> deadline{0};        // steady clock; 0: none
  };
  struct Worker {
    std::mutex mutex;
    Client* client = nullptr;  // that a call into the token is under way for
    SteadyTime since{};
    Duration limit{};
    bool is_long = false;
    std::atomic<bool> left_behind{false};
    std::thread thread;
    std::atomic<bool> ended{false};
  };

  Impl(AgentBackend& backend_in, const AgentAccess& access_in, uid_t manager_in,
       AgentLimits limits_in, Survival& survival_in)
      : backend(backend_in),
        access(access_in),
        manager(manager_in),
        limits(limits_in),
        survival(survival_in) {}

  AgentBackend& backend;
  const AgentAccess& access;
  const uid_t manager;
  const AgentLimits limits;
  Survival& survival;
  int epoll = -1, wake = -1;
  Watched wake_tag{Watched::Kind::kWake};
  std::atomic<bool> stopping{false};
  std::vector<std::unique_ptr<Door>> doors;
  std::atomic<std::size_t> held{0};         // octets of clients at rest
  std::atomic<std::size_t> left_behind{0};  // threads that did not come back from the token yet

  mutable std::mutex mutex;  // guards what follows
  std::unordered_map<Client*, std::unique_ptr<Client>> clients;
  std::map<uid_t, std::size_t> per_uid;
  std::vector<std::unique_ptr<Worker>> workers;
  // By all that a grant depends on: who runs with another group is somebody else.
  std::map<std::tuple<uid_t, gid_t, std::string>, std::pair<SteadyTime, AgentGrant>> grants;
  SteadyTime last_refusal{};

  std::thread watchdog;
  std::condition_variable tick;

  // Accepting (server_doors.cc).
  void Accept(Door& door);
  void OpenDoor(Door& door, int operation);
  const AgentSocket* SocketAt(const std::string& path) const;
  void Admit(Door& door, int descriptor);
  AgentGrant GrantOf(const AgentPeer& peer);
  void Refuse(int descriptor, const AgentPeer& peer, const std::string& why);
  void NoteRefusal(const AgentPeer& peer, const std::string& why);
  Client* Insert(std::unique_ptr<Client> client);
  void Close(Client& client);

  // Serving.
  void StartWorker();
  void Work(Worker& self);
  void Serve(Worker& self, Client& client, char* scratch);
  bool RunJob(Worker& self, Client& client, AgentConnection::Step& step);
  enum class Received : std::uint8_t { kSome, kNothing, kGone };
  Received Receive(Client& client, char* scratch);
  enum class Flushed : std::uint8_t { kAll, kBlocked, kGone };
  static Flushed Flush(Client& client);
  // Gives a client back: until it can be read from, or written to; `again` when it has sent
  // something that nobody looked at yet.
  enum class Rest : std::uint8_t { kIdle, kBlocked, kAgain };
  void PutDown(Client& client, Rest rest);

  // Watching (server_watch.cc).
  void Watch();
  void CheckWorkers();
  void AnswerFor(Worker& worker);
  void CheckDeadlines();
  void CheckDoors();
  bool ChangeUnderWay();
};

}  // namespace signet::hsm
