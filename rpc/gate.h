// The one gate that every call passes, local or remote: role, place, token, then the method;
// changes are journalled, idempotent and audited by services::Changes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "rpc/appliance_view.h"
#include "rpc/method.h"
#include "services/change_runner.h"

namespace signet::rpc {

// Whether `context` may call `method` (null: there is none) in this state of the token, without
// looking at parameters. Errors: kNotFound METHOD_NOT_FOUND; kDenied ACCESS_DENIED (the same for a
// method that is forbidden and for one that does not exist, unless the caller may call anything)
// and LOCAL_ONLY; kTokenLocked TOKEN_LOCKED; kTokenFailed TOKEN_FAILED and TOKEN_UNPROVISIONED.
Status CheckCall(const Method* method, const RequestContext& context, hsm::TokenState state);

// Runs on the main loop. Refers to the table, the changes and the view, which outlive it.
class Gate {
 public:
  Gate(const MethodTable& methods, services::ChangeRunner& changes, const ApplianceView& view)
      : methods_(methods), changes_(changes), view_(view) {}

  const Method* Find(std::string_view name) const { return methods_.Find(name); }
  services::ChangeRunner& changes() { return changes_; }

  // `method` may be null (no such method). `notification` refuses changes: a change needs an
  // answer.
  boost::asio::awaitable<Result<json::value>> Invoke(RequestContext context, const Method* method,
                                                     bool notification, json::value params);

 private:
  boost::asio::awaitable<Result<json::value>> Change(RequestContext context, const Method& method,
                                                     json::value params);

  const MethodTable& methods_;
  services::ChangeRunner& changes_;
  const ApplianceView& view_;
};

}  // namespace signet::rpc
