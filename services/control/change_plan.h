// Carrying out the restarts that changes owe, with proof (SPEC B1, B4): in order, each service
// restarted or reloaded, then asked by handshakes whether it serves what it should. Where the proof
// fails, the former identity is put back and proved, too. What was seen is a signed receipt.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "hsm/token_control.h"
#include "keystore/identities.h"
#include "keystore/node.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/changes.h"
#include "services/control/control_center.h"
#include "services/control/receipts.h"
#include "services/control_api.h"

namespace signet::services {

// Thread-safe.
class ChangePlan {
 public:
  struct Parts {
    const keystore::NodeNames& names;
    const Clock& clock;
    keystore::State& state;
    keystore::Identities& identities;
    hsm::TokenControl& token;
    Changes& changes;
    ControlCenter& center;
    Receipts& receipts;
    Lane& change_lane;   // of identities
    Lane& control_lane;  // of services
  };
  ChangePlan(Parts parts, ControlCenter::Teller tell)
      : parts_(std::move(parts)), tell_(std::move(tell)) {}

  // "Cisco Tomcat (1 of 3), operation …" while a plan is carried out, else empty.
  std::string Progress() const;
  // What is owed, in the order in which it would be done. APPLY_IN_PROGRESS while that goes on.
  api::ServicePlan Show() const;
  // Does it. kConflict PLAN_STALE (another plan than `request.plan`), APPLY_IN_PROGRESS. That a
  // service failed is in the answer, not an error: other steps were done.
  boost::asio::awaitable<Result<api::ApplyAnswer>> Apply(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::ApplyRequest request);
  // A plan that a former process of this daemon left: what it had begun goes on. Once, after the
  // token is operational.
  boost::asio::awaitable<void> GoOn();
  // No further step is begun.
  void Stop() { stopping_ = true; }

 private:
  boost::asio::awaitable<api::ApplyStep> Do(ControlCenter::Slot& slot, std::string operation,
                                            api::ApplyAnswer& answer);
  boost::asio::awaitable<Status> GoBack(std::string operation, keystore::OwedRecord record);
  boost::asio::awaitable<bool> PutBack(ControlCenter::Slot& slot, std::string operation,
                                       const std::vector<keystore::OwedRecord>& owed,
                                       api::ApplyStep& step, api::ApplyAnswer& answer);
  boost::asio::awaitable<Result<api::ApplyAnswer>> ApplyThese(
      std::shared_ptr<keystore::Operation> operation, std::vector<ControlCenter::Slot*> slots,
      std::string hash, std::vector<std::string> rolled_back);
  boost::asio::awaitable<api::ApplyAnswer> Steps(std::vector<ControlCenter::Slot*> slots,
                                                 std::string operation, std::string hash,
                                                 std::vector<std::string> rolled_back);
  boost::asio::awaitable<void> Note(std::string operation, std::vector<std::string> services,
                                    api::ApplyAnswer& answer);
  boost::asio::awaitable<void> Forget();

  // One plan at a time, for as long as this lives.
  class Turn {
   public:
    Turn(ChangePlan& plan, const std::string& operation) : plan_(plan) {
      const std::lock_guard lock(plan.mutex_);
      other_ = plan.running_;
      if (other_.empty()) plan.running_ = operation;
    }
    ~Turn() {
      const std::lock_guard lock(plan_.mutex_);
      if (!taken()) return;
      plan_.running_.clear();
      plan_.doing_.clear();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    bool taken() const { return other_.empty(); }
    const std::string& other() const { return other_; }

   private:
    ChangePlan& plan_;
    std::string other_;
  };

  Parts parts_;
  ControlCenter::Teller tell_;
  mutable std::mutex mutex_;     // guards what follows
  std::string running_, doing_;  // operation; "Cisco Tomcat (1 of 3)"
  std::atomic<bool> stopping_{false};
};

}  // namespace signet::services
