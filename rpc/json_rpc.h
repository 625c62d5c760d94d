// JSON-RPC 2.0 as text and values: what a request must look like, and how answers and errors are
// written (jsonrpc.org/specification). Pure functions; nothing is called here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/json.h"

namespace signet::rpc {

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalErrorCode = -32603;

inline constexpr std::size_t kMaxBatch = 50;
inline constexpr std::size_t kMaxIdBytes = 127;

// The JSON-RPC code of an Error: by its Kind from -32001 on (kUsage -32001, kRefused -32002, …);
// a parameter at fault is -32602, a defect -32603.
int CodeOf(const Error& error);

// One call as it stands in a request. `params` is an object always.
struct CallEnvelope {
  json::value id;  // string, integer or null
  bool notification = false;
  std::string_view method;  // refers into the parsed document
  json::value params;
};

// What is wrong with a call, with the id to answer to (null when it has none that can be echoed).
struct CallProblem {
  json::value id;
  int code = kInvalidRequest;
  Error error;
};

// Reads one call; takes `params` out of `item`. Refused: another "jsonrpc" than "2.0", unknown
// members, an id that is no string below 128 bytes, integer or null, params by position.
std::optional<CallProblem> ReadCall(json::value& item, CallEnvelope& out);

// Appended to `out`: {"jsonrpc":"2.0","id":…,"result":…}.
void WriteResult(const json::value& id, const json::value& result, std::string& out);
// Appended to `out`: {"jsonrpc":"2.0","id":…,"error":{code, message, data:{code, kind, detail,
// remedy, findings?, pointer?, requestId}}}. A defect's detail stays inside.
void WriteError(const json::value& id, int code, const Error& error, std::string_view request_id,
                std::string& out);
void WriteJson(const json::value& value, std::string& out);

// SHA-256 (hex) of `params` with members in the order of their names: the same request has the same
// digest however it was written. Not for methods whose parameters hold a PIN (MethodRow::secret):
// the digest of a short secret gives it away.
std::string DigestOfParams(const json::value& params);

}  // namespace signet::rpc
