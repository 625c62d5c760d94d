// A JSON-RPC method is a row in one table: name, roles, token states, input, output, handler. From
// the row come validation, rpc.discover, the permission check and the audit entry.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/token_control.h"
#include "keystore/operation.h"
#include "platform/json.h"
#include "services/request_context.h"

namespace signet::rpc {

using services::RequestContext;
using services::Role;

// Sets of roles, by what they may do (SPEC A2).
enum class Access : std::uint8_t {
  kEveryone,    // any authenticated role but metrics
  kRead,        // auditor, operator, administrator
  kOperate,     // operator, administrator
  kAdminister,  // administrator
  kSign,        // service (its own purposes), administrator
  kConnect,     // service (its own connections), operator, administrator
  kMeasure,     // metrics, auditor, operator, administrator
};
bool Allows(Access access, Role role);

// In which states of the token a method works.
enum class TokenNeed : std::uint8_t { kNone, kOperational };

enum class Effect : std::uint8_t {
  kRead,    // changes nothing
  kUse,     // uses a key: counted, not journalled
  kChange,  // journalled, audited, idempotent
};

// What a method works with. `operation` is the change in progress; null for methods that change
// nothing.
struct Call {
  RequestContext context;
  std::shared_ptr<keystore::Operation> operation;
};

struct Method {
  std::string name;     // "csr.generate"
  std::string summary;  // a sentence
  Access access = Access::kRead;
  TokenNeed token = TokenNeed::kNone;
  Effect effect = Effect::kRead;
  bool local_only = false;  // the Unix socket only (token.unlock)
  bool secret = false;      // the parameters hold a PIN: not even their digest is kept
  bool large = false;       // the parameters may be larger than those of others
  std::function<json::value()> input_schema, output_schema;
  // Parameters in (an object), answer out.
  using Handler =
      std::function<boost::asio::awaitable<Result<json::value>>(Call call, json::value params)>;
  Handler handle;
  // What the change would do: asked for by the parameter `dryRun`. Empty: it cannot be planned.
  Handler propose;
};

struct MethodRow {
  std::string name, summary;
  Access access = Access::kRead;
  TokenNeed token = TokenNeed::kNone;
  Effect effect = Effect::kRead;
  bool local_only = false;
  bool secret = false;
  bool large = false;
};

namespace method_internal {
template <class Input, class Output, class Handler>
boost::asio::awaitable<Result<json::value>> Handle(std::shared_ptr<const Handler> handler,
                                                   Call call, json::value params) {
  Result<Input> input = FromJson<Input>(params);
  if (!input) co_return std::move(input).error();
  Result<Output> output = co_await (*handler)(std::move(call), std::move(input).value());
  if (!output) co_return std::move(output).error();
  co_return ToJson(output.value());
}
}  // namespace method_internal

// `handler(Call, Input)` returns awaitable<Result<Output>>.
template <class Input, class Output, class Handler>
Method MakeMethod(MethodRow row, Handler handler) {
  Method method;
  method.name = std::move(row.name);
  method.summary = std::move(row.summary);
  method.access = row.access;
  method.token = row.token;
  method.effect = row.effect;
  method.local_only = row.local_only;
  method.secret = row.secret;
  method.large = row.large;
  method.input_schema = [] { return JsonSchema<Input>(); };
  method.output_schema = [] { return JsonSchema<Output>(); };
  method.handle = [shared = std::make_shared<const Handler>(std::move(handler))](
                      Call call, json::value params) {
    return method_internal::Handle<Input, Output, Handler>(shared, std::move(call),
                                                           std::move(params));
  };
  return method;
}

// A change that can be planned: `proposer(Call, Input)` returns awaitable<Result<PlanReport>>.
template <class Input, class Output, class Handler, class Proposer>
Method MakePlannedMethod(MethodRow row, Handler handler, Proposer proposer) {
  Method method = MakeMethod<Input, Output>(std::move(row), std::move(handler));
  method.output_schema = []() -> json::value {
    return {{"anyOf", json::array{JsonSchema<Output>(), JsonSchema<keystore::PlanReport>()}}};
  };
  method.propose = [shared = std::make_shared<const Proposer>(std::move(proposer))](
                       Call call, json::value params) {
    return method_internal::Handle<Input, keystore::PlanReport, Proposer>(shared, std::move(call),
                                                                          std::move(params));
  };
  return method;
}

// Looked up by name; the order is that of rpc.discover.
class MethodTable {
 public:
  void Add(Method method);
  const Method* Find(std::string_view name) const;
  const std::vector<Method>& all() const { return methods_; }

 private:
  std::vector<Method> methods_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace signet::rpc
