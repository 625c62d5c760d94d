#include "platform/outgoing_http.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "platform/curl_session.h"
#include "platform/dialer.h"
#include "platform/host_port.h"

namespace signet {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxUrl = 4096;
constexpr std::size_t kMaxHeaders = 32 * 1024;
constexpr seconds kMaxAge = seconds(10L * 365 * 86400);
constexpr unsigned kUrlFlags = CURLU_DISALLOW_USER | CURLU_URLENCODE;
constexpr std::string_view kUrlForm =
    "The URL must be like http://host/path, without a user; correct the setting, or have the "
    "certificate's issuer asked.";

// A place to go to, taken apart by curl's own parser, so that no other one can see another host.
struct Hop {
  CurlUrl url;
  HostPort target;
  bool tls = false;
  std::string text;  // escaped
};

Error UrlInvalid(std::string_view url, std::string_view problem) {
  return MakeError(Kind::kUsage, "URL_INVALID",
                   "'" + EscapeLine(url, 200) + "': " + std::string(problem),
                   std::string(kUrlForm));
}

// `given`: the text that it was made of, which may be relative.
Result<Hop> TakeApart(CurlUrl url, std::string_view given) {
  Hop hop;
  const std::string scheme = PartOf(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return MakeError(Kind::kUsage, "URL_SCHEME_NOT_ALLOWED",
                     "'" + EscapeLine(given, 200) + "': " + EscapeLine(scheme, 20) +
                         " is neither http nor https",
                     "Nothing is fetched from there; a URL with http is needed.");
  }
  hop.tls = scheme == "https";
  if (!PartOf(url.get(), CURLUPART_ZONEID).empty()) return UrlInvalid(given, "it has a zone");
  const std::string host = PartOf(url.get(), CURLUPART_HOST);
  const std::string port = PartOf(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (Result<HostPort> target = ParseHostPort(host + ":" + port, 0); target) {
    hop.target = std::move(target).value();
  } else {
    return UrlInvalid(given, target.error().detail);
  }
  // curl makes 127.0.0.1 of 2130706433, 0x7f.1 and 0177.1.
  if (hop.target.address && hop.target.address->is_v4() &&
      given.find(hop.target.host) == std::string_view::npos &&
      (given.find("//") != std::string_view::npos)) {
    return UrlInvalid(given, "an IPv4 address has four decimal numbers");
  }
  const bool v6 = hop.target.address && hop.target.address->is_v6();
  const std::string normal = v6 ? "[" + hop.target.host + "]" : hop.target.host;
  if (curl_url_set(url.get(), CURLUPART_HOST, normal.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0) != CURLUE_OK) {
    return UrlInvalid(given, "curl refuses the host");
  }
  hop.text = EscapeLine(PartOf(url.get(), CURLUPART_URL), 200);
  hop.url = std::move(url);
  return hop;
}

// `text` relative to `base`, or absolute where that is null.
Result<Hop> HopTo(CURLU* base, std::string_view text) {
  InitialiseCurl();
  if (text.size() > kMaxUrl) {
    return UrlInvalid(text, "longer than " + std::to_string(kMaxUrl) + " octets");
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7F; };
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return UrlInvalid(text, "white space or a control character");
  }
  CurlUrl url(base == nullptr ? curl_url() : curl_url_dup(base));
  if (!url) return InternalError("curl has no memory");
  const CURLUcode code =
      curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), kUrlFlags);
  if (code != CURLUE_OK) return UrlInvalid(text, curl_url_strerror(code));
  return TakeApart(std::move(url), text);
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// All values of a header, commas between.
std::string HeaderOf(CURL* curl, const char* name) {
  std::string value;
  curl_header* header = nullptr;
  for (std::size_t i = 0; curl_easy_header(curl, name, i, CURLH_HEADER, -1, &header) == CURLHE_OK;
       ++i) {
    if (i > 0) value += ", ";
    value += header->value;
  }
  return value;
}

// The first of them.
std::string LocationOf(CURL* curl) {
  curl_header* header = nullptr;
  const bool found = curl_easy_header(curl, "Location", 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
  return found ? header->value : "";
}

long StatusOf(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

bool IsRedirect(CURL* curl) {
  constexpr std::array<long, 5> kRedirects{301, 302, 303, 307, 308};
  return std::find(kRedirects.begin(), kRedirects.end(), StatusOf(curl)) != kRedirects.end() &&
         !LocationOf(curl).empty();
}

std::vector<std::string_view> Elements(std::string_view list) {
  std::vector<std::string_view> elements;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view element = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) {
      element.remove_prefix(1);
    }
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) {
      element.remove_suffix(1);
    }
    if (!element.empty()) elements.push_back(element);
  }
  return elements;
}

