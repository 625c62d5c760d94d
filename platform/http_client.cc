#include "platform/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

constexpr std::size_t kMaxResponse = 64u << 20;

struct CurlDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct SlistDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Received {
  CURL* curl = nullptr;
  const std::function<bool(std::string_view)>* on_data = nullptr;  // null: into `body`
  std::string body;
  bool too_large = false, stopped = false;
};

bool IsOk(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status == 200;
}

std::size_t OnData(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  auto& received = *static_cast<Received*>(user);
  const std::size_t bytes = size * count;
  if (received.on_data != nullptr && IsOk(received.curl)) {
    received.stopped = !(*received.on_data)(std::string_view(data, bytes));
    return received.stopped ? 0 : bytes;
  }
  if (bytes > kMaxResponse - received.body.size()) {
    received.too_large = true;
    return 0;
  }
  try {
    received.body.append(data, bytes);
  } catch (const std::exception&) {
    return 0;
  }
  return bytes;
}

std::string Where(const HttpTarget& target) {
  return EscapeLine(target.unix_socket.empty() ? target.url : target.unix_socket);
}

Error Translate(const HttpTarget& target, CURLcode code, std::string_view text, bool too_large) {
  const std::string detail = Where(target) + ": " + EscapeLine(text);
  Error error;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      error = MakeError(Kind::kUnreachable, "UNREACHABLE", detail,
                        "Is signetd running? Try 'systemctl status signetd', and check the address "
                        "and that you may use its socket.");
      break;
    case CURLE_OPERATION_TIMEDOUT:
      error =
          MakeError(Kind::kTimeout, "HTTP_TIMED_OUT", detail,
                    "Look at 'signet status'; repeat the request with the same idempotency key.");
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
      error =
          MakeError(Kind::kUnreachable, "TLS_FAILED", detail,
                    "Check the CA file, the client certificate and its key, and the host name.");
      break;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      error =
          MakeError(Kind::kUsage, "BAD_ADDRESS", detail, "Give an address like https://host:port.");
      break;
    case CURLE_WRITE_ERROR:
      error = too_large ? MakeError(Kind::kUnavailable, "RESPONSE_TOO_LARGE",
                                    Where(target) + ": the answer has more than 64 MiB",
                                    "Ask for less at once (pages, filters).")
                        : MakeError(Kind::kUnavailable, "HTTP_FAILED", detail, "Try again.");
      break;
    default:
      error = MakeError(Kind::kUnavailable, "HTTP_FAILED", detail,
                        "The connection broke; look at the log of signetd, then try again.");
  }
  error.origin = {"curl", static_cast<std::uint64_t>(code)};
  return error;
}

// Options that both methods share. False when the library refuses one.
bool Configure(CURL* curl, const HttpTarget& target, const std::string& url, Duration timeout) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  const long limit = static_cast<long>(std::clamp<decltype(ms + 0)>(ms, 1, 24L * 3600 * 1000));
  bool ok = true;
  const auto set = [&](auto option, auto value) {
    ok = ok && curl_easy_setopt(curl, option, value) == CURLE_OK;
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // the environment's http_proxy is not asked
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, limit);
  set(CURLOPT_CONNECTTIMEOUT_MS, std::min(limit, 10'000L));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_USERAGENT, "signet/" SIGNET_VERSION);
  if (!target.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, target.unix_socket.c_str());
  if (!target.ca_file.empty()) {
    set(CURLOPT_CAINFO, target.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // this CA and no other
  }
  if (!target.client_cert.empty()) set(CURLOPT_SSLCERT, target.client_cert.c_str());
  if (!target.client_key.empty()) set(CURLOPT_SSLKEY, target.client_key.c_str());
  return ok;
}

// What is asked for. `content_type` is null for GET; `on_data` for an answer as a whole.
struct Request {
  std::string_view path;
  const std::string_view* content_type = nullptr;
  std::string_view body;
  Duration timeout;  // of the whole, or of a stream's silence
  const std::function<bool(std::string_view)>* on_data = nullptr;
};

Result<HttpResponse> Perform(const HttpTarget& target, const Request& request) {
  const std::string_view* content_type = request.content_type;
  const std::string_view body = request.body;
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, CurlDelete> curl(curl_easy_init());
  if (!curl) return InternalError("curl cannot start");

  std::string url = target.url.empty() ? "http://localhost" : target.url;
  while (url.ends_with('/')) url.pop_back();
  url += request.path;

  Received received;
  received.curl = curl.get();
  received.on_data = request.on_data;
  std::array<char, CURL_ERROR_SIZE> text{};
  std::unique_ptr<curl_slist, SlistDelete> headers;
  bool ok = Configure(curl.get(), target, url, request.timeout);
  const auto set = [&](auto option, auto value) {
    ok = ok && curl_easy_setopt(curl.get(), option, value) == CURLE_OK;
  };
  if (request.on_data != nullptr) {
    set(CURLOPT_TIMEOUT_MS, 0L);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME,
        static_cast<long>(
            std::chrono::duration_cast<std::chrono::seconds>(request.timeout).count()));
  }
  set(CURLOPT_ERRORBUFFER, text.data());
  set(CURLOPT_WRITEFUNCTION, &OnData);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&received));
  const auto add_header = [&](const std::string& line) {
    curl_slist* list = curl_slist_append(headers.get(), line.c_str());
    ok = ok && list != nullptr && line.find_first_of("\r\n") == std::string::npos;
    if (list != nullptr && headers == nullptr) headers.reset(list);
  };
  for (const std::string& line : target.headers) add_header(line);
  if (content_type != nullptr) {
    add_header("Content-Type: " + std::string(*content_type));
    // No "Expect: 100-continue": it costs a second with servers that do not know it.
    add_header("Expect:");
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
  }
  set(CURLOPT_HTTPHEADER, headers.get());
  if (!ok) {
    return MakeError(Kind::kUsage, "BAD_ADDRESS",
                     Where(target) + ": curl refuses the address or an option",
                     "Give an address like https://host:port, or a socket path below 108 bytes.");
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK && !received.stopped) {
    return Translate(target, code, text[0] != '\0' ? text.data() : curl_easy_strerror(code),
                     received.too_large);
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  HttpResponse response;
  response.status = static_cast<int>(status);
  response.body = std::move(received.body);
  return response;
}

}  // namespace

Result<HttpResponse> HttpPost(const HttpTarget& target, std::string_view path,
                              std::string_view content_type, std::string_view body,
                              Duration timeout) {
  return Perform(target, {path, &content_type, body, timeout, nullptr});
}

Result<HttpResponse> HttpGet(const HttpTarget& target, std::string_view path, Duration timeout) {
  return Perform(target, {path, nullptr, {}, timeout, nullptr});
}

Result<HttpResponse> HttpStream(const HttpTarget& target, std::string_view path,
                                const std::function<bool(std::string_view)>& on_data,
                                Duration silence) {
  return Perform(target, {path, nullptr, {}, silence, &on_data});
}

}  // namespace signet
