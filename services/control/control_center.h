// The services of this node under control (SPEC S1 to S4): what they are doing, what they serve,
// and which restarts they owe.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/node.h"
#include "keystore/operation.h"
#include "keystore/owed.h"
#include "keystore/snapshot.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/control/driver.h"
#include "services/control/wire_look.h"
#include "services/control_api.h"
#include "services/request_context.h"

namespace signet::services {

// For each service: what its endpoints showed last, and how many changes it has not taken up.
struct ServiceFigures {
  std::vector<WireLook> looks;
  std::size_t owed = 0;
};
using ControlFigures = std::map<std::string, ServiceFigures>;

// What came of telling a service something.
struct Proven {
  Status done = Ok();  // it was carried out, and runs
  std::vector<WireLook> looks;
};

// Thread-safe. What waits for services runs on a lane of its own.
class ControlCenter {
 public:
  struct Parts {
    const keystore::Catalogue& catalogue;
    const keystore::NodeNames& names;
    const Clock& clock;
    keystore::State& state;
    Lane& lane;
    std::function<AddressPolicy()> policy;  // for endpoints, asked each time
  };
  // Something worth telling: kind ("service", "restart.done", "proof", "drift"), a sentence,
  // details.
  using Teller =
      std::function<void(const std::string& kind, std::string text, json::object details)>;

  // Errors of MakeDriver, with the service's name.
  static Result<std::unique_ptr<ControlCenter>> Open(Parts parts,
                                                     std::vector<ControlledService> services,
                                                     const DriverTools& tools, Teller tell);
  ~ControlCenter();

  // In the catalogue's order.
  boost::asio::awaitable<Result<api::Page<api::ServiceInfo>>> List(RequestContext context,
                                                                   api::PageRequest request);
  // Start, stop, restart or reload. A restart also restarts what the catalogue has below the
  // service. What was owed goes when its endpoints were seen to serve what they should.
  // kNotFound SERVICE_UNKNOWN with suggestions, kRefused SERVICE_NOT_CONFIGURED, kConflict
  // SERVICE_BUSY, errors of the driver with the service's last lines.
  boost::asio::awaitable<Result<api::ServiceChange>> Run(
      RequestContext context, std::shared_ptr<keystore::Operation> operation, ServiceVerb verb,
      api::ServiceRequest request);
  // Goes on until Stop: starts the programs that are Signet's own to run, then looks at every
  // endpoint once in an interval. What nobody told us of (a restart by hand, an old certificate) is
  // seen here.
  boost::asio::awaitable<void> Watch(Duration interval);
  void Stop() { stopping_ = true; }
  // Watch has been through all services once.
  bool looked() const { return looked_; }

  // What came to be owed with this state; called for each one.
  void TellOwed(const keystore::Snapshot& now);
  // Of each service under control.
  ControlFigures Figures() const;
  // Warnings of the status: drift, restarts owed.
  std::vector<Finding> Warnings() const;

  // ---- for the change plan; blocking, on the lane

  struct Slot;
  // Null when no configuration names it.
  Slot* Find(const std::string& service) const;
  // Services under control that owe something, in the catalogue's order.
  std::vector<Slot*> Owing() const;
  static const ControlledService& ConfigOf(const Slot& slot);
  std::vector<keystore::OwedRecord> OwedOf(const Slot& slot) const;
  Result<ServiceLook> Look(Slot& slot);
  // Carries it out and waits until the service runs, looks until all is current or the limit is
  // over, and once more a moment later: some die a second after they came.
  // Somebody else who acts on it is waited for as long as `patience`, then kConflict SERVICE_BUSY.
  Proven DoAndProve(Slot& slot, ServiceVerb verb, Duration patience);
  // Looks until all is current or the limit is over.
  std::vector<WireLook> Prove(Slot& slot);
  std::vector<WireLook> LookNow(Slot& slot);
  std::vector<std::string> LastLines(Slot& slot) const;
  Status Settle(Slot& slot, const std::vector<keystore::OwedRecord>& done);

 private:
  explicit ControlCenter(Parts parts, Teller tell);
  api::ServiceInfo Describe(const keystore::Service& row) const;
  api::ServiceChange RunNow(Slot& slot, ServiceVerb verb, Status& failed);
  struct Leaver;
  Status Act(Slot& slot, ServiceVerb verb);
  Status StillRuns(Slot& slot);
  std::vector<WireLook> LookOnce(Slot& slot, Duration limit);
  static std::vector<keystore::OwedRecord> Evident(Slot& slot,
                                                   const std::vector<keystore::OwedRecord>& owed,
                                                   const std::vector<WireLook>& looks);
  void LookAt(Slot& slot);
  boost::asio::awaitable<void> Each(std::function<void(Slot&)> work);
  void Remember(Slot& slot, std::vector<WireLook> looks);

  Parts parts_;
  Teller tell_;
  keystore::Owed owed_;
  std::vector<std::unique_ptr<Slot>> slots_;  // in the catalogue's order
  std::atomic<bool> stopping_{false}, looked_{false};
  std::atomic<bool> wanted_{false};  // a look, before its time
  std::mutex told_mutex_;
  std::map<std::string, std::string> told_;  // operation by OwedName
};

// All of them current.
bool AllCurrent(const std::vector<WireLook>& looks);
api::ServiceProof ProofOf(const std::string& service, const WireLook& look);

}  // namespace signet::services
