#include "rpc/methods/methods.h"
#include "services/lscs.h"

namespace signet::rpc {

namespace api = services::api;

void AddLscMethods(MethodTable& table, services::Lscs& lscs) {
  table.Add(MakeMethod<api::LscRegisterRequest, api::LscRegistration>(
      {.name = "lsc.register",
       .summary = "Registers certificates of endpoints, what is good of them, to be watched.",
       .access = Access::kOperate,
       .effect = Effect::kChange,
       .large = true},
      [&lscs](Call call, api::LscRegisterRequest request) {
        return lscs.Register(std::move(call.context), std::move(call.operation),
                             std::move(request));
      }));
  table.Add(MakeMethod<api::LscListRequest, api::Page<api::LscInfo>>(
      {"lsc.list", "Certificates of endpoints, those that end first before the others.",
       Access::kRead},
      [&lscs](Call call, api::LscListRequest request) {
        return lscs.List(std::move(call.context), std::move(request));
      }));
  table.Add(MakeMethod<api::IdRequest, api::LscRemoval>(
      {"lsc.remove", "Watches the certificate of an endpoint no more.", Access::kOperate,
       TokenNeed::kNone, Effect::kChange},
      [&lscs](Call call, api::IdRequest request) {
        return lscs.Remove(std::move(call.context), std::move(call.operation), std::move(request));
      }));
  table.Add(MakeMethod<api::LscRemoveExpiredRequest, api::LscRemoval>(
      {"lsc.removeExpired", "Watches those certificates of endpoints no more that have ended.",
       Access::kOperate, TokenNeed::kNone, Effect::kChange},
      [&lscs](Call call, api::LscRemoveExpiredRequest request) {
        return lscs.RemoveExpired(std::move(call.context), std::move(call.operation),
                                  std::move(request));
      }));
}

}  // namespace signet::rpc
