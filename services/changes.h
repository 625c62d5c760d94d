// Every change runs inside one of these: journalled before, audited and remembered (idempotency)
// after.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "keystore/operation.h"
#include "platform/json.h"
#include "platform/lanes.h"
#include "services/request_context.h"

namespace signet::keystore {
class NodeLog;
}

namespace signet::services {

// Thread-safe. Refused before anything happens: kUnavailable AUDIT_UNAVAILABLE (a change that
// cannot be audited is refused), kConflict IDEMPOTENCY_KEY_REUSED (same key, other content),
// kConflict OPERATION_IN_PROGRESS (same key, still running).
class Changes {
 public:
  // `forget` hears of each operation whose journal row is gone (keystore::Committer::Forget).
  Changes(keystore::NodeLog& log, Lane& store_lane, Clock& clock,
          std::function<void(const std::string& operation)> forget);
  ~Changes();

  using Work = std::function<boost::asio::awaitable<Result<json::value>>(
      std::shared_ptr<keystore::Operation> operation)>;
  // Journals, runs `work`, audits its outcome, then returns it. A repeated idempotency key returns
  // the stored answer. The change goes on and is audited even when the caller's wait is over.
  boost::asio::awaitable<Result<json::value>> Run(RequestContext context, std::string method,
                                                  std::string digest, Work work);

  // Journal ids of changes that ended without a journal end and wait for recovery: at once for
  // those whose work is over, after five minutes for those whose caller ran out of time while the
  // work went on.
  std::vector<std::string> Recoverable() const;
  void Recovered(const std::string& operation);

  // Audit of what was refused before it began. At most one record a second for one actor and
  // outcome is written.
  boost::asio::awaitable<void> NoteRefused(RequestContext context, std::string method,
                                           std::string digest, Error error);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::services
