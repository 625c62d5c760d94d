#include "rpc/methods/methods.h"
#include "rpc/methods/setting_method.h"
#include "services/revocation/revocation.h"

namespace signet::rpc {

namespace api = services::api;

void AddRevocationMethods(MethodTable& table, services::Revocation& revocation,
                          services::Settings& settings) {
  table.Add(MakeMethod<api::Empty, api::RevocationInfo>(
      {"revocation.show", "The revocation check: settings, statuses, what is out of trust.",
       Access::kRead},
      [&revocation](Call call, api::Empty) {
        return revocation.Describe(std::move(call.context));
      }));
  table.Add(SettingMethod<api::RevocationSetRequest>(
      "revocation.set",
      "Changes the revocation check's settings; a rehearsal asks the responders what would be "
      "refused.",
      settings, [&revocation](Call call, api::RevocationSetRequest request) {
        return revocation.ProposeSet(std::move(call.context), services::ChangeOf(request));
      }));
  table.Add(MakeMethod<api::Empty, api::RevocationCheck>(
      {"revocation.check", "Asks for the status of all certificates now.", Access::kOperate,
       TokenNeed::kNone, Effect::kChange},
      [&revocation](Call call, api::Empty) {
        return revocation.Check(std::move(call.context), std::move(call.operation));
      }));
  table.Add(MakePlannedMethod<api::RevocationClearRequest, api::Change>(
      {"revocation.clear", "Takes a certificate back into trust that was revoked, and is not.",
       Access::kOperate, TokenNeed::kNone, Effect::kChange},
      [&revocation](Call call, api::RevocationClearRequest request) {
        return revocation.Clear(std::move(call.context), std::move(call.operation),
                                std::move(request));
      },
      [&revocation](Call call, api::RevocationClearRequest request) {
        return revocation.ProposeClear(std::move(call.context), std::move(request));
      }));
}

}  // namespace signet::rpc
