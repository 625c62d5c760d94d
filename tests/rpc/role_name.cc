// Only where the services library is not built.
#include "services/request_context.h"

namespace signet::services {

std::string_view RoleName(Role role) {
  static constexpr std::string_view kNames[] = {"none",     "metrics",       "service", "auditor",
                                                "operator", "administrator", "system"};
  return kNames[static_cast<std::size_t>(role)];
}

}  // namespace signet::services
