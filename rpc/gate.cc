#include "rpc/gate.h"

#include "platform/logging.h"
#include "rpc/json_rpc.h"

namespace signet::rpc {

namespace asio = boost::asio;

namespace {

constexpr char kUnlock[] = "Unlock the token: 'signet token unlock'.";

Status CheckToken(hsm::TokenState state) {
  switch (state) {
    case hsm::TokenState::kOperational:
      return Ok();
    case hsm::TokenState::kLocked:
      return MakeError(Kind::kTokenLocked, "TOKEN_LOCKED", "the token waits for its PIN", kUnlock);
    case hsm::TokenState::kUnprovisioned:
      return MakeError(Kind::kTokenFailed, "TOKEN_UNPROVISIONED",
                       "there is no initialised token at the configured place",
                       "Initialise a token and name it in the configuration (token.uri).");
    case hsm::TokenState::kFailed:
      break;
  }
  return MakeError(Kind::kTokenFailed, "TOKEN_FAILED",
                   "the token is gone, hangs, or failed its self-test",
                   "Look at 'signet token status', mend the cause, then 'signet token self-test'.");
}

// A handler is code of others: what it throws ends here as a defect.
asio::awaitable<Result<json::value>> Handle(const Method& method, const Method::Handler& handler,
                                            Call call, json::value params) {
  std::string problem;
  try {
    co_return co_await handler(std::move(call), std::move(params));
  } catch (const std::exception& e) {
    problem = e.what();
  }
  co_return InternalError("method " + method.name + " threw: " + problem);
}

bool IsDryRun(const Method& method, const json::value& params) {
  if (!method.propose || !params.is_object()) return false;
  const json::value* asked = params.get_object().if_contains("dryRun");
  return asked != nullptr && asked->is_bool() && asked->get_bool();
}

}  // namespace

Status CheckCall(const Method* method, const RequestContext& context, hsm::TokenState state) {
  const bool may_know = context.role == Role::kAdministrator || context.role == Role::kSystem;
  if (method == nullptr && may_know) {
    return MakeError(Kind::kNotFound, "METHOD_NOT_FOUND", "there is no such method",
                     "'rpc.discover' lists the methods.");
  }
  if (method == nullptr || !Allows(method->access, context.role)) {
    return MakeError(Kind::kDenied, "ACCESS_DENIED",
                     "the role '" + std::string(services::RoleName(context.role)) +
                         "' may not call this method, or there is no such method",
                     "Ask an administrator; 'rpc.discover' lists the methods of your role.");
  }
  if (method->local_only && !context.local) {
    return MakeError(Kind::kDenied, "LOCAL_ONLY",
                     "this method is served on the machine's own socket only",
                     "Log in to the machine and use 'signet' there.");
  }
  if (method->token == TokenNeed::kOperational) return CheckToken(state);
  return Ok();
}

asio::awaitable<Result<json::value>> Gate::Invoke(RequestContext context, const Method* method,
                                                  bool notification, json::value params) {
  Status allowed = CheckCall(method, context, view_.token_state());
  const bool change = method != nullptr && method->effect == Effect::kChange;
  if (allowed && change && notification) {
    allowed = MakeError(Kind::kUsage, "NOTIFICATION_REFUSED",
                        "a change cannot be asked for without an id: its answer must be seen",
                        "Give the call an id.");
  }
  if (!allowed) {
    Error error = std::move(allowed).error();
    if (change) {
      std::string digest = method->secret ? std::string() : DigestOfParams(params);
      Error noted = error;
      co_await changes_.NoteRefused(std::move(context), method->name, std::move(digest),
                                    std::move(noted));
    }
    co_return error;
  }
  const bool dry_run = change && IsDryRun(*method, params);  // a look, not a change
  if (change && !dry_run) co_return co_await Change(std::move(context), *method, std::move(params));
  Call call;
  call.context = std::move(context);
  co_return co_await Handle(*method, dry_run ? method->propose : method->handle, std::move(call),
                            std::move(params));
}

asio::awaitable<Result<json::value>> Gate::Change(RequestContext context, const Method& method,
                                                  json::value params) {
  // A PIN is short: its digest would give it away.
  std::string digest = method.secret ? std::string() : DigestOfParams(params);
  // The work may outlive this wait, so it owns its parameters.
  auto owned = std::make_shared<json::value>(std::move(params));
  services::ChangeRunner::Work work =
      [&method, context, owned](
          std::shared_ptr<keystore::Operation> operation) -> asio::awaitable<Result<json::value>> {
    Call call;
    call.context = context;
    call.operation = std::move(operation);
    return Handle(method, method.handle, std::move(call), std::move(*owned));
  };
  Result<json::value> result =
      co_await changes_.Run(std::move(context), method.name, std::move(digest), std::move(work));
  WipeStackBelow();  // the request was read and taken apart on this thread
  co_return result;
}

}  // namespace signet::rpc
