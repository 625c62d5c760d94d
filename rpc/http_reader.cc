#include "rpc/http_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>

namespace signet::rpc {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t kFirstBody = 512;

// Beast's parser without its container of fields: what is used is kept, the rest is only checked.
class RequestParser final : public http::basic_parser<true> {
 public:
  RequestParser(HttpRequest& request, const HttpLimits& limits)
      : request_(request), limits_(limits) {
    header_limit(limits.header);
    body_limit(limits.large_body);  // of what is not announced on_chunk_body_impl takes less
  }
  bool target_too_long() const { return target_too_long_; }

 private:
  using View = beast::string_view;
  using Code = beast::error_code;

  void on_request_impl(http::verb verb, View, View target, int version, Code& ec) override {
    if (target.size() > limits_.target) {
      target_too_long_ = true;
      ec = http::error::bad_target;
      return;
    }
    request_.method = verb == http::verb::get    ? HttpRequest::Method::kGet
                      : verb == http::verb::post ? HttpRequest::Method::kPost
                                                 : HttpRequest::Method::kOther;
    request_.target.assign(target.data(), target.size());
    request_.version = version;
  }
  void on_response_impl(int, View, int, Code&) override {}

  void on_field_impl(http::field name, View text, View value, Code& ec) override {
    if (is_header_done_) return;  // a trailer adds nothing
    switch (name) {
      case http::field::host:
        if (request_.has_host) ec = http::error::bad_field;
        request_.has_host = true;
        request_.host.assign(value.data(), value.size());
        return;
      case http::field::content_length:
        // Twice, even with the same value, is a sign of smuggling.
        if (seen_length_ || value.find(',') != View::npos)
          ec = http::error::multiple_content_length;
        seen_length_ = true;
        return;
      case http::field::transfer_encoding:
        if (seen_encoding_ || !beast::iequals(value, "chunked"))
          ec = http::error::bad_transfer_encoding;
        seen_encoding_ = true;
        return;
      case http::field::content_type:
        if (seen_type_) ec = http::error::bad_field;
        seen_type_ = true;
        request_.content_type.assign(value.data(), value.size());
        return;
      case http::field::origin:
        request_.origin.assign(value.data(), value.size());
        return;
      case http::field::expect:
        request_.expects_continue = beast::iequals(value, "100-continue");
        return;
      default:
        if (text.size() == 15 && beast::iequals(text, "Idempotency-Key")) {
          if (seen_key_ || value.empty()) ec = http::error::bad_field;
          seen_key_ = true;
          request_.idempotency_key.assign(value.data(), value.size());
        } else if (text.size() == 13 && beast::iequals(text, "Last-Event-ID")) {
          if (request_.has_last_event_id) ec = http::error::bad_field;
          request_.has_last_event_id = true;
          request_.last_event_id.assign(value.data(), value.size());
        }
    }
  }
  void on_header_impl(Code& ec) override {
    is_header_done_ = true;
    if (seen_length_ && seen_encoding_) ec = http::error::bad_transfer_encoding;
    if (seen_encoding_ && request_.version < 11) ec = http::error::bad_transfer_encoding;
    request_.keep_alive = keep_alive();
    request_.announced = content_length() ? *content_length() : 0;
    request_.has_body = seen_encoding_ || request_.announced > 0;
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, Code&) override {
    // Memory is given for what has come, not for what was announced.
    const std::uint64_t announced = length ? *length : kFirstBody;
    request_.body.reserve(static_cast<std::size_t>(
        std::min<std::uint64_t>(std::max<std::uint64_t>(announced, 64), 65536)));
  }
  std::size_t on_body_impl(View body, Code&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, Code& ec) override {
    if (request_.body.size() + body.size() > limits_.body) {
      ec = http::error::body_limit;
      return 0;
    }
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(Code&) override {}

  HttpRequest& request_;
  const HttpLimits& limits_;
  bool is_header_done_ = false, target_too_long_ = false;
  bool seen_length_ = false, seen_encoding_ = false, seen_type_ = false, seen_key_ = false;
};

}  // namespace

namespace {

// "0" CRLF CRLF has five octets (RFC 9112 section 7.1), so more must follow.
bool IsPieceOfLastChunk(std::string_view unread) {
  return unread.size() < 5 && unread.starts_with('0');
}

}  // namespace

struct HttpReader::Parser {
  std::optional<RequestParser> beast;
  bool header_told = false;
};

HttpReader::HttpReader(HttpLimits limits) : limits_(limits), parser_(std::make_unique<Parser>()) {
  Next();
}

HttpReader::~HttpReader() = default;

bool HttpReader::started() const { return parser_->beast->got_some(); }

void HttpReader::Next() {
  request_.method = HttpRequest::Method::kOther;
  request_.target.clear();
  request_.host.clear();
  request_.content_type.clear();
  request_.origin.clear();
  request_.idempotency_key.clear();
  request_.last_event_id.clear();
  request_.version = 11;
  request_.announced = 0;
  request_.has_host = request_.has_last_event_id = request_.has_body = request_.expects_continue =
      false;
  request_.keep_alive = true;
  if (!request_.body.empty() || request_.body.capacity() > 65536) request_.body = WipedString();
  parser_->beast.emplace(request_, limits_);
  parser_->header_told = false;
}

HttpReader::Step HttpReader::Feed(std::string_view bytes, std::size_t& used) {
  used = 0;
  RequestParser& parser = *parser_->beast;
  while (true) {
    if (parser.is_header_done() && !parser_->header_told) {
      parser_->header_told = true;
      return Step::kHeader;
    }
    if (parser.is_done()) return Step::kDone;
    if (used == bytes.size()) return Step::kNeedMore;
    // Beast 1.81 asserts that a last chunk which came in pieces has five octets by its second look.
    if (parser.is_header_done() && parser.chunked() && IsPieceOfLastChunk(bytes.substr(used)))
      return Step::kNeedMore;
    beast::error_code ec;
    const std::size_t count =
        parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
    used += count;
    if (ec == http::error::need_more) {
      if (count == 0) return Step::kNeedMore;
      continue;
    }
    if (ec == http::error::header_limit) return Step::kHeaderTooLarge;
    if (ec == http::error::body_limit) return Step::kBodyTooLarge;
    if (ec) return parser.target_too_long() ? Step::kTargetTooLong : Step::kBad;
  }
}

}  // namespace signet::rpc
