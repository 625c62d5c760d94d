#include "rpc/methods/methods.h"
#include "services/keys.h"

namespace signet::rpc {

namespace api = services::api;

void AddKeyMethods(MethodTable& table, services::Keys& keys) {
  table.Add(MakeMethod<api::Empty, api::TokenStatus>(
      {"token.status",
       "State of the token and of the login throttle; answers while the token hangs.",
       Access::kRead},
      [&keys](Call, api::Empty) { return AtOnce<api::TokenStatus>(keys.Status()); }));
  table.Add(MakeMethod<api::UnlockRequest, api::Change>(
      {.name = "token.unlock",
       .summary = "Logs in to the token. A wrong PIN is not tried again.",
       .access = Access::kAdminister,
       .effect = Effect::kChange,
       .local_only = true,
       .secret = true},
      [&keys](Call call, api::UnlockRequest request) {
        return keys.Unlock(std::move(call.context), std::move(call.operation), std::move(request));
      }));
  table.Add(MakeMethod<api::Empty, api::SelfTestAnswer>(
      {"token.selfTest", "Tests the token's mechanisms and a sign-verify round trip.",
       Access::kOperate},
      [&keys](Call call, api::Empty) { return keys.SelfTest(std::move(call.context)); }));
  table.Add(MakeMethod<api::PageRequest, api::Page<api::KeyInfo>>(
      {"key.list",
       "Every private key on the token and every key that a record names, with its owner.",
       Access::kRead, TokenNeed::kOperational},
      [&keys](Call call, api::PageRequest request) {
        return keys.List(std::move(call.context), std::move(request));
      }));
  table.Add(MakeMethod<api::SignRequest, api::SignAnswer>(
      {"key.sign", "Signs with the current key of a purpose, in the token.", Access::kSign,
       TokenNeed::kOperational, Effect::kUse},
      [&keys](Call call, api::SignRequest request) {
        return keys.Sign(std::move(call.context), std::move(request));
      }));
}

}  // namespace signet::rpc
