#include "rpc/methods/methods.h"
#include "services/settings.h"

namespace signet::rpc {

namespace api = services::api;

void AddSettingMethods(MethodTable& table, services::Settings& settings) {
  table.Add(MakeMethod<api::PageRequest, api::Page<api::SettingInfo>>(
      {"setting.list", "Every setting with its value and meaning.", Access::kRead},
      [&settings](Call, api::PageRequest request) { return AtOnce(settings.List(request)); }));
  table.Add(MakeMethod<api::SettingRequest, api::SettingInfo>(
      {"setting.get", "One setting.", Access::kRead},
      [&settings](Call, api::SettingRequest request) {
        return AtOnce(settings.Get(request.name));
      }));
  table.Add(MakePlannedMethod<api::SettingSetRequest, api::Change>(
      {"setting.set", "Changes a setting, and tells which certificates must be made anew for it.",
       Access::kAdminister, TokenNeed::kNone, Effect::kChange},
      [&settings](Call call, api::SettingSetRequest request) {
        return settings.Set(std::move(call.context), std::move(call.operation), std::move(request));
      },
      [&settings](Call, api::SettingSetRequest request) {
        return AtOnce(settings.ProposeSet(request));
      }));
}

}  // namespace signet::rpc
