#include "services/monitor/notices.h"

#include <algorithm>
#include <map>

namespace signet::services {

namespace {

constexpr std::chrono::hours kAlarmPeriod{24};

ExpiryLevel LevelNamed(std::string_view name) {
  return name == ExpiryLevelName(ExpiryLevel::kAlarm) ? ExpiryLevel::kAlarm : ExpiryLevel::kWarning;
}

}  // namespace

NoticeDecision DecideNotices(const std::vector<ToldNotice>& before,
                             const std::vector<ExpiryItem>& items, std::chrono::hours frequency,
                             WallTime now) {
  static const std::string kLscs = kAllLscs;
  std::map<std::string, ExpiryLevel> present;
  for (const ExpiryItem& item : items) {
    if (item.level == ExpiryLevel::kHint) continue;
    // That it is revoked is another notice than that it ends.
    const std::string name =
        item.endpoints ? kLscs
                       : item.fingerprint + (item.distrusted.empty() ? "" : " " + item.distrusted);
    ExpiryLevel& level = present.try_emplace(name, item.level).first->second;
    level = std::max(level, item.level);
  }
  std::map<std::string, const ToldNotice*> told;
  for (const ToldNotice& notice : before) told[notice.certificate] = &notice;

  NoticeDecision decision;
  for (const auto& [certificate, level] : present) {
    const auto known = told.find(certificate);
    if (known == told.end() || level > LevelNamed(known->second->level)) {
      ++decision.due;
      continue;
    }
    const bool daily = level == ExpiryLevel::kAlarm && certificate != kLscs;
    const auto period = daily ? std::min(frequency, kAlarmPeriod) : frequency;
    if (known->second->at <= now && now - known->second->at >= period) ++decision.due;
  }
  for (const auto& [certificate, level] : present) {
    const auto known = told.find(certificate);
    const bool keep = decision.due == 0 && known != told.end();
    ToldNotice notice;
    notice.certificate = certificate;
    notice.level = ExpiryLevelName(keep ? LevelNamed(known->second->level) : level);
    notice.at = keep ? std::min(known->second->at, now) : now;
    decision.after.push_back(std::move(notice));
  }
  return decision;
}

}  // namespace signet::services
