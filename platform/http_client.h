// One HTTP request, synchronously, for the command line: over the daemon's Unix socket or over TCP
// with TLS. Not linked into the daemon (target signet_http_client).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet {

struct HttpTarget {
  std::string unix_socket;  // path; empty: connect as the URL says
  std::string url;          // "http://localhost" or "https://host:port", without a path
  std::string ca_file;      // PEM; empty: the system's trust store
  std::string client_cert;  // PEM files for mutual TLS, both or neither
  std::string client_key;
  std::vector<std::string> headers;  // "Name: value", sent with every request; no CR or LF
};

struct HttpResponse {
  int status = 0;
  std::string body;
};

// Any answer of the server is a success here, whatever its status. http and https only, redirects
// are not followed, proxies are not used, at most 64 MiB are read. kUnreachable UNREACHABLE when
// nobody answers the connection, TLS_FAILED when the two do not trust each other, kTimeout
// HTTP_TIMED_OUT, kUnavailable HTTP_FAILED otherwise.
Result<HttpResponse> HttpPost(const HttpTarget& target, std::string_view path,
                              std::string_view content_type, std::string_view body,
                              Duration timeout);
Result<HttpResponse> HttpGet(const HttpTarget& target, std::string_view path, Duration timeout);
// The body of a 200 as it comes, in pieces, to `on_data`, until the server ends it or `on_data`
// says false; that of another status is in the answer. Also ends, as kTimeout HTTP_TIMED_OUT, when
// nothing came for `silence`. Errors as above.
Result<HttpResponse> HttpStream(const HttpTarget& target, std::string_view path,
                                const std::function<bool(std::string_view)>& on_data,
                                Duration silence);

}  // namespace signet
