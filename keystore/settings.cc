#include "keystore/settings.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "keystore/x509/names.h"
#include "platform/encoding.h"
#include "platform/mail_address.h"
#include "platform/outgoing_http.h"

namespace signet::keystore {

namespace {

using Type = SettingRow::Type;

std::vector<std::string> Words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Error Invalid(const SettingRow& row, std::string wanted) {
  return MakeError(Kind::kUsage, "SETTING_INVALID",
                   std::string(row.name) + " is " + std::move(wanted),
                   "'signet setting list' shows every setting with its meaning.");
}

Result<std::string> CanonicalDomains(const SettingRow& row, std::string_view value) {
  std::string text(value);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == ',' || c == ';'; }, ' ');
  std::vector<std::string> domains;
  for (const std::string& word : Words(text)) {
    auto name = x509::ParseHostName(word);
    if (!name || word.starts_with("*")) {
      return Invalid(row, "a list of domain names, '" + EscapeLine(word, 64) + "' is none");
    }
    domains.push_back(std::move(name).value());
  }
  std::sort(domains.begin(), domains.end());
  domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
  if (domains.size() > 80) return Invalid(row, "a list of 80 domains at most");
  std::string out;
  for (const std::string& domain : domains) out += (out.empty() ? "" : " ") + domain;
  return out;
}

// "7 days", "7d", "1 hour", "24h".
Result<std::string> CanonicalInterval(const SettingRow& row, std::string_view value) {
  int number = 0;
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(value.data() + value.size() - end));
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  static constexpr std::string_view kHours[] = {"h", "hour", "hours"},
                                    kDays[] = {"d", "day", "days"};
  const auto is_one = [&](const auto& words) {
    return std::find(std::begin(words), std::end(words), unit) != std::end(words);
  };
  if (problem == std::errc() && number >= 1) {
    if (is_one(kHours) && number <= 8760) return std::to_string(number) + "h";
    if (is_one(kDays) && number <= 365) return std::to_string(number) + "d";
  }
  return Invalid(row, "a number of hours or days, '12h' or '7d', one year at most");
}

bool Covers(const std::vector<std::string>& sans, const std::string& name) {
  return std::find(sans.begin(), sans.end(), "DNS:" + name) != sans.end();
}

}  // namespace

const std::vector<SettingRow>& AllSettings() {
  static const std::vector<SettingRow> rows = {
      {kHostedDomains, Type::kDomains, "", "",
       "domains whose XMPP users live here; federation certificates name them"},
      {kFederationWildcards, Type::kSwitch, "false", "",
       "federation certificates name *.example.com in place of example.com"},
      {kEcKeyUsage, Type::kChoice, "table", "table rfc8813",
       "key usage of -ECDSA purposes: the product's table, or without what RFC 8813 forbids"},
      {kRollbackDays, Type::kDays, "30", "",
       "days for which a former certificate and its key are kept for a rollback"},
      {kUndoDays, Type::kDays, "30", "",
       "days for which a deleted trust entry can be brought back without its file"},
      {kMonitorStartDays, Type::kDays, "30", "",
       "days before the end of a certificate from which on it is warned of"},
      {kMonitorFrequency, Type::kInterval, "7d", "",
       "how often the same warning is mailed: a number of hours or days"},
      {kMonitorEmail, Type::kSwitch, "false", "",
       "what expires is mailed to monitor-addresses, by the [mail] server of the configuration"},
      {kMonitorAddresses, Type::kAddresses, "", "",
       "who is told of certificates that expire, several split by ;"},
      {kMonitorLsc, Type::kSwitch, "false", "",
       "certificates of endpoints ('signet lsc list') are watched too"},
      {kRevocationCheck, Type::kSwitch, "false", "",
       "the status of certificates is asked of OCSP responders and revocation lists"},
      {kRevocationResponder, Type::kUrl, "", "",
       "the OCSP responder that is asked; empty: the one that each certificate names"},
      {kRevocationEvery, Type::kInterval, "24h", "",
       "how often each certificate's status is asked: a number of hours or days"},
      {kUnknownUpload, Type::kChoice, "soft", "soft hard",
       "an upload whose status nobody tells: a warning, or refused"},
      {kUnknownTrust, Type::kChoice, "soft", "soft hard",
       "a trust entry whose status nobody tells: a warning, or out of trust"},
      {kUnknownConnection, Type::kChoice, "soft", "soft hard",
       "a connection whose peer's status nobody tells: a warning, or closed"},
      {kValidityCheck, Type::kSwitch, "true", "",
       "certificates of long-lived connections are checked again and again"},
      {kValidityFrequency, Type::kInterval, "24h", "",
       "how often; while revocation-check is on, revocation-every counts"},
  };
  return rows;
}

