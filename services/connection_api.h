// Shapes of requests and answers, as in api.h, about long-lived connections. Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "services/api.h"

namespace signet::services::api {

struct ConnectionInfo {
  std::string id;
  std::string kind;   // cti | ipsec | ldap
  std::string peer;   // for people: "10.1.1.7:2748"
  std::string store;  // that the peer's certificate must lead to
  std::string by;     // who registered it, or "probe NAME"
  std::string state;  // good | failing | unknown
  std::string reason, remedy;
  std::string subject, serial,
      fingerprint;  // of the peer's own certificate; empty when none is known
  std::optional<WallTime> not_after;
  WallTime since{};                 // registered, or first seen
  std::optional<WallTime> checked;  // for the last time
  std::string closing;              // what came of closing it; empty: nobody tried
};
BOOST_DESCRIBE_STRUCT(ConnectionInfo, (),
                      (id, kind, peer, store, by, state, reason, remedy, subject, serial,
                       fingerprint, not_after, since, checked, closing))

struct ConnectionRegisterRequest {
  std::string kind;                  // cti | ipsec | ldap
  std::string peer;                  // for people, 1 to 256 characters
  std::string certificates;          // PEM, the peer's own first, then what it sent with it
  std::optional<std::string> id;     // of the caller's choice; the same again replaces
  std::optional<std::string> store;  // the kind's own by default
};
BOOST_DESCRIBE_STRUCT(ConnectionRegisterRequest, (), (kind, peer, certificates, id, store))

struct ConnectionRegistered {
  bool changed = true;
  std::string operation, id;
  std::string state;  // good | failing: do not use it
  std::string reason;
  Findings findings;
};
BOOST_DESCRIBE_STRUCT(ConnectionRegistered, (), (changed, operation, id, state, reason, findings))

struct ConnectionCheck {
  bool changed = true;
  std::string operation;
  std::int64_t checked = 0, failing = 0, unknown = 0, closed = 0;
  std::vector<ConnectionInfo> connections;  // those that are not good, at most 1,000
};
BOOST_DESCRIBE_STRUCT(ConnectionCheck, (),
                      (changed, operation, checked, failing, unknown, closed, connections))

// What is absent stays as it is.
struct ConnectionSetRequest : Plannable {
  std::optional<bool> validity_check;
  std::optional<std::string> frequency;  // "12 hours"; the revocation check's interval wins
};
BOOST_DESCRIBE_STRUCT(ConnectionSetRequest, (Plannable), (validity_check, frequency))

}  // namespace signet::services::api
