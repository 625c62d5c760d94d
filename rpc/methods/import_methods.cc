#include "rpc/methods/methods.h"
#include "services/import.h"

namespace signet::rpc {

namespace api = services::api;

void AddImportMethods(MethodTable& table, services::Import& import) {
  table.Add(MakePlannedMethod<api::ImportRequest, api::ImportAnswer>(
      {"import.fetch",
       "Looks at the certificates of another server and stores those that were confirmed.",
       Access::kOperate, TokenNeed::kNone, Effect::kChange},
      [&import](Call call, api::ImportRequest request) {
        return import.Fetch(std::move(call.context), std::move(call.operation), std::move(request));
      },
      [&import](Call call, api::ImportRequest request) {
        return import.ProposeFetch(std::move(call.context), std::move(request));
      }));
}

}  // namespace signet::rpc