Result<const SettingRow*> FindSetting(std::string_view name) {
  std::string names;
  for (const SettingRow& row : AllSettings()) {
    if (row.name == name) return &row;
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return MakeError(Kind::kNotFound, "SETTING_UNKNOWN",
                   "there is no setting '" + EscapeLine(name, 64) + "'",
                   "The settings are: " + names + ".");
}

Result<std::string> CanonicalSetting(const SettingRow& row, std::string_view value) {
  switch (row.type) {
    case Type::kSwitch:
      if (value == "true" || value == "on") return std::string("true");
      if (value == "false" || value == "off") return std::string("false");
      return Invalid(row, "on or off");
    case Type::kChoice: {
      const auto choices = Words(row.choices);
      if (std::find(choices.begin(), choices.end(), value) != choices.end())
        return std::string(value);
      return Invalid(row, "one of: " + std::string(row.choices));
    }
    case Type::kDays: {
      int days = 0;
      const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), days);
      if (problem == std::errc() && end == value.data() + value.size() && days >= 1 && days <= 3650)
        return std::to_string(days);
      return Invalid(row, "a number of days, 1 to 3650");
    }
    case Type::kDomains:
      return CanonicalDomains(row, value);
    case Type::kInterval:
      return CanonicalInterval(row, value);
    case Type::kUrl: {
      if (value.empty()) return std::string();
      if (auto fits = CheckOutgoingUrl(value); !fits) {
        return Invalid(row,
                       "the URL of a responder, http://ocsp.example.com: " + fits.error().detail);
      }
      return std::string(value);
    }
    case Type::kAddresses: {
      SIGNET_TRY(const std::vector<std::string> addresses, ParseMailAddresses(value));
      std::string all;
      for (const std::string& address : addresses) all += (all.empty() ? "" : ";") + address;
      return all;
    }
  }
  return InternalError("a setting without a type");
}

std::string SettingValue(const PlanInput& in, std::string_view name) {
  const auto known = FindSetting(name);
  const auto set = in.snapshot->settings.find(std::string(name));
  // A record that somebody damaged counts as none.
  if (known && set != in.snapshot->settings.end() &&
      CanonicalSetting(*known.value(), set->second.value.value)) {
    return set->second.value.value;
  }
  if (name == kHostedDomains) {
    std::string out;
    for (const std::string& domain : in.names.hosted_domains)
      out += (out.empty() ? "" : " ") + domain;
    return out;
  }
  return known ? std::string(known.value()->default_value) : std::string();
}

std::chrono::hours IntervalOf(std::string_view value) {
  int number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return value.ends_with('d') ? std::chrono::days(number) : std::chrono::hours(number);
}

std::string ReadSetting(const PlanInput& in, std::string_view name, Plan& plan) {
  const std::string key(name);
  const auto set = in.snapshot->settings.find(key);
  plan.reads[in.layout().Setting(key)] =
      set == in.snapshot->settings.end() ? 0 : set->second.modified;
  return SettingValue(in, name);
}

std::vector<std::string> FederationNames(const PlanInput& in) {
  std::vector<std::string> names = Words(SettingValue(in, kHostedDomains));
  if (SettingValue(in, kFederationWildcards) == "true") {
    for (std::string& name : names) name = "*." + name;
  }
  return names;
}

std::vector<std::string> UncoveredNames(const PlanInput& in, const Purpose& purpose) {
  std::vector<std::string> missing;
  const IdentityVersion* current = in.snapshot->Current(purpose.name);
  const x509::Certificate* certificate =
      current == nullptr ? nullptr : in.snapshot->Certificate(current->certificate);
  if (certificate == nullptr) return missing;
  std::vector<std::string> wanted = {in.names.node};
  if (current->distribution != in.names.node) wanted = in.names.nodes;
  if (purpose.hosted_domains) {
    const auto names = FederationNames(in);
    wanted.insert(wanted.end(), names.begin(), names.end());
  }
  for (const std::string& name : wanted) {
    if (!Covers(certificate->fields().sans, name)) missing.push_back(name);
  }
  return missing;
}

namespace {

// Which certificates name other domains than they should once the settings are those of `then`.
void TellUncovered(const PlanInput& in, const PlanInput& then, SettingPlan& plan) {
  for (const Purpose& purpose : in.catalogue.purposes) {
    if (!purpose.hosted_domains || (purpose.publisher_only && !in.names.publisher)) continue;
    ReadIdentity(in, purpose.name, plan);
    std::string missing;
    for (const std::string& uncovered : UncoveredNames(then, purpose))
      missing += (missing.empty() ? "" : ", ") + uncovered;
    if (missing.empty()) continue;
    plan.findings.push_back({Severity::kWarning, "REGENERATE",
                             "the certificate of " + purpose.name + " does not name " + missing +
                                 ": 'signet certificate regenerate --dry-run' shows what is to be "
                                 "done, for all of them at once",
                             in.snapshot->Current(purpose.name)->certificate});
    NameRestarts(purpose.on_certificate, plan);  // when it is made anew
  }
}

}  // namespace

Result<SettingPlan> PlanSettings(const PlanInput& in, const SettingValues& values) {
  if (values.empty()) {
    return MakeError(Kind::kUsage, "NOTHING_TO_SET", "no setting was named",
                     "Name one at least; the command's --help shows them.");
  }
  SettingPlan plan;
  auto next = std::make_shared<Snapshot>(*in.snapshot);
  bool names = false;  // of certificates
  std::string former;
  for (const auto& [name, typed] : values) {
    SIGNET_TRY(const SettingRow* row, FindSetting(name));
    SIGNET_TRY(const std::string value, CanonicalSetting(*row, typed));
    names = names || name == kHostedDomains || name == kFederationWildcards;
    const std::string before = ReadSetting(in, row->name, plan);
    if (before == value) continue;
    plan.Step("set", "", name + " to '" + value + "'");
    former += (former.empty() ? "" : ", ") + name + " '" + before + "'";
    plan.values[name] = value;
    next->settings[name].value.value = value;
  }
  if (!former.empty()) plan.replaces = former;
  if (names) TellUncovered(in, {in.catalogue, in.names, next, in.now}, plan);
  plan.nodes = {in.names.node};
  return plan;
}

}  // namespace signet::keystore
