#include "rpc/http_rules.h"

#include <charconv>

#include "platform/encoding.h"
#include "platform/logging.h"
#include "rpc/http_response.h"
#include "rpc/json_rpc.h"
#include "rpc/method.h"

namespace signet::rpc {

namespace {

constexpr char kSpeakRpc[] =
    "Send JSON-RPC 2.0 with POST /rpc, or GET /health/state, /metrics or /events.";
constexpr std::string_view kEvents = "/events";

Refusal Refuse(int status, Kind kind, std::string word, std::string detail, std::string remedy) {
  Refusal refusal;
  refusal.status = status;
  refusal.error = MakeError(kind, std::move(word), std::move(detail), std::move(remedy));
  return refusal;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] - 'A' + 'a') : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// application/json, with no parameter but charset=utf-8.
bool IsJson(std::string_view type) {
  if (type == "application/json") return true;
  const std::size_t semicolon = type.find(';');
  if (!EqualsIgnoringCase(Trim(type.substr(0, semicolon)), "application/json")) return false;
  if (semicolon == std::string_view::npos) return true;
  const std::string_view parameter = Trim(type.substr(semicolon + 1));
  return parameter.empty() || EqualsIgnoringCase(parameter, "charset=utf-8") ||
         EqualsIgnoringCase(parameter, "charset=\"utf-8\"");
}

bool IsKey(std::string_view key) {
  if (key.size() > 128) return false;
  for (const char c : key) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

std::optional<Refusal> CheckHost(const HttpRequest& request, const Requester& requester) {
  if (requester.hosts == nullptr) return std::nullopt;
  if (!request.has_host) {
    return Refuse(400, Kind::kUsage, "HOST_MISSING", "the request names no host",
                  "Send a Host field with the appliance's name.");
  }
  if (!requester.hosts->Allows(request.host, requester.own_address)) {
    return Refuse(421, Kind::kUsage, "HOST_UNKNOWN",
                  "this appliance is not called '" + EscapeLine(request.host, 128) + "'",
                  "Use the appliance's own name or address.");
  }
  if (!request.origin.empty() &&
      !requester.hosts->AllowsOrigin(request.origin, requester.own_address)) {
    return Refuse(403, Kind::kDenied, "ORIGIN_REFUSED", "requests of other sites are not served",
                  "Use the appliance's own pages or a program.");
  }
  return std::nullopt;
}

Refusal WrongMethod(std::string_view allow) {
  Refusal refusal = Refuse(405, Kind::kUsage, "METHOD_NOT_ALLOWED",
                           "this path is not served with this HTTP method", kSpeakRpc);
  refusal.allow = allow;
  return refusal;
}

std::optional<Refusal> CheckRole(const Peer& peer) {
  if (peer.role != services::Role::kNone) return std::nullopt;
  std::string who = peer.actor;
  if (peer.local) who += " (process " + std::to_string(peer.pid) + ")";
  if (peer.actor == "anonymous") who = "a client without a certificate";
  return Refuse(403, Kind::kDenied, "ACCESS_DENIED", who + " has no role here",
                peer.local ? "Have an administrator add your user to a group with a role."
                           : "Use a client certificate that the appliance's configuration lists.");
}

std::string DescribeException(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception of an unknown type";
  }
}

std::optional<Refusal> CheckGet(const HttpRequest& request) {
  if (request.method != HttpRequest::Method::kGet) return WrongMethod("GET");
  if (!request.has_body) return std::nullopt;
  return Refuse(400, Kind::kUsage, "BODY_REFUSED", "a GET request has no body here", kSpeakRpc);
}

std::optional<Refusal> CheckEvents(const HttpRequest& request, const Peer& peer) {
  if (auto refusal = CheckGet(request)) return refusal;
  if (auto refusal = CheckRole(peer)) return refusal;
  if (!Allows(Access::kRead, peer.role)) {
    return Refuse(403, Kind::kDenied, "ACCESS_DENIED", peer.actor + " may not see events",
                  "Use a role of auditor, operator or administrator.");
  }
  auto cursor = EventCursor(request);
  if (cursor) return std::nullopt;
  Refusal refusal;
  refusal.error = std::move(cursor).error();
  return refusal;
}

}  // namespace

bool IsEventStream(std::string_view target) {
  return target.substr(0, target.find('?')) == kEvents;
}

Result<std::optional<std::int64_t>> EventCursor(const HttpRequest& request) {
  std::string_view text = request.last_event_id;
  if (!request.has_last_event_id) {
    constexpr std::string_view kAfter = "?after=";
    text = std::string_view(request.target).substr(kEvents.size());
    if (text.empty()) return std::optional<std::int64_t>();
    text = text.starts_with(kAfter) ? text.substr(kAfter.size()) : std::string_view();
  }
  std::int64_t cursor = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  const bool digits = !text.empty() && text.front() != '-';
  if (digits && problem == std::errc() && end == text.data() + text.size()) {
    return std::optional<std::int64_t>(cursor);
  }
  return MakeError(Kind::kUsage, "CURSOR_INVALID", "this is not the id of an event",
                   "Send the last id that you saw as Last-Event-ID or as /events?after=N, or "
                   "neither.");
}

