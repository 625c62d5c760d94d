// One long-lived connection, and what is known of it.
#pragma once

#include <boost/describe.hpp>
#include <span>
#include <string>
#include <vector>

#include "keystore/x509/certificate.h"
#include "platform/json.h"
#include "services/connection_api.h"
#include "services/connections/watched_connection.h"

namespace signet::services {

// What is kept of one that a service registered. Certificates stay octets: ten thousand parsed
// chains would be the most of the daemon's memory.
struct Registration : LenientRecord {
  std::string id, kind, peer, store;
  std::string by;                  // who; of a probed one "probe NAME"
  std::vector<std::string> chain;  // DER, base64; the peer's own first; empty: it shows none
  std::string subject, serial, fingerprint;  // of the peer's own
  std::optional<WallTime> not_after;
  WallTime since{};

  std::size_t Octets() const;  // of the chain as it is kept
  void SetChain(std::span<const keystore::x509::Certificate> certificates);
  // kUnavailable RECORD_DAMAGED.
  Result<std::vector<keystore::x509::Certificate>> ReadChain() const;
};
BOOST_DESCRIBE_STRUCT(Registration, (LenientRecord),
                      (id, kind, peer, store, by, chain, subject, serial, fingerprint, not_after,
                       since))

struct Connection {
  Registration registration;
  const WatchedConnection* watched = nullptr;  // whose probe found it; null: registered
  std::string ike_sa;                          // to be closed by strongSwan
  std::string state = "unknown", reason = "not checked since the start", remedy, closing;
  std::optional<WallTime> checked;
  bool unproved = false;  // nobody tells the status of a certificate on its path

  bool failing() const { return state == "failing"; }
};

api::ConnectionInfo Describe(const Connection& connection);

// The record of a registration. kUnavailable RECORD_DAMAGED.
Result<Connection> ReadConnection(std::string_view text);
std::string ToText(const Registration& registration);

}  // namespace signet::services
