// What a request's head must look like, by path and peer, and how refusals are written. Pure.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "platform/error.h"
#include "rpc/appliance_view.h"
#include "rpc/authentication.h"
#include "rpc/host_filter.h"
#include "rpc/http_reader.h"

namespace signet::rpc {

// A request that is not let in. The connection ends after it.
struct Refusal {
  int status = 400;
  Error error;
  std::string_view allow;  // methods, for 405
};

struct Requester {
  const Peer* peer = nullptr;
  std::string_view own_address;       // of this end, on TCP
  const HostFilter* hosts = nullptr;  // null: Host is not checked (Unix socket)
};

// 404, 405, 415, 421, 403 (no role, strange origin), 400. Nothing of the body has been read yet.
std::optional<Refusal> CheckHead(const HttpRequest& request, const Requester& requester);

// GET /events, with or without `?after=N`.
bool IsEventStream(std::string_view target);
// Where a stream of events begins: the field Last-Event-ID, else `?after=N`, else nothing: now.
// kUsage CURSOR_INVALID.
Result<std::optional<std::int64_t>> EventCursor(const HttpRequest& request);
Refusal NoRoomForStream();  // 503

services::RequestContext ContextOf(const Peer& peer, std::string_view request_id);

// Whether `peer` may send a body that is larger than usual: who may not store anything may not.
bool MaySendLargeBody(const Peer& peer);
Refusal NoRoomForBody();  // 503: another one is being worked on

// For a step of the reader that is an end: 400, 413, 414, 431.
Refusal RefusalOf(HttpReader::Step step);

// For a defect: 500. Logged.
Refusal RefusalOf(const std::exception_ptr& failure, std::string_view request_id);

// Appends a JSON-RPC error with id null.
void WriteRefusal(const Refusal& refusal, std::string_view request_id, std::string& out);

struct HealthAnswer {
  int status;
  std::string_view body;
};
HealthAnswer HealthOf(std::string_view target, const ApplianceView& view);

void LogAccess(const Peer& peer, const HttpRequest& request, int status,
               std::string_view request_id);

}  // namespace signet::rpc
