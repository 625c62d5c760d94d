// Shapes of requests and answers, as in api.h, about revocation. Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "services/api.h"

namespace signet::services::api {

// What is known of one certificate's status.
struct StatusItem {
  std::string id;  // fingerprint
  std::string subject, serial;
  std::vector<std::string> places;  // "tomcat", "chain of tomcat", "cup-trust"
  std::string status;               // good | revoked | unknown
  std::string word, detail, remedy;
  std::string source;  // "OCSP http://…"; empty: nobody was asked
  WallTime asked{};
  std::optional<WallTime> next_update, retry;
};
BOOST_DESCRIBE_STRUCT(StatusItem, (),
                      (id, subject, serial, places, status, word, detail, remedy, source, asked,
                       next_update, retry))

// A certificate that is out of trust.
struct DistrustedItem {
  std::string id, subject, serial;
  std::vector<std::string> places;
  std::string cause;  // revoked | on-hold | expired | unproved
  std::string reason, source;
  WallTime since{}, found{};
  bool said_good = false;  // it was revoked, and is said to be good again: an operator decides
};
BOOST_DESCRIBE_STRUCT(DistrustedItem, (),
                      (id, subject, serial, places, cause, reason, source, since, found, said_good))

struct RevocationInfo {
  bool enabled = false;
  std::string responder;  // empty: the one that each certificate names
  std::string every;      // "24h"
  std::string unknown_upload, unknown_trust, unknown_connection;  // soft | hard
  std::optional<WallTime> last_check, next_check;
  std::int64_t good = 0, revoked = 0, unknown = 0;
  std::int64_t without_source = 0;         // of these: certificates that name nobody
  std::vector<StatusItem> certificates;    // at most 1,000, those that are not good first
  std::vector<DistrustedItem> distrusted;  // at most 1,000
  Findings findings;
};
BOOST_DESCRIBE_STRUCT(RevocationInfo, (),
                      (enabled, responder, every, unknown_upload, unknown_trust, unknown_connection,
                       last_check, next_check, good, revoked, unknown, without_source, certificates,
                       distrusted, findings))

// What is absent stays as it is.
struct RevocationSetRequest : Plannable {
  std::optional<bool> enabled;
  std::optional<std::string> responder;  // empty: the one that each certificate names
  std::optional<std::string> every;      // "6 hours", "1d"
  std::optional<std::string> unknown_upload, unknown_trust, unknown_connection;  // soft | hard
};
BOOST_DESCRIBE_STRUCT(RevocationSetRequest, (Plannable),
                      (enabled, responder, every, unknown_upload, unknown_trust,
                       unknown_connection))

struct RevocationCheck {
  bool changed = true;
  std::string operation;
  std::int64_t asked = 0, good = 0, revoked = 0, unknown = 0;  // unknown: without a source too
  std::int64_t held = 0;  // of good and revoked: nobody told anew, what was said before holds
  std::vector<std::string> restarts;     // of services that read what went out of trust
  std::vector<StatusItem> certificates;  // those that are not good, at most 1,000
  Findings findings;
};
BOOST_DESCRIBE_STRUCT(RevocationCheck, (),
                      (changed, operation, asked, good, revoked, unknown, held, restarts,
                       certificates, findings))

struct RevocationClearRequest : Plannable {
  std::string id;      // fingerprint, or its first digits
  std::string reason;  // for the audit log
};
BOOST_DESCRIBE_STRUCT(RevocationClearRequest, (Plannable), (id, reason))

}  // namespace signet::services::api
