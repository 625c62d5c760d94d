#include "rpc/methods/methods.h"
#include "rpc/methods/setting_method.h"

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
  table.Add(SettingMethod<api::SettingSetRequest>(
      "setting.set", "Changes a setting, and tells which certificates must be made anew for it.",
      settings));
}

}  // namespace signet::rpc