// Whether the server applied a coding to the body that nobody asked for. curl would undo those of
// the transfer without being told.
bool IsEncoded(CURL* curl) {
  const std::string content = HeaderOf(curl, "Content-Encoding");
  const std::string transfer = HeaderOf(curl, "Transfer-Encoding");
  const auto unwanted = [](std::string_view list, std::string_view harmless) {
    const auto elements = Elements(list);
    return std::any_of(elements.begin(), elements.end(), [harmless](std::string_view element) {
      return !EqualsIgnoringCase(element, "identity") && !EqualsIgnoringCase(element, harmless);
    });
  };
  return unwanted(content, "identity") || unwanted(transfer, "chunked");
}

std::optional<seconds> MaxAgeIn(std::string_view cache_control) {
  constexpr std::string_view kName = "max-age=";
  std::optional<seconds> smallest;
  const auto take = [&](seconds value) { smallest = std::min(smallest.value_or(value), value); };
  for (const std::string_view element : Elements(cache_control)) {
    if (EqualsIgnoringCase(element, "no-store") || EqualsIgnoringCase(element, "no-cache")) {
      take(seconds(0));
    } else if (EqualsIgnoringCase(element.substr(0, kName.size()), kName)) {
      std::string_view digits = element.substr(kName.size());
      if (digits.size() > 1 && digits.front() == '"' && digits.back() == '"') {
        digits = digits.substr(1, digits.size() - 2);
      }
      long value = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (end != digits.data() + digits.size() || digits.empty() || digits.front() == '-') continue;
      take(error == std::errc() ? std::min(seconds(value), kMaxAge) : kMaxAge);
    }
  }
  return smallest;
}

// What is taken in, and why reading stopped.
struct Intake {
  enum class Stop : std::uint8_t { kNone, kTooLarge, kHeaders, kEncoded, kRedirect, kMemory };
  CURL* curl = nullptr;
  std::size_t most = 0, headers = 0;
  Bytes body;
  Stop stop = Stop::kNone;
};

std::size_t OnHeader(char*, std::size_t size, std::size_t count, void* user) noexcept {
  Intake& intake = *static_cast<Intake*>(user);
  intake.headers += size * count;
  if (intake.headers <= kMaxHeaders) return size * count;
  intake.stop = Intake::Stop::kHeaders;
  return 0;
}

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  Intake& intake = *static_cast<Intake*>(user);
  const std::size_t bytes = size * count;
  try {
    if (intake.body.empty()) {
      if (IsRedirect(intake.curl)) {
        intake.stop = Intake::Stop::kRedirect;
      } else if (IsEncoded(intake.curl)) {
        intake.stop = Intake::Stop::kEncoded;
      }
    }
    if (intake.stop == Intake::Stop::kNone && bytes > intake.most - intake.body.size()) {
      intake.stop = Intake::Stop::kTooLarge;
    }
    if (intake.stop != Intake::Stop::kNone) return 0;
    intake.body.append(data, bytes);
  } catch (const std::exception&) {
    intake.stop = Intake::Stop::kMemory;
    return 0;
  }
  return bytes;
}

Error Failed(const Hop& hop, const OutgoingRequest& request, const Intake& intake,
             const CurlSession::Ending& ending) {
  Kind kind = Kind::kUnavailable;
  const auto make = [&](std::string word, const std::string& what, std::string remedy) {
    return MakeError(kind, std::move(word), hop.text + ": " + what, std::move(remedy));
  };
  Error error;
  if (intake.stop == Intake::Stop::kTooLarge) {
    return make("HTTP_TOO_LARGE", "more than " + std::to_string(request.most) + " octets",
                "Look at what that server sends ('curl -v URL'); the answer is not what was asked "
                "for.");
  }
  if (intake.stop == Intake::Stop::kHeaders) {
    return make("HTTP_TOO_LARGE", "more than 32 KiB of header lines",
                "Look at what that server sends ('curl -v URL').");
  }
  if (intake.stop == Intake::Stop::kEncoded) {
    return make("HTTP_ENCODED", "the answer is compressed, which was not asked for",
                "Have the server's compression switched off for this URL.");
  }
  switch (ending.code) {
    case CURLE_OPERATION_TIMEDOUT:
      kind = Kind::kTimeout;
      error = make("HTTP_TIMED_OUT", ending.text,
                   "The server is slow; try again later, or look at it with 'curl -v URL'.");
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      error =
          make("HTTP_TLS_FAILED", ending.text,
               "The server's certificate must be of a CA that is trusted (without a setting: by "
               "this machine, package ca-certificates) and bear the host's name.");
      break;
    default:
      error = make("HTTP_FAILED", ending.text,
                   "The server broke off or does not speak HTTP; look at it with 'curl -v URL'.");
  }
  error.origin = {"curl", static_cast<std::uint64_t>(ending.code)};
  return error;
}

bool AddHeader(CurlList& headers, const std::string& name, std::string_view value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return false;
  return headers.Add(name + ":" + (value.empty() ? "" : " ") + std::string(value));
}

