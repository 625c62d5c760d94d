#include "keystore/overrides.h"

#include <algorithm>

#include "platform/encoding.h"

namespace signet::keystore {

namespace {

// What a CA or a deletion does to the use of a certificate is the operator's to judge; what makes a
// certificate unsound is not. By the beginning of the id.
constexpr std::string_view kOverridable[] = {
    "KEY_USAGE_LOST_", "KEY_USAGE_ADDED_", "EKU_LOST_",        "EKU_ADDED_",    "SAN_MISSING",
    "CN_NOT_IN_SAN",   "TRUST_IN_USE",     "ROLLBACK_EXPIRED", "STATUS_UNKNOWN"};

bool Overridable(const std::string& id) {
  return std::any_of(std::begin(kOverridable), std::end(kOverridable),
                     [&](std::string_view beginning) { return id.starts_with(beginning); });
}

}  // namespace

Status Override(const Overrides& overrides, Plan& plan) {
  if (overrides.words.empty()) return Ok();
  const std::string reason = EscapeLine(overrides.reason, 256);
  if (reason.find_first_not_of(' ') == std::string::npos) {
    return MakeError(Kind::kUsage, "FORCE_WITHOUT_REASON",
                     "a finding is overridden without a reason",
                     "Say why with --reason TEXT; the audit log keeps it.");
  }
  for (const std::string& word : overrides.words) {
    if (!Overridable(word)) {
      return MakeError(Kind::kRefused, "FORCE_NOT_POSSIBLE",
                       EscapeLine(word, 64) + " cannot be overridden",
                       "Mend the cause; findings on key usage and names may be overridden.");
    }
    bool found = false;
    for (Finding& finding : plan.findings) {
      if (finding.id != word || finding.severity != Severity::kError) continue;
      finding.severity = Severity::kWarning;
      finding.text += " (overridden: " + reason + ")";
      found = true;
    }
    if (!found) {
      return MakeError(Kind::kRefused, "FORCE_UNFOUNDED",
                       "there is no error " + EscapeLine(word, 64) + " to override",
                       "Repeat without it; --dry-run shows the findings.");
    }
    plan.Step("override finding", "", word + ": " + reason);
  }
  return Ok();
}

}  // namespace signet::keystore
