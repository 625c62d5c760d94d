#include "rpc/http_response.h"

#include <atomic>
#include <charconv>
#include <cstring>

#include "platform/encoding.h"
#include "rpc/endpoint.h"

namespace signet::rpc {

namespace {

std::string_view StatusLine(int status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 204:
      return "HTTP/1.1 204 No Content\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 413:
      return "HTTP/1.1 413 Content Too Large\r\n";
    case 414:
      return "HTTP/1.1 414 URI Too Long\r\n";
    case 415:
      return "HTTP/1.1 415 Unsupported Media Type\r\n";
    case 421:
      return "HTTP/1.1 421 Misdirected Request\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    default:
      return "HTTP/1.1 500 Internal Server Error\r\n";
  }
}

constexpr std::string_view kJson = "Content-Type: application/json\r\n";
constexpr std::string_view kPlain = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
constexpr std::string_view kStream = "Content-Type: text/event-stream\r\n";
constexpr std::string_view kSecurity =
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";

struct Writer {
  char* at;
  void Put(std::string_view text) {
    std::memcpy(at, text.data(), text.size());
    at += text.size();
  }
};

}  // namespace

std::size_t PrependHead(const ResponseHead& head, std::string& buffer) {
  char text[kHeadroom];
  Writer out{text};
  out.Put(StatusLine(head.status));
  out.Put(head.stream ? kStream : head.plain ? kPlain : kJson);
  out.Put(kSecurity);
  out.Put("Date: ");
  out.Put(head.date.substr(0, 40));
  out.Put("\r\nX-Request-Id: ");
  out.Put(head.request_id.substr(0, 40));
  if (!head.allow.empty()) {
    out.Put("\r\nAllow: ");
    out.Put(head.allow.substr(0, 40));
  }
  if (head.close) {
    out.Put("\r\nConnection: close");
  } else if (head.keep_alive_said) {
    out.Put("\r\nConnection: keep-alive");
  }
  if (head.status != 204 && !head.stream) {
    out.Put("\r\nContent-Length: ");
    out.at = std::to_chars(out.at, out.at + 20, buffer.size() - kHeadroom).ptr;
  }
  out.Put("\r\n\r\n");
  const auto size = static_cast<std::size_t>(out.at - text);
  std::memcpy(buffer.data() + kHeadroom - size, text, size);
  return kHeadroom - size;
}

std::string NextRequestId() {
  static const std::string prefix = RandomHex(4);
  static std::atomic<std::uint32_t> counter{0};
  constexpr char kDigits[] = "0123456789abcdef";
  const std::uint32_t n = ++counter;
  std::string id = prefix;
  for (int shift = 28; shift >= 0; shift -= 4) id.push_back(kDigits[(n >> shift) & 0xf]);
  return id;
}

}  // namespace signet::rpc
