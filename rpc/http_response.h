// The head of an answer, written by hand into the space before its body.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace signet::rpc {

struct ResponseHead {
  int status = 200;
  std::string_view allow;  // for 405
  std::string_view date, request_id;
  bool plain = false;   // text for Prometheus, not JSON
  bool stream = false;  // server-sent events, which end with the connection
  bool close = false;
  bool keep_alive_said = false;  // to an HTTP/1.0 client that asked for it
};

// Writes the head right before the body that starts at `kHeadroom` in `buffer`; returns where it
// begins.
std::size_t PrependHead(const ResponseHead& head, std::string& buffer);

// Ids of requests: unique in this process, unlikely to meet those of another run. Thread-safe.
std::string NextRequestId();

}  // namespace signet::rpc
