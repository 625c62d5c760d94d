// JSON-RPC 2.0 from the client's side: one call, one answer, and lists as a whole.
#pragma once

#include <string>
#include <string_view>

#include "platform/error.h"
#include "platform/http_client.h"
#include "platform/json.h"

namespace signet::tools {

// A member that is a text; empty where there is none.
std::string TextOf(const json::object& object, std::string_view member);
// What an answer that is no result of a call says: its error, else what the HTTP status means.
Error ErrorOfAnswer(int status, std::string_view body);

// The findings in `object[member]`, none when there is no such list.
Findings FindingsOf(const json::object& object, std::string_view member = "findings");

class RpcClient {
 public:
  // `idempotency_key` may be empty. `patient`: an answer may take hours.
  RpcClient(HttpTarget target, std::string_view idempotency_key, bool patient = false);

  // The result. The daemon's errors come back as they left it (kind, word, detail, remedy,
  // findings, pointer); protocol errors are kUsage or kInternal, transport errors as HttpPost says;
  // kUnavailable ANSWER_UNREADABLE when the peer does not speak JSON-RPC.
  Result<json::value> Call(std::string_view method, const json::object& params);

  // All pages of a list {items, next}, joined. An answer that is no page is handed through.
  Result<json::value> CallAll(std::string_view method, json::object params);

 private:
  HttpTarget target_;
  Duration patience_;
};

}  // namespace signet::tools
