// Looking at the certificates that a server presents. Nothing is verified and nothing is trusted:
// what comes back is what somebody at that address sent, for a person to compare and confirm.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/address_policy.h"
#include "platform/clock.h"
#include "platform/encoding.h"
#include "platform/error.h"
#include "platform/host_port.h"
#include "platform/starttls.h"

namespace signet {

// The kind of certificate that a server with several is asked for.
enum class PeerKey : std::uint8_t { kAny, kRsa, kEcdsa };

struct TlsFetchRequest {
  HostPort target;  // by ParseHostPort
  // Who is asked for there, as ParseHostPort has a host; empty: the target. SNI where it is a name
  // (RFC 6066 section 3), and what a protocol that starts in the clear names (XMPP's domain).
  std::string server_name = {};
  StartTls starttls = StartTls::kNone;
  PeerKey key = PeerKey::kAny;
  // Of resolution, connection, preamble and handshake together.
  Duration time_limit = std::chrono::milliseconds(4500);
  AddressPolicy policy;
};

struct TlsFetched {
  bool reached = false;        // a TCP connection stood
  std::optional<Error> error;  // why there is no certificate; none: `chain` has one at least
  std::string address;         // numeric, of the server reached; empty when none was
  std::string protocol;        // "TLSv1.2", "TLSv1.3"
  std::string cipher;          // OpenSSL's name of the suite
  bool client_certificate_wanted = false;  // the server asked for one; it got none
  std::vector<Bytes> chain;                // DER, in the order sent, the server's own first
  std::size_t bytes_read = 0;
};

// Blocks for `time_limit` at most: call it in a lane. Sends no credentials, and after the handshake
// nothing but the close. TLS 1.2 and 1.3 are offered, with every suite and parameter that OpenSSL
// still has, since a weak server may be looked at too. At most 256 KiB and 32 certificates are
// taken (of each of two connections: a server that shows no certificate of the kind asked for is
// asked again, less strictly about who signed it). A server that ends the handshake for want of a
// client certificate has shown its own by then: a success.
//
// Not reached: the errors of Dial. Reached: those of NegotiateStartTls, and
//   NO_TLS               the peer speaks something else than TLS, or closes without a word
//   NO_SUCH_CERTIFICATE  it has no certificate of the kind asked for
//   HANDSHAKE_FAILED     TLS, but no agreement; the detail has OpenSSL's reason
//   HANDSHAKE_TIMED_OUT, PEER_TOO_LARGE
TlsFetched FetchTls(const TlsFetchRequest& request);

}  // namespace signet
