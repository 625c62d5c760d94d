#include "rpc/endpoint.h"

#include "platform/encoding.h"
#include "platform/logging.h"
#include "rpc/http_reader.h"
#include "rpc/json_rpc.h"
#include "rpc/wiping_arena.h"

namespace signet::rpc {

namespace asio = boost::asio;

namespace {

Error BatchError(std::string word, std::string detail, std::string remedy) {
  return MakeError(Kind::kUsage, std::move(word), std::move(detail), std::move(remedy));
}

// Code and text of what the gate refused or the method answered.
void WriteFailure(const RequestContext& context, const CallEnvelope& call, const Error& error,
                  std::string& out) {
  int code = CodeOf(error);
  if (error.word == "METHOD_NOT_FOUND") code = kMethodNotFound;
  if (error.word == "NOTIFICATION_REFUSED") code = kInvalidRequest;
  if (error.kind == Kind::kInternal) {
    Log(LogLevel::kError, "request " + context.request_id + " " + EscapeLine(call.method, 64) +
                              ": " + error.ToString());
  }
  WriteError(call.id, code, error, context.request_id, out);
}

}  // namespace

const Method* Endpoint::MethodOf(const json::value& item) const {
  const json::value* name = item.is_object() ? item.get_object().if_contains("method") : nullptr;
  if (name == nullptr || !name->is_string()) return nullptr;
  return gate_.Find(std::string_view(name->get_string().data(), name->get_string().size()));
}

asio::awaitable<RpcReply> Endpoint::Answer(RequestContext context, WipedString body) {
  RpcReply reply;
  reply.status = 200;
  reply.buffer.reserve(kHeadroom + 1024);
  reply.buffer.resize(kHeadroom);
  const HttpLimits limits;
  const bool large = body.size() > limits.body;
  JsonLimits json_limits;
  if (large) json_limits.max_bytes = limits.large_body;
  auto parsed = ParseJson(std::string_view(body.data(), body.size()), json_limits,
                          json::make_shared_resource<WipingArena>());
  body = WipedString();
  if (!parsed) {
    WriteError(nullptr, kParseError, parsed.error(), context.request_id, reply.buffer);
    co_return reply;
  }
  json::value& document = parsed.value();
  const Method* alone = large ? MethodOf(document) : nullptr;
  if (large && (alone == nullptr || !alone->large)) {
    const Error error =
        BatchError("BODY_TOO_LARGE", "only uploads of many certificates take more than 4 MiB",
                   "Send less in one request.");
    WriteError(nullptr, kInvalidRequest, error, context.request_id, reply.buffer);
    co_return reply;
  }
  if (document.is_array()) {
    co_await Batch(context, document.get_array(), reply.buffer);
  } else {
    co_await One(context, document, reply.buffer);
  }
  if (reply.buffer.size() == kHeadroom) reply.status = 204;
  co_return reply;
}

asio::awaitable<RpcReply> Endpoint::Metrics(std::function<asio::awaitable<std::string>()> metrics) {
  RpcReply reply;
  reply.status = 200;
  reply.buffer.resize(kHeadroom);
  reply.buffer += co_await metrics();
  co_return reply;
}

std::shared_ptr<EventStream> Endpoint::OpenStream(RequestContext context,
                                                  std::optional<std::int64_t> after,
                                                  Duration heartbeat) {
  std::shared_ptr<void> place = events_ == nullptr ? nullptr : streams_.Take("", true);
  if (place == nullptr) return nullptr;
  return std::make_shared<EventStream>(*events_, std::move(context), after, heartbeat,
                                       std::move(place));
}

asio::awaitable<RpcReply> Endpoint::Next(std::shared_ptr<EventStream> stream) {
  RpcReply reply;
  reply.status = 200;
  reply.buffer = co_await stream->Next();
  co_return reply;
}

asio::awaitable<void> Endpoint::One(const RequestContext& context, json::value& item,
                                    std::string& out) {
  CallEnvelope call;
  if (std::optional<CallProblem> problem = ReadCall(item, call)) {
    WriteError(problem->id, problem->code, problem->error, context.request_id, out);
    co_return;
  }
  const Method* method = gate_.Find(call.method);
  RequestContext own = context;
  Result<json::value> result =
      co_await gate_.Invoke(std::move(own), method, call.notification, std::move(call.params));
  if (result) {
    if (!call.notification) WriteResult(call.id, result.value(), out);
  } else if (!call.notification || result.error().word == "NOTIFICATION_REFUSED") {
    WriteFailure(context, call, result.error(), out);
  }
}

asio::awaitable<void> Endpoint::Batch(const RequestContext& context, json::array& items,
                                      std::string& out) {
  if (items.empty() || items.size() > kMaxBatch) {
    const Error error =
        BatchError("BATCH_SIZE", "a batch holds 1 to 50 calls", "Split it into several requests.");
    WriteError(nullptr, kInvalidRequest, error, context.request_id, out);
    co_return;
  }
  if (!context.idempotency_key.empty()) {
    for (const json::value& item : items) {
      const Method* method = MethodOf(item);
      if (method == nullptr || method->effect != Effect::kChange) continue;
      const Error error = BatchError("IDEMPOTENCY_KEY_IN_BATCH",
                                     "one idempotency key cannot stand for a batch with changes",
                                     "Send each change as a request of its own.");
      WriteError(nullptr, kInvalidRequest, error, context.request_id, out);
      co_return;
    }
  }
  const std::size_t start = out.size();
  out.push_back('[');
  for (json::value& item : items) {
    const std::size_t before = out.size();
    if (before > start + 1) out.push_back(',');
    const std::size_t at = out.size();
    co_await One(context, item, out);
    if (out.size() == at) out.resize(before);
  }
  if (out.size() == start + 1) {
    out.resize(start);
  } else {
    out.push_back(']');
  }
}

asio::awaitable<void> Endpoint::NoteTurnedAway(RequestContext context, Error error) {
  co_await gate_.changes().NoteRefused(std::move(context), "connect", "", std::move(error));
}

}  // namespace signet::rpc
