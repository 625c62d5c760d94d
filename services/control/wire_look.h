// What an endpoint serves, beside what it should serve (SPEC B1, B3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"
#include "platform/address_policy.h"
#include "platform/tls_fetch.h"
#include "services/control/controlled_service.h"

namespace signet::services {

enum class WireVerdict : std::uint8_t {
  kCurrent,      // the current certificate with its whole chain
  kFormer,       // the one before it
  kOther,        // a certificate that is none of the purpose's
  kIncomplete,   // the current one, with a chain that lacks issuers or has wrong ones
  kInvalid,      // the current one, which is out of its time, out of trust, or bears another name
  kUnreachable,  // nothing was seen
};
inline constexpr WireVerdict kWireVerdicts[] = {WireVerdict::kCurrent, WireVerdict::kFormer,
                                                WireVerdict::kOther,   WireVerdict::kIncomplete,
                                                WireVerdict::kInvalid, WireVerdict::kUnreachable};
std::string_view WireVerdictName(WireVerdict verdict);  // "current", …

// One handshake.
struct WireLook {
  std::string endpoint;  // "127.0.0.1:443", "127.0.0.1:5222 (xmpp)"
  std::string purpose;
  WireVerdict verdict = WireVerdict::kUnreachable;
  WireVerdict as_former = WireVerdict::kCurrent;  // of kFormer: how that one is served
  std::string detail;                             // a sentence, when it is not kCurrent
  std::string remedy;                             // what to do then
  std::string fingerprint;                        // of the leaf that was served, or empty
  std::string serial, subject;                    // the same
  std::string common_name, issuer_common_name;    // the same; may be empty
  std::optional<WallTime> not_before, not_after;  // the same
  std::string protocol;                           // "TLSv1.3"
  std::string address;                            // numeric, of the server
};

std::string EndpointText(const Endpoint& endpoint);

// What a handshake that asked for this purpose's kind of key saw. Pure.
WireLook Judge(const keystore::Snapshot& snapshot, const keystore::Purpose& purpose,
               const Endpoint& endpoint, const TlsFetched& fetched, WallTime now);
// A handshake for each purpose of the endpoint, RSA and ECDSA apart. Blocks for `limit` each at
// most.
std::vector<WireLook> LookAt(const keystore::Snapshot& snapshot,
                             const keystore::Catalogue& catalogue, const Endpoint& endpoint,
                             const AddressPolicy& policy, WallTime now, Duration limit);

}  // namespace signet::services
