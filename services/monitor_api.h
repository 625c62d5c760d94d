// Shapes of requests and answers, as in api.h, about the certificate monitor. Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "services/api.h"

namespace signet::services::api {

// A certificate in one of the places where it is.
struct MonitorItem {
  std::string level;  // alarm | warning | hint
  std::string place, node;
  WallTime end{};
  std::string when;  // "expires in 12 days"
  std::string subject, serial, fingerprint;
  std::string impact, remedy;
};
BOOST_DESCRIBE_STRUCT(MonitorItem, (),
                      (level, place, node, end, when, subject, serial, fingerprint, impact, remedy))

struct MonitorInfo {
  bool running = false;
  WallTime since{};  // of that
  std::optional<WallTime> last_run, next_run;
  std::optional<std::int64_t> overdue_seconds;  // a run has been owed for so long
  std::int64_t start_days = 0;                  // before the end of a certificate
  std::string frequency;                        // "7d"
  bool email = false;
  std::vector<std::string> addresses;
  bool lsc = false;       // certificates of endpoints are watched too
  std::int64_t lscs = 0;  // that are registered
  std::string server;     // of mail; empty: none is configured
  std::int64_t mails_waiting = 0, mails_sent = 0;
  std::optional<WallTime> last_mail;  // that a server took
  std::int64_t checked = 0, expired = 0, soon = 0, unknown = 0;
  std::vector<MonitorItem> certificates;  // at most 1,000
  Findings findings;
};
BOOST_DESCRIBE_STRUCT(MonitorInfo, (),
                      (running, since, last_run, next_run, overdue_seconds, start_days, frequency,
                       email, addresses, lsc, lscs, server, mails_waiting, mails_sent, last_mail,
                       checked, expired, soon, unknown, certificates, findings))

// What is absent stays as it is.
struct MonitorSetRequest : Plannable {
  std::optional<std::int64_t> start_days;  // 1 to 3650
  std::optional<std::string> frequency;    // "12 hours", "7d"
  std::optional<bool> email;
  std::optional<std::string> addresses;  // split by ';'; empty: none
  std::optional<bool> lsc;               // watch the certificates of endpoints too
};
BOOST_DESCRIBE_STRUCT(MonitorSetRequest, (Plannable),
                      (start_days, frequency, email, addresses, lsc))

struct MonitorRun {
  bool changed = true;
  std::string operation;
  std::int64_t checked = 0, expired = 0, soon = 0, unknown = 0;
  std::string mail;  // what came of it, for people
  std::optional<WallTime> next_run;
  Findings findings;
};
BOOST_DESCRIBE_STRUCT(MonitorRun, (),
                      (changed, operation, checked, expired, soon, unknown, mail, next_run,
                       findings))

struct PreviewRequest {
  WallTime at{};
};
BOOST_DESCRIBE_STRUCT(PreviewRequest, (), (at))
// What a run at that time would find, if nothing changed until then.
struct MonitorPreview {
  WallTime at{};
  std::int64_t expired = 0, soon = 0;
  std::int64_t due = 0;                // certificates that somebody would have to be told of
  std::vector<std::string> mailed_to;  // who would get a mail
  std::vector<std::string> uncovered;  // purposes without a certificate that is valid then
  std::vector<MonitorItem> certificates;
  Findings findings;  // UNCOVERED, WOULD_BE_MAILED, NOBODY_IS_MAILED
};
BOOST_DESCRIBE_STRUCT(MonitorPreview, (),
                      (at, expired, soon, due, mailed_to, uncovered, certificates, findings))

struct MailRecipient {
  std::string address;
  bool accepted = false;
  std::string answer;  // of the server
};
BOOST_DESCRIBE_STRUCT(MailRecipient, (), (address, accepted, answer))
struct TestMail {
  bool changed = true;
  std::string operation, server;
  bool ok = false;  // the server took it for all of them
  std::vector<MailRecipient> recipients;
};
BOOST_DESCRIBE_STRUCT(TestMail, (), (changed, operation, server, ok, recipients))

}  // namespace signet::services::api
