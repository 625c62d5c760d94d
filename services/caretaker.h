// What the appliance does by itself: looks after the token, ends what a crash interrupted, makes
// the identities of the first boot.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "hsm/token_control.h"
#include "keystore/catalogue.h"
#include "keystore/identities.h"
#include "keystore/node.h"
#include "keystore/node_log.h"
#include "keystore/snapshot.h"
#include "keystore/trust.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/changes.h"
#include "services/events.h"
#include "services/publisher.h"

namespace signet::services {

// Runs on one executor; Progress() may be called from any thread.
class Caretaker {
 public:
  struct Parts {
    const keystore::Catalogue& catalogue;
    const keystore::NodeNames& names;
    const Clock& clock;
    keystore::State& state;
    keystore::Identities& identities;
    keystore::Trust& trust;
    keystore::Committer& committer;
    keystore::NodeLog& log;
    Changes& changes;
    Publisher& publisher;
    Events& events;
    hsm::TokenControl& token;
    Lane& change_lane;  // of token changes
    Lane& store_lane;
    Lane& trust_lane;  // of uploads to trust stores
    Lane& probe_lane;  // of its own, so that a hanging token is seen
  };
  // `leftovers`: journal ids of a former process, read before the first request is served.
  Caretaker(Parts parts, std::set<std::string> leftovers)
      : parts_(parts), leftovers_(std::move(leftovers)) {}

  // Goes on until Stop, and tells each change of the token's state: whenever the token is
  // operational, recovers and makes what is missing; looks at the token every two seconds, and once
  // a minute at what is published: what failed is tried again, what is old is removed.
  boost::asio::awaitable<void> Run();
  void Stop();

  struct Report {
    std::int64_t made = 0, wanted = 0;
    std::string progress;  // "generating cup-ECDSA (4 of 9)", empty when nothing is under way
    std::int64_t recovered = 0;
    std::vector<Finding> warnings;
  };
  Report Progress() const;
  // All identities are there and nothing is left of a crash.
  bool Ready() const;

 private:
  boost::asio::awaitable<void> CheckState();
  boost::asio::awaitable<void> Probe();
  void TellTokenState();
  boost::asio::awaitable<void> RecoverLeftovers();
  void DropEnded(const std::vector<keystore::JournalEntry>& entries);
  boost::asio::awaitable<Status> RecoverOne(keystore::JournalEntry entry);
  boost::asio::awaitable<void> MakeMissing();
  boost::asio::awaitable<void> Retire();
  boost::asio::awaitable<void> Reconcile();
  boost::asio::awaitable<void> PublishAgain();
  std::vector<const keystore::Purpose*> Wanted() const;

  Parts parts_;
  bool stopping_ = false;  // on the executor, as is what follows
  std::optional<hsm::TokenState> told_;
  std::set<std::string> leftovers_;  // on the executor
  mutable std::mutex mutex_;         // guards what follows
  bool settled_ = false;
  std::string progress_;
  std::int64_t recovered_ = 0;
  std::vector<Finding> state_warnings_;  // of the self-test at boot
  std::vector<Finding> warnings_;        // of the comparison of token and records
};

}  // namespace signet::services
