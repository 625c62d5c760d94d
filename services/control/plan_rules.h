// What a plan makes of what it saw. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "keystore/records.h"
#include "keystore/snapshot.h"
#include "services/control/wire_look.h"

namespace signet::services {

// Whether what asks for the restart is a certificate that took another one's place, which is kept:
// one that a rollback has put there is not gone forward from.
bool CanGoBack(const keystore::Snapshot& snapshot, const keystore::OwedRecord& record);

// Whether the service was told, so that what it serves now may be that: not when nobody could or
// was allowed to tell it.
bool WasTold(const Error& error);

// An endpoint showed a certificate of its purpose, the current or the former one.
bool AnyServed(const std::vector<WireLook>& looks);

// Purposes whose endpoint served one of their certificates better before than it serves the new one
// now: what was as wrong before is no reason to go back.
std::set<std::string> Worsened(const std::vector<WireLook>& before,
                               const std::vector<WireLook>& now);

// Of what is owed, that of which the certificate is served.
std::vector<keystore::OwedRecord> ServedOf(const std::vector<keystore::OwedRecord>& owed,
                                           const std::vector<WireLook>& looks);

// The first look that is not as it should be, in a sentence; empty when all are current.
std::string FirstTrouble(const std::vector<WireLook>& looks, std::string& remedy);

}  // namespace signet::services
