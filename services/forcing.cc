#include "services/forcing.h"

namespace signet::services {

Result<keystore::Overrides> OverridesOf(const RequestContext& context,
                                        const api::Forcible& request) {
  keystore::Overrides overrides;
  overrides.words = request.force.value_or(std::vector<std::string>());
  overrides.reason = request.reason.value_or("");
  if (overrides.words.empty() || context.role == Role::kAdministrator) return overrides;
  return MakeError(Kind::kDenied, "FORCE_DENIED", "only an administrator may override a finding",
                   "Mend the cause, or ask an administrator.");
}

}  // namespace signet::services
