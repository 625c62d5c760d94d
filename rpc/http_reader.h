// Requests out of bytes: HTTP/1.1 framing by Beast's parser, strict where it is lenient, and only
// the fields that are used. RFC 9112.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "platform/secret.h"

namespace signet::rpc {

struct HttpLimits {
  std::uint32_t header = 16u << 10;
  std::uint64_t body = 4u << 20;
  std::uint64_t large_body = 72u << 20;  // announced by Content-Length, and admitted: a bundle
  std::size_t target = 2048;
};

struct HttpRequest {
  enum class Method : std::uint8_t { kGet, kPost, kOther } method = Method::kOther;
  std::string target, host, content_type, origin, idempotency_key;
  int version = 11;
  std::string last_event_id;  // of a reader that comes back
  bool has_host = false, has_last_event_id = false;
  bool has_body = false;        // one is announced
  std::uint64_t announced = 0;  // its Content-Length; 0 where there is none
  bool expects_continue = false;
  bool keep_alive = true;
  WipedString body;
};

// One connection's requests, one after another. Members of the request keep their memory from one
// to the next.
class HttpReader {
 public:
  explicit HttpReader(HttpLimits limits);
  ~HttpReader();
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;

  enum class Step : std::uint8_t {
    kNeedMore,
    kHeader,  // the head is complete: look at it before the body comes
    kDone,
    kBad,             // 400: no HTTP, or framing that two readers could understand differently
    kHeaderTooLarge,  // 431
    kTargetTooLong,   // 414
    kBodyTooLarge,    // 413
  };
  // Takes what it can of `bytes`; `used` says how many. Again until kNeedMore or an end.
  Step Feed(std::string_view bytes, std::size_t& used);
  HttpRequest& request() { return request_; }
  bool started() const;
  void Next();

 private:
  struct Parser;
  HttpLimits limits_;
  HttpRequest request_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace signet::rpc