Refusal NoRoomForStream() {
  return Refuse(503, Kind::kExhausted, "STREAMS_EXHAUSTED",
                "as many streams of events are open as there may be",
                "Close one, or ask 'event.list' from time to time.");
}

std::optional<Refusal> CheckHead(const HttpRequest& request, const Requester& requester) {
  if (auto refusal = CheckHost(request, requester)) return refusal;
  const std::string_view target = request.target;
  const bool is_health =
      target == "/health/ready" || target == "/health/alive" || target == "/health/state";
  if (IsEventStream(target)) return CheckEvents(request, *requester.peer);
  if (is_health || target == "/metrics") {
    if (auto refusal = CheckGet(request)) return refusal;
    if (is_health || Allows(Access::kMeasure, requester.peer->role)) return std::nullopt;
    return Refuse(403, Kind::kDenied, "ACCESS_DENIED",
                  requester.peer->actor + " may not see figures",
                  "Use a role of metrics, auditor, operator or administrator.");
  }
  if (target != "/rpc") {
    return Refuse(404, Kind::kNotFound, "PATH_NOT_FOUND", "there is nothing at this path",
                  kSpeakRpc);
  }
  if (request.method != HttpRequest::Method::kPost) return WrongMethod("POST");
  if (auto refusal = CheckRole(*requester.peer)) return refusal;
  if (!IsJson(request.content_type)) {
    return Refuse(415, Kind::kUsage, "CONTENT_TYPE_REFUSED",
                  "the body must be application/json in UTF-8",
                  "Send the field 'Content-Type: application/json'.");
  }
  if (!IsKey(request.idempotency_key)) {
    return Refuse(400, Kind::kUsage, "IDEMPOTENCY_KEY_INVALID",
                  "an idempotency key is 1 to 128 visible ASCII characters",
                  "Use, for example, a UUID.");
  }
  return std::nullopt;
}

services::RequestContext ContextOf(const Peer& peer, std::string_view request_id) {
  services::RequestContext context;
  context.actor = peer.actor;
  context.role = peer.role;
  context.purposes = peer.purposes;
  context.origin = peer.origin;
  context.local = peer.local;
  context.uid = peer.uid;
  context.request_id = request_id;
  return context;
}

bool MaySendLargeBody(const Peer& peer) { return Allows(Access::kOperate, peer.role); }

Refusal NoRoomForBody() {
  return Refuse(503, Kind::kExhausted, "LARGE_REQUEST_BUSY",
                "another large request is being worked on, and one at a time is taken",
                "Repeat it in a few seconds.");
}

Refusal RefusalOf(HttpReader::Step step) {
  switch (step) {
    case HttpReader::Step::kHeaderTooLarge:
      return Refuse(431, Kind::kUsage, "HEADER_TOO_LARGE", "the head of the request is too large",
                    "Send less than 16 KiB of header fields.");
    case HttpReader::Step::kTargetTooLong:
      return Refuse(414, Kind::kUsage, "TARGET_TOO_LONG", "the path of the request is too long",
                    kSpeakRpc);
    case HttpReader::Step::kBodyTooLarge:
      return Refuse(413, Kind::kUsage, "BODY_TOO_LARGE", "the body of the request is too large",
                    "Send at most 4 MiB in one request; a bundle of CA certificates 72 MiB, with "
                    "Content-Length.");
    default:
      return Refuse(400, Kind::kUsage, "HTTP_INVALID",
                    "this is no HTTP/1.1 request, or its framing is ambiguous", kSpeakRpc);
  }
}

Refusal RefusalOf(const std::exception_ptr& failure, std::string_view request_id) {
  Refusal refusal;
  refusal.status = 500;
  refusal.error = InternalError(DescribeException(failure));
  Log(LogLevel::kError, "request " + std::string(request_id) + ": " + refusal.error.detail);
  return refusal;
}

void WriteRefusal(const Refusal& refusal, std::string_view request_id, std::string& out) {
  WriteError(nullptr, CodeOf(refusal.error), refusal.error, request_id, out);
}

HealthAnswer HealthOf(std::string_view target, const ApplianceView& view) {
  if (target == "/health/ready") {
    if (view.ready()) return {200, R"({"ready":true})"};
    return {503, R"({"ready":false})"};
  }
  if (target == "/health/alive") return {200, R"({"alive":true})"};
  switch (view.token_state()) {
    case hsm::TokenState::kUnprovisioned:
      return {200, R"({"state":"unprovisioned"})"};
    case hsm::TokenState::kLocked:
      return {200, R"({"state":"locked"})"};
    case hsm::TokenState::kOperational:
      return {200, R"({"state":"operational"})"};
    case hsm::TokenState::kFailed:
      break;
  }
  return {200, R"({"state":"failed"})"};
}

void LogAccess(const Peer& peer, const HttpRequest& request, int status,
               std::string_view request_id) {
  std::string line = peer.actor + " " + peer.origin + " " + EscapeLine(request.target, 128) + " " +
                     std::to_string(status) + " ";
  Log(LogLevel::kDebug, line.append(request_id));
}

}  // namespace signet::rpc
