#include "services/request_context.h"

namespace signet::services {

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kNone:
      return "none";
    case Role::kMetrics:
      return "metrics";
    case Role::kService:
      return "service";
    case Role::kAuditor:
      return "auditor";
    case Role::kOperator:
      return "operator";
    case Role::kAdministrator:
      return "administrator";
    case Role::kSystem:
      return "system";
  }
  return "none";
}

RequestContext SystemContext(std::string origin, Duration limit) {
  RequestContext context;
  context.actor = "system";
  context.role = Role::kSystem;
  context.origin = std::move(origin);
  context.limit = limit;
  return context;
}

}  // namespace signet::services
