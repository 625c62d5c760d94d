#include "tools/cli/rpc_client.h"

#include <chrono>
#include <set>

namespace signet::tools {
namespace {

// Longer than the daemon's own limit of a request, so that its time-out is the one that is seen.
constexpr Duration kTimeout = std::chrono::seconds(120);
constexpr Duration kLongTimeout = std::chrono::hours(24);  // longer than any plan
constexpr std::int64_t kPageSize = 1000;
constexpr JsonLimits kAnswerLimits{64u << 20, 64};

Error Unreadable(std::string detail) {
  return MakeError(Kind::kUnavailable, "ANSWER_UNREADABLE", std::move(detail),
                   "Check that the socket or URL is signetd's and of the same version.");
}

Finding ReadFinding(const json::object& object) {
  Finding finding;
  const std::string severity = TextOf(object, "severity");
  finding.severity = severity == "error"     ? Severity::kError
                     : severity == "warning" ? Severity::kWarning
                                             : Severity::kInfo;
  finding.id = TextOf(object, "id");
  finding.text = TextOf(object, "text");
  finding.certificate = TextOf(object, "certificate");
  return finding;
}

// The kind of an error that carries no `data.kind`: a protocol error.
Kind KindOfCode(std::int64_t code) {
  // JSON-RPC 2.0, section 5.1: invalid request, method not found, invalid params.
  return code <= -32600 && code >= -32602 ? Kind::kUsage : Kind::kInternal;
}

Error ReadError(const json::object& object) {
  Error error;
  const json::value* code = object.if_contains("code");
  error.kind = KindOfCode(code != nullptr && code->is_int64() ? code->get_int64() : 0);
  error.detail = TextOf(object, "message");
  const json::value* data = object.if_contains("data");
  if (data == nullptr || !data->is_object()) {
    if (error.kind == Kind::kUsage) error.remedy = "See 'signet rpc rpc.discover' for the methods.";
    return error;
  }
  const json::object& fields = data->get_object();
  if (const std::string kind = TextOf(fields, "kind"); !kind.empty())
    error.kind = KindFromName(kind);
  error.word = TextOf(fields, "code");
  if (const std::string detail = TextOf(fields, "detail"); !detail.empty()) error.detail = detail;
  error.remedy = TextOf(fields, "remedy");
  error.pointer = TextOf(fields, "pointer");
  error.findings = FindingsOf(fields);
  return error;
}

// Without a JSON-RPC answer the HTTP status is all there is.
Error HttpError(int status) {
  const std::string detail = "the daemon answered HTTP " + std::to_string(status);
  if (status == 401 || status == 403) {
    return MakeError(Kind::kDenied, "DENIED", detail,
                     "Use the socket as an administrator, or give --client-cert and --client-key.");
  }
  if (status == 413) {
    return MakeError(Kind::kUsage, "REQUEST_TOO_LARGE", detail, "Send fewer files at a time.");
  }
  if (status == 429 || status == 503) {
    return MakeError(Kind::kExhausted, "BUSY", detail, "Try again in a moment.");
  }
  return Unreadable(detail);
}

}  // namespace

std::string TextOf(const json::object& object, std::string_view member) {
  const json::value* value = object.if_contains(member);
  if (value == nullptr || !value->is_string()) return {};
  const json::string& text = value->get_string();
  return {text.data(), text.size()};
}

Error ErrorOfAnswer(int status, std::string_view body) {
  const Result<json::value> parsed = ParseJson(body, kAnswerLimits);
  const json::value* error = parsed && parsed.value().is_object()
                                 ? parsed.value().get_object().if_contains("error")
                                 : nullptr;
  return error != nullptr && error->is_object() ? ReadError(error->get_object())
                                                : HttpError(status);
}

Findings FindingsOf(const json::object& object, std::string_view member) {
  Findings findings;
  const json::value* list = object.if_contains(member);
  if (list == nullptr || !list->is_array()) return findings;
  for (const json::value& item : list->get_array()) {
    if (item.is_object()) findings.push_back(ReadFinding(item.get_object()));
  }
  return findings;
}

RpcClient::RpcClient(HttpTarget target, std::string_view idempotency_key, bool patient)
    : target_(std::move(target)), patience_(patient ? kLongTimeout : kTimeout) {
  if (!idempotency_key.empty()) {
    target_.headers.push_back("Idempotency-Key: " + std::string(idempotency_key));
  }
}

Result<json::value> RpcClient::Call(std::string_view method, const json::object& params) {
  json::object request(params.storage());
  request["jsonrpc"] = "2.0";
  request["id"] = 1;
  request["method"] = json::string_view(method.data(), method.size());
  request["params"] = params;
  WipedString body;  // may hold a PIN
  json::serializer serializer;
  serializer.reset(&request);
  std::array<char, 4096> buffer{};
  while (!serializer.done()) {
    const json::string_view part = serializer.read(buffer.data(), buffer.size());
    body.append(part.data(), part.size());
  }
  Wipe(buffer.data(), buffer.size());

  SIGNET_TRY(const HttpResponse response,
             HttpPost(target_, "/rpc", "application/json", {body.data(), body.size()}, patience_));
  Result<json::value> parsed = ParseJson(response.body, kAnswerLimits);
  if (!parsed || !parsed.value().is_object()) return HttpError(response.status);
  json::object& answer = parsed.value().get_object();
  if (const json::value* error = answer.if_contains("error"); error != nullptr) {
    if (error->is_object()) return ReadError(error->get_object());
    return Unreadable("the answer's error is not an object");
  }
  json::value* result = answer.if_contains("result");
  if (result == nullptr) return HttpError(response.status);
  return std::move(*result);
}

Result<json::value> RpcClient::CallAll(std::string_view method, json::object params) {
  json::array all;
  std::set<std::string> seen;
  params["limit"] = kPageSize;
  for (;;) {
    SIGNET_TRY(json::value page, Call(method, params));
    json::object* object = page.if_object();
    json::value* items = object == nullptr ? nullptr : object->if_contains("items");
    if (items == nullptr || !items->is_array()) return page;
    for (json::value& item : items->get_array()) all.push_back(std::move(item));
    const std::string next = TextOf(*object, "next");
    if (next.empty()) return json::value(std::move(all));
    if (!seen.insert(next).second) return Unreadable("the list's pages go round in a circle");
    params["cursor"] = next;
  }
}

}  // namespace signet::tools
