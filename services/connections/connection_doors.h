// Where connections are found without anybody registering them, and how they are closed. Blocking.
#pragma once

#include <string>
#include <vector>

#include "platform/address_policy.h"
#include "platform/clock.h"
#include "services/connections/connection.h"

namespace signet::services {

// What a probe of the configuration sees now: the one peer behind its endpoint, or each IKE_SA.
// The errors of FetchTls and ListIkePeers, and of a certificate that cannot be read.
Result<std::vector<Connection>> Probe(const WatchedConnection& watched, const AddressPolicy& policy,
                                      const std::string& helper, WallTime now);

// By strongSwan, or by the command of `row`. For people, what came of it; empty: nobody here can
// (`row` is null, or has none). The errors of CloseIke and RunOnce, and kUnavailable CLOSE_FAILED:
// the command says so.
Result<std::string> CloseConnection(const Connection& connection, const WatchedConnection* row,
                                    const std::string& helper);

}  // namespace signet::services
