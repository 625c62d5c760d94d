// What the wire asks of services::Changes. Types only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "keystore/operation.h"
#include "platform/json.h"
#include "services/request_context.h"

namespace signet::services {

// Every change runs inside one of these: journalled before, audited and remembered (idempotency)
// after. Thread-safe.
class ChangeRunner {
 public:
  using Work = std::function<boost::asio::awaitable<Result<json::value>>(
      std::shared_ptr<keystore::Operation> operation)>;

  virtual ~ChangeRunner() = default;
  // Journals, runs `work`, audits its outcome, then returns it. A repeated idempotency key returns
  // the stored answer. The change goes on and is audited even when the caller's wait is over.
  // Refused before anything happens: kUnavailable AUDIT_UNAVAILABLE (a change that cannot be
  // audited is refused), kConflict IDEMPOTENCY_KEY_REUSED (same key, other content), kConflict
  // OPERATION_IN_PROGRESS (same key, still running).
  virtual boost::asio::awaitable<Result<json::value>> Run(RequestContext context,
                                                          std::string method, std::string digest,
                                                          Work work) = 0;
  // Audit of what was refused before it began. At most one record a second for one actor and
  // outcome is written.
  virtual boost::asio::awaitable<void> NoteRefused(RequestContext context, std::string method,
                                                   std::string digest, Error error) = 0;
};

}  // namespace signet::services
