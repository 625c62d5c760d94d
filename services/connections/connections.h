// Long-lived connections of this node's services (SPEC R4): their peers' certificates are checked
// again and again, and what fails is closed.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/trust.h"
#include "platform/address_policy.h"
#include "platform/lanes.h"
#include "services/change_runner.h"
#include "services/connection_api.h"
#include "services/connections/connection.h"
#include "services/events.h"
#include "services/request_context.h"
#include "services/trust_mark.h"

namespace signet::keystore {
class NodeLog;
}

namespace signet::services {

class Revocation;

inline constexpr std::size_t kMaxConnections = 10'000;
inline constexpr std::size_t kMaxConnectionsOfOne = 5'000;  // of who registers them

// Thread-safe. What waits for peers and commands runs on `lane`.
class Connections {
 public:
  struct Parts {
    const keystore::Catalogue& catalogue;
    const Clock& clock;
    keystore::State& state;
    keystore::Trust& trust;  // settings
    keystore::NodeLog& log;  // registrations survive in it
    ChangeRunner& changes;
    Events& events;
    Revocation& revocation;
    Lane& lane;
    Lane& store_lane;
    std::vector<WatchedConnection> watched;
    std::function<AddressPolicy()> policy;  // for probes, asked each time
    std::string helper;                     // signet-run
  };
  explicit Connections(Parts parts);

  Result<api::Page<api::ConnectionInfo>> List(const api::PageRequest& request) const;
  // Checked at once. One that fails is registered all the same, and its state says so. kUsage
  // CONNECTION_KIND_UNKNOWN, CONNECTION_ID_INVALID, CONNECTION_ID_RESERVED, PEER_INVALID; kNotFound
  // TRUST_STORE_UNKNOWN; kDenied CONNECTION_OF_ANOTHER; kExhausted TOO_MANY_CONNECTIONS; those of
  // x509::ReadCertificates.
  boost::asio::awaitable<Result<api::ConnectionRegistered>> Register(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::ConnectionRegisterRequest request);
  // kNotFound CONNECTION_UNKNOWN; kDenied CONNECTION_OF_ANOTHER; kRefused CONNECTION_PROBED.
  boost::asio::awaitable<Result<api::Change>> Remove(RequestContext context,
                                                     std::shared_ptr<keystore::Operation> operation,
                                                     api::IdRequest request);
  // All of them now, whatever the settings, responders asked anew, and closes what fails.
  boost::asio::awaitable<Result<api::ConnectionCheck>> Check(
      RequestContext context, std::shared_ptr<keystore::Operation> operation);

  // Looks every few seconds whether a check is due, until Stop.
  boost::asio::awaitable<void> Watch();
  boost::asio::awaitable<void> Tick();
  void Stop() { stopping_ = true; }

  // CONNECTION_FAILS (errors), PROBE_FAILED (warnings).
  Findings Warnings() const;
  // Connections by kind, then by state.
  std::map<std::string, std::map<std::string, std::size_t>> Figures() const;

 private:
  struct Round {
    std::map<std::string, std::shared_ptr<const Connection>> found;  // by id
    std::size_t failing = 0, unknown = 0, closed = 0;
    std::vector<std::string> told;  // what was closed, for people
  };
  using Held = std::map<std::string, std::shared_ptr<const Connection>>;  // by id
  using Found = std::map<std::string, std::shared_ptr<Connection>>;
  Held Now() const;
  // Blocks. Judges all, and notes the verdicts; what fails is to be closed.
  enum class Due : std::uint8_t { kNo, kChanged, kAgain, kTime };
  // kConflict CHECK_RUNS, kUnavailable SHUTTING_DOWN.
  Result<Round> CheckAll(Due why, std::chrono::seconds patience);
  Findings FindProbed(const Held& before, Found& found) const;
  void JudgeAll(const std::vector<std::shared_ptr<Connection>>& connections, bool anew) const;
  void Publish(const Held& before, const Found& found, Findings failed, TrustMark mark, Due why);
  void CloseFailing(Round& round);
  std::string Close(const Connection& connection, SteadyTime until, Round& round) const;
  Due IsDue() const;
  std::string StoreOf(const std::string& kind) const;
  bool IsProbes(const std::string& id) const;
  Result<Connection> Read(const RequestContext& context,
                          const api::ConnectionRegisterRequest& request) const;

  Parts parts_;
  std::atomic<bool> stopping_{false};
  std::mutex rounds_;         // one at a time
  std::mutex turn_;           // who changes what is registered
  mutable std::mutex mutex_;  // never held while the disk is waited for
  Held held_;
  Findings probes_;  // that failed
  std::optional<WallTime> checked_;
  // What failed, or nobody told of, and in how many looks at the same in a row.
  std::set<std::string> troubled_;
  unsigned again_ = 0;
  TrustMark seen_ = 0;
};

}  // namespace signet::services
