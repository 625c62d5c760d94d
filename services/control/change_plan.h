// Carrying out the restarts that changes owe, with proof (SPEC B1, B4): in order, each service
// restarted or reloaded, then asked by handshakes whether it serves what it should. Where the proof
// fails, the former identity is put back and proved, too. What was seen is a signed receipt.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <mutex>
#include <optional>
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
  // A plan that is being carried out.
  struct Course {
    std::string operation, hash;
    std::vector<std::string> left;  // services; the first one is being done
    api::ApplyAnswer answer;
  };
  void AddOwing(Course& course, const std::string& except) const;
  Course Remainder(const keystore::ApplyRecord& left) const;
  boost::asio::awaitable<api::ApplyAnswer> Carry(std::shared_ptr<keystore::Operation> operation,
                                                 Course& course);
  boost::asio::awaitable<void> Steps(Course& course);
  boost::asio::awaitable<std::optional<api::ApplyStep>> Do(ControlCenter::Slot& slot,
                                                           Course& course);
  boost::asio::awaitable<bool> PutBack(ControlCenter::Slot& slot, Course& course,
                                       std::vector<keystore::OwedRecord> asked,
                                       api::ApplyStep& step);
  boost::asio::awaitable<Status> GoBack(std::string operation, keystore::OwedRecord record);
  boost::asio::awaitable<void> Note(Course& course, std::vector<std::string> going);
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
    Error Refusal() const {
      return MakeError(Kind::kConflict, "APPLY_IN_PROGRESS",
                       "operation " + other_ + " carries out a plan already",
                       "Wait for it ('signet events'), then look at 'signet service plan'.");
    }

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
