// One HTTP exchange with a server that somebody else chose: the responder or the CA named in a
// certificate, a CRL distribution point (RFC 5280 sections 4.2.1.13 and 4.2.2.1).
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "platform/address_policy.h"
#include "platform/clock.h"
#include "platform/encoding.h"
#include "platform/error.h"
#include "platform/host_port.h"

namespace signet {

enum class HttpMethod : std::uint8_t { kGet, kPost };

struct OutgoingRequest {
  std::string url;  // http or https, 4096 octets at most
  HttpMethod method = HttpMethod::kGet;
  std::string content_type = {};  // of the body of a POST
  std::string accept = {};        // empty: anything
  Bytes body = {};
  // Of everything together: each hop's resolution, connection and answer.
  Duration limit = std::chrono::seconds(5);
  std::size_t most = 64 * 1024;  // octets of the answer's body
  int redirects = 2;             // followed at most
  std::string trust_pem = {};    // anchors for https; empty: this machine's trust store
  AddressPolicy policy = {};
};

struct OutgoingResponse {
  int status = 0;            // whatever it is, also 404 and 500
  std::string content_type;  // as the server has it, escaped for one line; empty without one
  Bytes body;
  // Cache-Control: the smallest max-age (RFC 9111 section 5.2.2), 0 for no-store and no-cache, ten
  // years at most.
  std::optional<std::chrono::seconds> max_age;
  // Retry-After as seconds or as a date (RFC 9110 section 10.2.3), six hours at most.
  std::optional<std::chrono::seconds> retry_after;
};

// Whether the URL is one that FetchOutgoing would go to, as far as its text tells. The errors are
// URL_INVALID and URL_SCHEME_NOT_ALLOWED.
Status CheckOutgoingUrl(std::string_view url);
// The server that such a URL leads to first. The same errors.
Result<HostPort> OutgoingTarget(std::string_view url);

// Blocks for `limit` at most: call it in a lane. The address policy is asked of the numeric address
// of each hop. https is verified with the host's name and is not left for http. No credentials,
// cookies, proxies, compression or persistent connections; at most 32 KiB of header lines, and for
// limits beyond 10 s an answer that comes by less than 64 octets a second ends as timed out. A
// redirected POST stays a POST, but for 303.
//
// The errors of Dial, and
//   URL_INVALID, URL_SCHEME_NOT_ALLOWED   kUsage; also of a redirect's target
//   HTTP_TIMED_OUT                        kTimeout
//   HTTP_FAILED                           closed early, or no HTTP
//   HTTP_TOO_LARGE                        of body or header lines
//   HTTP_ENCODED                          compressed, which was not asked for
//   HTTP_TOO_MANY_REDIRECTS, HTTP_DOWNGRADED (from https to http)
//   HTTP_TLS_FAILED                       no TLS, or a certificate that is not trusted
Result<OutgoingResponse> FetchOutgoing(const OutgoingRequest& request);

}  // namespace signet
