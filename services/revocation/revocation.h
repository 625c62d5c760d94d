// The revocation check (SPEC R1 to R3): asks for the status of what the appliance rests on, again
// and again, and takes out of trust what is revoked or has expired.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "keystore/trust.h"
#include "platform/lanes.h"
#include "services/change_runner.h"
#include "services/events.h"
#include "services/request_context.h"
#include "services/revocation/status_book.h"
#include "services/revocation_api.h"
#include "services/setting_change.h"
#include "services/trust_mark.h"

namespace signet::keystore {
class NodeLog;
}  // namespace signet::keystore

namespace signet::services {

// Under which the node log keeps the book.
inline constexpr char kRevocationMemory[] = "revocation";

// Texts with certificates, and the trust store that their chains lead to.
struct UploadedTexts {
  std::string store;
  std::vector<std::string_view> texts;
};
// For the audit log: that a status was unknown when something was stored all the same; or empty.
std::string UnknownStatus(const Findings& findings);

// That nobody answers a process that ends means nothing: kUnavailable SHUTTING_DOWN.
Error ShuttingDown();

// Thread-safe. What waits for responders runs on `lane`.
class Revocation {
 public:
  struct Parts {
    const Clock& clock;
    keystore::State& state;
    keystore::Trust& trust;
    keystore::NodeLog& log;  // the book survives in it
    ChangeRunner& changes;
    Events& events;
    StatusSource& source;
    Lane& lane;         // of rounds, which may take hours
    Lane& upload_lane;  // of what somebody waits for
    Lane& trust_lane;   // for what follows from it
    // Something went out of trust, or came back: whoever tells people does it now. On no lane.
    std::function<void()> changed = {};
  };
  explicit Revocation(Parts parts);

  api::RevocationInfo Show() const;
  boost::asio::awaitable<Result<api::RevocationInfo>> Describe(RequestContext context) const;
  // A change of the settings. Asks responders as these would have it then: WOULD_BE_DISTRUSTED,
  // WOULD_BE_REFUSED (an unknown status under *hard*), STATUS_UNKNOWN.
  boost::asio::awaitable<Result<api::Plan>> ProposeSet(RequestContext context,
                                                       SettingChange change);
  // Asks everybody anew, also while the periodic check is off, and carries out what follows.
  // kConflict CHECK_RUNS.
  boost::asio::awaitable<Result<api::RevocationCheck>> Check(
      RequestContext context, std::shared_ptr<keystore::Operation> operation);
  // An operator takes a certificate back into trust. Its status is asked anew before; that nobody
  // can tell it is no hindrance, and in the audit log. kRefused STILL_REVOKED, STILL_EXPIRED;
  // kNotFound NOT_DISTRUSTED; kUsage REASON_MISSING.
  boost::asio::awaitable<Result<api::Change>> Clear(RequestContext context,
                                                    std::shared_ptr<keystore::Operation> operation,
                                                    api::RevocationClearRequest request);
  boost::asio::awaitable<Result<api::Plan>> ProposeClear(RequestContext context,
                                                         api::RevocationClearRequest request);

  // Of certificates that are about to be stored or used (ABUSE 40): REVOKED (errors) and
  // STATUS_UNKNOWN (errors while `hard`, else warnings); nothing while the check is off. Blocks for
  // as long as responders may take: not on a lane that others wait for. `anew`: no answer of before
  // will do.
  Findings CheckNow(const std::vector<StatusQuestion>& questions, bool hard, bool anew = false);
  // The same of the CA-issued certificates of an upload (PEM or DER, several texts), their issuers
  // among them or in the store. What cannot be read is left to who reads it next.
  Findings CheckUpload(const std::vector<UploadedTexts>& uploads);
  Result<Findings> CheckChains(const std::string& store,
                               const std::vector<std::vector<keystore::x509::Certificate>>& chains);
  // The same on `upload_lane`; `owner` keeps the texts. When that takes too long the status is
  // unknown.
  boost::asio::awaitable<Result<Findings>> OfUpload(RequestContext context,
                                                    std::shared_ptr<const void> owner,
                                                    std::vector<UploadedTexts> uploads);
  RevocationSettings settings() const { return RevocationSettingsOf(parts_.trust.Input()); }

  // Looks every few seconds whether something is due, until Stop.
  boost::asio::awaitable<void> Watch();
  // One such look; carries out what is due.
  boost::asio::awaitable<void> Tick();
  void Stop() { stopping_ = true; }

  // REVOKED_IN_USE, DISTRUSTED_IN_USE, SAID_GOOD (errors), DISTRUSTED, STATUS_UNKNOWN (warnings).
  Findings Warnings() const;
  // A sentence for each certificate whose status was asked for and is unknown, while the check is
  // on; of many, the first.
  std::vector<std::string> Unproved() const;
  // For metrics: certificates by status ("good", "revoked", "unknown", and "no-source" of those
  // that name nobody who could tell), out of trust by cause.
  struct Figures {
    bool enabled = false;
    std::map<std::string, std::size_t> status, distrusted;
    std::size_t revoked_in_use = 0;  // revoked or on hold, and an identity or its chain
    std::optional<WallTime> last_check;
  };
  Figures Look() const;

 private:
  struct Round {
    std::size_t asked = 0, good = 0, revoked = 0, unknown = 0, held = 0;
    bool changed = false;  // some status is another one than before
    std::vector<StatusSubject> subjects;
    keystore::DistrustRequest consequences;
    void Count(const StatusRow* row, const StatusAnswer& answer);
  };
  Result<Round> Ask(bool anew);
  StatusBook Book() const;
  void Persist();
  bool SomethingIsDue() const;
  StatusRules RulesOf(const keystore::Snapshot& snapshot, const RevocationSettings& settings,
                      bool anew) const;
  boost::asio::awaitable<Status> CarryOut(keystore::DistrustRequest request);
  // Blocks. Carries it out, and tells of it.
  Result<keystore::ChangeResult> Apply(keystore::Operation& operation,
                                       const keystore::DistrustRequest& request,
                                       const std::optional<std::string>& plan);
  void Tell(const keystore::DistrustRequest& request);
  void TellRound(const Round& round);
  // What is to be cleared, and what was answered about it.
  struct Clearing {
    keystore::DistrustRequest request;
    std::optional<StatusAnswer> answer;
  };
  Result<Clearing> ToClear(const api::RevocationClearRequest& request) const;
  void Questions(const std::vector<keystore::x509::Certificate>& certificates,
                 const std::string& store, std::vector<StatusQuestion>& questions) const;

  Parts parts_;
  std::atomic<bool> stopping_{false};
  std::mutex rounds_;   // one at a time
  std::mutex keeping_;  // the book is written in the order of its states
  mutable std::mutex mutex_;
  TrustMark seen_ = 0;      // mark of the state that the last round was about
  WallTime not_before_{};   // after a failure
  WallTime quiet_until_{};  // after a round
  WallTime kept_{};         // when the book was written down
  WallTime last_round_{};
  StatusBook book_;
  std::optional<WallTime> next_expiry_;
};

}  // namespace signet::services
