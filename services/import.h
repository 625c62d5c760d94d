// The certificate import tool (SPEC X1): looks at what another server shows and stores what was
// confirmed (import.*).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "keystore/plan_import.h"
#include "keystore/trust.h"
#include "platform/address_policy.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::services {

class Revocation;

// Thread-safe. Connections are made on a lane of their own.
class Import {
 public:
  // `policy`: where connections may go, asked for each time.
  Import(keystore::Trust& trust, Revocation& revocation, Lane& connections,
         std::function<AddressPolicy()> policy)
      : trust_(trust),
        revocation_(revocation),
        connections_(connections),
        policy_(std::move(policy)) {}

  // Connects, downloads, and stores what `plan` or `fingerprint` confirms; each of the three is
  // reported for each algorithm. kRefused FINGERPRINT_UNCONFIRMED (the findings hold the
  // fingerprints), FINGERPRINT_MISMATCH; when no certificate was downloaded, the error of the
  // connection.
  boost::asio::awaitable<Result<api::ImportAnswer>> Fetch(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::ImportRequest request);
  // Connects and downloads; what would be stored, and as which kind.
  boost::asio::awaitable<Result<api::Plan>> ProposeFetch(RequestContext context,
                                                         api::ImportRequest request);

 private:
  keystore::Trust& trust_;
  Revocation& revocation_;
  Lane& connections_;
  std::function<AddressPolicy()> policy_;
};

}  // namespace signet::services
