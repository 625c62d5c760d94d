// Settings of the cluster: names that stay, with what they may hold. A setting that nobody set has
// its default; that of hosted-domains is the configuration's list.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
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
// Of the certificate monitor (SPEC M1).
inline constexpr char kMonitorStartDays[] = "monitor-start-days";
inline constexpr char kMonitorFrequency[] = "monitor-frequency";
inline constexpr char kMonitorEmail[] = "monitor-email";
inline constexpr char kMonitorAddresses[] = "monitor-addresses";
inline constexpr char kMonitorLsc[] = "monitor-lsc";
// Of the revocation check (SPEC R1).
inline constexpr char kRevocationCheck[] = "revocation-check";
inline constexpr char kRevocationResponder[] = "revocation-responder";
inline constexpr char kRevocationEvery[] = "revocation-every";
// What becomes of a certificate whose status nobody tells.
inline constexpr char kUnknownUpload[] = "revocation-unknown-upload";
inline constexpr char kUnknownTrust[] = "revocation-unknown-trust";
inline constexpr char kUnknownConnection[] = "revocation-unknown-connection";
inline constexpr char kHard[] = "hard";  // it is refused; else "soft": a warning
// Of long-lived connections (SPEC R4).
inline constexpr char kValidityCheck[] = "certificate-validity-check";
inline constexpr char kValidityFrequency[] = "validity-check-frequency";

struct SettingRow {
  enum class Type : std::uint8_t { kSwitch, kChoice, kDays, kDomains, kInterval, kAddresses, kUrl };
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
// by a space, "7 days" is "7d" and "1 hour" "1h", addresses are joined by ";", a URL may be empty.
// kUsage SETTING_INVALID.
Result<std::string> CanonicalSetting(const SettingRow& row, std::string_view value);

// The value in force, in canonical text.
std::string SettingValue(const PlanInput& in, std::string_view name);
// Of a canonical interval: "7d", "1h".
std::chrono::hours IntervalOf(std::string_view value);
// The same, noted as read.
std::string ReadSetting(const PlanInput& in, std::string_view name, Plan& plan);

// The hosted domains as the certificates of XMPP federation name them (SPEC C8): with wildcards
// switched on, "*.example.com" in place of "example.com".
std::vector<std::string> FederationNames(const PlanInput& in);

// By name.
using SettingValues = std::map<std::string, std::string>;
struct SettingPlan : Plan {
  SettingValues values;  // canonical, those that change
};
// What changes, and which certificates name other domains than they should then (warnings
// REGENERATE, each with the command).
Result<SettingPlan> PlanSettings(const PlanInput& in, const SettingValues& values);

// Names that the purpose's certificate should have and has not: nodes of a multi-server one, hosted
// domains. Empty when there is no certificate.
std::vector<std::string> UncoveredNames(const PlanInput& in, const Purpose& purpose);

}  // namespace signet::keystore
