#include "rpc/json_rpc.h"

#include <algorithm>
#include <array>
#include <vector>

#include "platform/encoding.h"

namespace signet::rpc {

namespace {

constexpr char kRemedy[] = "Send a JSON-RPC 2.0 request; 'rpc.discover' describes every method.";

std::string_view View(const json::string& s) { return {s.data(), s.size()}; }

bool IsEchoable(const json::value& id) {
  if (id.is_string()) return id.get_string().size() <= kMaxIdBytes;
  return id.is_int64() || id.is_uint64() || id.is_null();
}

CallProblem Problem(const json::value& id, std::string detail, int code = kInvalidRequest,
                    std::string word = "REQUEST_INVALID", std::string pointer = {}) {
  CallProblem problem;
  problem.id = id;
  problem.code = code;
  problem.error = MakeError(Kind::kUsage, std::move(word), std::move(detail), kRemedy);
  problem.error.pointer = std::move(pointer);
  return problem;
}

void WriteCanonical(const json::value& value, WipedString& out) {
  if (value.is_object()) {
    std::vector<const json::key_value_pair*> members;
    members.reserve(value.get_object().size());
    for (const auto& member : value.get_object()) members.push_back(&member);
    std::sort(members.begin(), members.end(),
              [](const auto* a, const auto* b) { return a->key() < b->key(); });
    out.push_back('{');
    for (const auto* member : members) {
      if (out.back() != '{') out.push_back(',');
      const std::string name = json::serialize(json::string_view(member->key()));
      out.append(name).push_back(':');
      WriteCanonical(member->value(), out);
    }
    out.push_back('}');
  } else if (value.is_array()) {
    out.push_back('[');
    for (const json::value& item : value.get_array()) {
      if (out.back() != '[') out.push_back(',');
      WriteCanonical(item, out);
    }
    out.push_back(']');
  } else {
    json::serializer serializer;
    serializer.reset(&value);
    std::array<char, 4096> chunk;
    while (!serializer.done()) {
      const auto piece = serializer.read(chunk.data(), chunk.size());
      out.append(piece.data(), piece.size());
    }
    Wipe(chunk.data(), chunk.size());
  }
}

}  // namespace

int CodeOf(const Error& error) {
  if (error.kind == Kind::kInternal) return kInternalErrorCode;
  if (error.kind == Kind::kUsage && !error.pointer.empty()) return kInvalidParams;
  switch (error.kind) {
    case Kind::kUsage:
      return error.word == "PARAMETER_INVALID" ? kInvalidParams : -32001;
    case Kind::kRefused:
      return -32002;
    case Kind::kDenied:
      return -32003;
    case Kind::kNotFound:
      return -32004;
    case Kind::kConflict:
      return -32005;
    case Kind::kTokenLocked:
      return -32006;
    case Kind::kTokenFailed:
      return -32007;
    case Kind::kExhausted:
      return -32008;
    case Kind::kTimeout:
      return -32009;
    case Kind::kUnavailable:
      return -32010;
    case Kind::kUnreachable:
      return -32011;
    case Kind::kInternal:
      break;
  }
  return kInternalErrorCode;
}

std::optional<CallProblem> ReadCall(json::value& item, CallEnvelope& out) {
  if (!item.is_object()) return Problem(nullptr, "a call must be an object");
  json::object& object = item.get_object();
  json::value* id = object.if_contains("id");
  const json::value none(nullptr);
  if (id != nullptr && !IsEchoable(*id))
    return Problem(none, "the id must be an integer, null or a string below 128 bytes",
                   kInvalidRequest, "REQUEST_INVALID", "/id");
  const json::value& echo = id != nullptr ? *id : none;

  std::size_t known = id != nullptr ? 1 : 0;
  const json::value* version = object.if_contains("jsonrpc");
  if (version == nullptr || !version->is_string() || View(version->get_string()) != "2.0")
    return Problem(echo, "the member 'jsonrpc' must be \"2.0\"", kInvalidRequest, "REQUEST_INVALID",
                   "/jsonrpc");
  ++known;
  json::value* method = object.if_contains("method");
  if (method == nullptr || !method->is_string())
    return Problem(echo, "the member 'method' must be a string", kInvalidRequest, "REQUEST_INVALID",
                   "/method");
  ++known;
  json::value* params = object.if_contains("params");
  if (params != nullptr) ++known;
  if (known != object.size())
    return Problem(echo, "a call has no other members than jsonrpc, id, method and params");
  if (params != nullptr && params->is_array())
    return Problem(echo, "parameters are given by name, in an object", kInvalidParams,
                   "PARAMETER_INVALID", "/params");
  if (params != nullptr && !params->is_object())
    return Problem(echo, "the member 'params' must be an object", kInvalidRequest,
                   "REQUEST_INVALID", "/params");

  out.notification = id == nullptr;
  out.id = echo;
  out.method = View(method->get_string());
  if (params != nullptr) {
    // Not `out.params = std::move(*params)`: assignment would copy into another storage.
    std::destroy_at(&out.params);
    std::construct_at(&out.params, std::move(*params));
  } else {
    out.params = json::object();
  }
  return std::nullopt;
}

void WriteJson(const json::value& value, std::string& out) {
  json::serializer serializer;
  serializer.reset(&value);
  char chunk[4096];
  while (!serializer.done()) {
    const auto piece = serializer.read(chunk, sizeof(chunk));
    out.append(piece.data(), piece.size());
  }
}

namespace {
void WriteHead(const json::value& id, std::string& out) {
  out.append(R"({"jsonrpc":"2.0","id":)");
  if (id.is_int64()) {
    out.append(std::to_string(id.get_int64()));
  } else {
    WriteJson(id, out);
  }
}
}  // namespace

void WriteResult(const json::value& id, const json::value& result, std::string& out) {
  WriteHead(id, out);
  out.append(R"(,"result":)");
  WriteJson(result, out);
  out.push_back('}');
}

void WriteError(const json::value& id, int code, const Error& error, std::string_view request_id,
                std::string& out) {
  const bool defect = error.kind == Kind::kInternal;
  json::object data;
  data["code"] = defect ? "INTERNAL" : error.word;
  data["kind"] = KindName(error.kind);
  data["detail"] =
      defect ? "a defect of Signet; its log has the details under this request's id" : error.detail;
  data["remedy"] =
      defect ? "Report it with the log lines that carry the request's id." : error.remedy;
  if (!error.findings.empty()) data["findings"] = ToJson(error.findings);
  if (!error.pointer.empty()) data["pointer"] = error.pointer;
  data["requestId"] = request_id;
  std::string message = defect ? "Internal error" : error.detail;
  if (code == kParseError) message = "Parse error";
  if (code == kInvalidRequest) message = "Invalid Request";
  if (code == kMethodNotFound) message = "Method not found";
  if (code == kInvalidParams) message = "Invalid params";
  json::object body;
  body["code"] = code;
  body["message"] = std::move(message);
  body["data"] = std::move(data);
  WriteHead(id, out);
  out.append(R"(,"error":)");
  WriteJson(body, out);
  out.push_back('}');
}

std::string DigestOfParams(const json::value& params) {
  WipedString text;
  text.reserve(256);
  WriteCanonical(params, text);
  return Sha256Hex(std::string_view(text.data(), text.size()));
}

}  // namespace signet::rpc