void Configure(CurlSession& session, const Hop& hop, const OutgoingRequest& request,
               HttpMethod method, CurlList& headers, Intake& intake) {
  session.Set(CURLOPT_CURLU, hop.url.get());
  session.Set(CURLOPT_PROTOCOLS_STR, "http,https");
  session.TrustOnly(request.trust_pem);
  session.Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  session.Set(CURLOPT_HTTP09_ALLOWED, 0L);
  session.Set(CURLOPT_USERAGENT, "signet/" SIGNET_VERSION);
  session.Set(CURLOPT_LOW_SPEED_LIMIT, 64L);
  session.Set(CURLOPT_LOW_SPEED_TIME, 10L);
  session.Set(CURLOPT_HEADERFUNCTION, &OnHeader);
  session.Set(CURLOPT_HEADERDATA, static_cast<void*>(&intake));
  session.Set(CURLOPT_WRITEFUNCTION, &OnBody);
  session.Set(CURLOPT_WRITEDATA, static_cast<void*>(&intake));
  if (!request.accept.empty()) session.Require(AddHeader(headers, "Accept", request.accept));
  if (method == HttpMethod::kPost) {
    session.Require(AddHeader(headers, "Content-Type", request.content_type));
    // No "Expect: 100-continue": it costs a second with servers that do not know it.
    session.Require(AddHeader(headers, "Expect", ""));
    session.Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    session.Set(CURLOPT_POSTFIELDS, request.body.c_str());
  }
  session.Set(CURLOPT_HTTPHEADER, headers.get());
}

struct Step {
  OutgoingResponse response;
  std::string location;  // where to go next; empty: the response is the answer
};

Result<Step> Visit(const Hop& hop, const OutgoingRequest& request, HttpMethod method,
                   SteadyTime deadline) {
  SIGNET_TRY(Connection connection, Dial(hop.target, request.policy, deadline));
  CurlSession session(std::move(connection), hop.target.port, deadline);
  Intake intake;
  intake.curl = session.handle();
  intake.most = request.most;
  CurlList headers;
  Configure(session, hop, request, method, headers, intake);
  if (!session.ok()) return InternalError("curl refuses the request to " + hop.text);
  const CurlSession::Ending ending = session.Perform();
  if (ending.code != CURLE_OK && intake.stop != Intake::Stop::kRedirect) {
    return Failed(hop, request, intake, ending);
  }
  CURL* const curl = session.handle();
  Step step;
  if (IsRedirect(curl)) step.location = LocationOf(curl);
  step.response.status = static_cast<int>(StatusOf(curl));
  step.response.content_type = EscapeLine(HeaderOf(curl, "Content-Type"), 128);
  step.response.max_age = MaxAgeIn(HeaderOf(curl, "Cache-Control"));
  curl_off_t wait = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0) {
    step.response.retry_after = std::min(seconds(wait), seconds(6 * 3600));
  }
  step.response.body = std::move(intake.body);
  return step;
}

}  // namespace

Status CheckOutgoingUrl(std::string_view url) {
  SIGNET_TRY(HopTo(nullptr, url));
  return Ok();
}

Result<HostPort> OutgoingTarget(std::string_view url) {
  SIGNET_TRY(Hop hop, HopTo(nullptr, url));
  return std::move(hop.target);
}

Result<OutgoingResponse> FetchOutgoing(const OutgoingRequest& request) {
  const SteadyTime deadline = steady_clock::now() + request.limit;
  HttpMethod method = request.method;
  std::string via;  // who sent us on
  const auto tell = [&via](Error error) {
    if (!via.empty()) error.detail = via + " leads elsewhere: " + error.detail;
    return error;
  };
  SIGNET_TRY(Hop hop, HopTo(nullptr, request.url));
  for (int left = request.redirects;; --left) {
    Result<Step> visited = Visit(hop, request, method, deadline);
    if (!visited) return tell(std::move(visited).error());
    Step step = std::move(visited).value();
    if (step.location.empty()) return std::move(step.response);
    if (left <= 0) {
      return MakeError(Kind::kUnavailable, "HTTP_TOO_MANY_REDIRECTS",
                       hop.text + ": leads on after " + std::to_string(request.redirects) +
                           " redirects, to '" + EscapeLine(step.location, 200) + "'",
                       "Name the last place directly, if you trust it.");
    }
    via = hop.text;
    Result<Hop> next = HopTo(hop.url.get(), step.location);
    if (!next) return tell(std::move(next).error());
    if (hop.tls && !next.value().tls) {
      return MakeError(Kind::kUnavailable, "HTTP_DOWNGRADED",
                       via + ": leads from https to " + next.value().text,
                       "Name that place directly, if plain http will do.");
    }
    // RFC 9110 section 15.4.4; for the others the question is in the body, and nothing secret.
    if (step.response.status == 303) method = HttpMethod::kGet;
    hop = std::move(next).value();
  }
}

}  // namespace signet
