// The journal, audit and idempotency of every change, over the node log.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "keystore/operation.h"
#include "platform/json.h"
#include "platform/lanes.h"
#include "services/change_runner.h"

namespace signet::keystore {
class NodeLog;
}

namespace signet::services {

// A change that came to its end, as the audit log has it.
struct EndedChange {
  std::string operation, method, actor;
  std::string outcome;  // "done" | "failed:<WORD>" | "undone" | "recovered" | "interrupted"
  std::string detail;
};

class Changes final : public ChangeRunner {
 public:
  // `forget` hears of each operation whose journal row is gone (keystore::Committer::Forget),
  // `ended` of how it ended; empty: nobody does.
  Changes(keystore::NodeLog& log, Lane& store_lane, Clock& clock,
          std::function<void(const std::string& operation)> forget,
          std::function<void(const EndedChange& change)> ended = {});
  ~Changes() override;

  boost::asio::awaitable<Result<json::value>> Run(RequestContext context, std::string method,
                                                  std::string digest, Work work) override;
  boost::asio::awaitable<void> NoteRefused(RequestContext context, std::string method,
                                           std::string digest, Error error) override;

  // Journal ids of changes that ended without a journal end and wait for recovery: at once for
  // those whose work is over, after five minutes for those whose caller ran out of time while the
  // work went on.
  std::vector<std::string> Recoverable() const;
  void Recovered(const std::string& operation);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Events;
// As an event of kind "operation".
void TellEnd(Events& events, const EndedChange& change);

}  // namespace signet::services
