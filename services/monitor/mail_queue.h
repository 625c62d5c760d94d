// Mails of this node, kept until a server took them (SPEC M3): over restarts and outages, with
// back-off, the newest of a kind alone. The ledger of what was told lies in the same record, so
// that nothing counts as told whose mail was not kept.
#pragma once

#include <boost/describe.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystore/node_log.h"
#include "platform/clock.h"
#include "platform/lanes.h"
#include "platform/mail_sender.h"
#include "services/events.h"
#include "services/monitor/notices.h"

namespace signet::services {

struct KeptMail : LenientRecord {
  std::string kind;  // "digest", "heartbeat": a newer one replaces one that still waits
  WallTime created{};
  std::vector<std::string> to;  // those who have not got it yet
  std::string subject, text, html, message_id;
  std::int64_t attempts = 0;
  std::string error;  // of the last attempt, one line
};
BOOST_DESCRIBE_STRUCT(KeptMail, (LenientRecord),
                      (kind, created, to, subject, text, html, message_id, attempts, error))

struct MailMemory : LenientRecord {
  std::vector<KeptMail> waiting;
  std::vector<ToldNotice> told;
  std::optional<WallTime> kept, sent;  // the last ones
  std::int64_t sent_total = 0;         // mails taken by a server for somebody
  std::vector<std::string> refused;    // addresses that the server refused for good
};
BOOST_DESCRIBE_STRUCT(MailMemory, (LenientRecord), (waiting, told, kept, sent, sent_total, refused))

// Thread-safe. Sends on a lane of its own, one at a time; timers are the clock's.
class MailQueue {
 public:
  using Sender = std::function<Result<std::vector<MailOutcome>>(const Mail&)>;
  struct Parts {
    keystore::NodeLog& log;
    Clock& clock;
    Lane& lane;
    Events& events;
    std::string from;  // address
    Sender send;       // with the server that is configured now; blocks
    // Who is to be mailed now; what waits for somebody else is dropped.
    std::function<std::vector<std::string>()> addresses;
  };
  explicit MailQueue(Parts parts);
  ~MailQueue();

  void Start();  // goes on with what a former process left
  void Stop();
  // Durable when it returns; the ledger is replaced in the same write. Then it is tried at once.
  Status Keep(KeptMail mail, std::vector<ToldNotice> told);
  // The ledger alone.
  Status Note(std::vector<ToldNotice> told);
  // One attempt at a mail that is not kept; blocks, call it on the lane.
  Result<std::vector<MailOutcome>> SendNow(KeptMail mail);
  MailMemory Look() const;
  // MAIL_WAITS, MAIL_REFUSED.
  Findings Warnings() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// From one minute to an hour, doubled by each attempt; `dice` from 0 to 1 spreads it by a fifth.
Duration BackOff(std::int64_t attempts, double dice);

}  // namespace signet::services
