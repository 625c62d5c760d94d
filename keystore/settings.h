// Settings of the cluster: names that stay, with what they may hold. A setting that nobody set has
// its default; that of hosted-domains is the configuration's list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/plan.h"

namespace signet::keystore {

inline constexpr char kHostedDomains[] = "hosted-domains";
inline constexpr char kFederationWildcards[] = "xmpp-federation-wildcards";
inline constexpr char kEcKeyUsage[] = "ec-key-usage";
inline constexpr char kRollbackDays[] = "rollback-days";
inline constexpr char kUndoDays[] = "undo-days";

struct SettingRow {
  enum class Type : std::uint8_t { kSwitch, kChoice, kDays, kDomains };
  std::string_view name;
  Type type;
  std::string_view default_value;
  std::string_view choices;  // of kChoice: "table rfc8813"
  std::string_view summary;
};
const std::vector<SettingRow>& AllSettings();
// kNotFound SETTING_UNKNOWN; the remedy lists the names.
Result<const SettingRow*> FindSetting(std::string_view name);
// The canonical text of a value as typed: "on" and "true" are "true", domains are A-labels joined
// by a space. kUsage SETTING_INVALID.
Result<std::string> CanonicalSetting(const SettingRow& row, std::string_view value);

// The value in force, in canonical text.
std::string SettingValue(const PlanInput& in, std::string_view name);
// The same, noted as read.
std::string ReadSetting(const PlanInput& in, std::string_view name, Plan& plan);

// The hosted domains as the certificates of XMPP federation name them (SPEC C8): with wildcards
// switched on, "*.example.com" in place of "example.com".
std::vector<std::string> FederationNames(const PlanInput& in);

struct SettingPlan : Plan {
  std::string name, value;
};
// What changes, and which certificates name other domains than they should then (warnings
// REGENERATE, each with the command).
Result<SettingPlan> PlanSetting(const PlanInput& in, const std::string& name,
                                const std::string& value);

// Names that the purpose's certificate should have and has not: nodes of a multi-server one, hosted
// domains. Empty when there is no certificate.
std::vector<std::string> UncoveredNames(const PlanInput& in, const Purpose& purpose);

}  // namespace signet::keystore
