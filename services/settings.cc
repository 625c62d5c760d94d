#include "services/settings.h"

#include <map>
#include <sstream>

#include "services/paging.h"

namespace signet::services {

namespace {

api::SettingInfo Describe(const keystore::PlanInput& in, const keystore::SettingRow& row) {
  api::SettingInfo info;
  info.name = row.name;
  info.value = keystore::SettingValue(in, row.name);
  info.default_value = row.default_value;
  info.summary = row.summary;
  std::istringstream choices{std::string(row.choices)};
  for (std::string choice; choices >> choice;) info.choices.push_back(choice);
  return info;
}

}  // namespace

Result<api::Page<api::SettingInfo>> Settings::List(const api::PageRequest& request) const {
  const keystore::PlanInput in = shared_.Input();
  std::map<std::string, const keystore::SettingRow*> rows;
  for (const keystore::SettingRow& row : keystore::AllSettings())
    rows[std::string(row.name)] = &row;
  auto describe = [&](const keystore::SettingRow* row) { return Describe(in, *row); };
  return MakePage<api::Page<api::SettingInfo>>(rows, request.limit, request.cursor, describe);
}

Result<api::SettingInfo> Settings::Get(const std::string& name) const {
  SIGNET_TRY(const keystore::SettingRow* row, keystore::FindSetting(name));
  return Describe(shared_.Input(), *row);
}

boost::asio::awaitable<Result<api::Change>> Settings::Set(
    RequestContext context, std::shared_ptr<keystore::Operation> operation, SettingChange change) {
  auto job = [this, operation, change = std::move(change)] {
    return shared_.Set(*operation, change.values, change.plan);
  };
  co_return co_await RunOn(store_, std::move(job), context.limit);
}

Result<api::Plan> Settings::ProposeSet(const SettingChange& change) const {
  SIGNET_TRY(const keystore::SettingPlan plan,
             keystore::PlanSettings(shared_.Input(), change.values));
  return keystore::ReportOf(plan);
}

}  // namespace signet::services
