#include "rpc/method.h"

namespace signet::rpc {

bool Allows(Access access, Role role) {
  if (role == Role::kSystem) return true;
  switch (access) {
    case Access::kEveryone:
      return role == Role::kService || role == Role::kAuditor || role == Role::kOperator ||
             role == Role::kAdministrator;
    case Access::kRead:
      return role == Role::kAuditor || role == Role::kOperator || role == Role::kAdministrator;
    case Access::kOperate:
      return role == Role::kOperator || role == Role::kAdministrator;
    case Access::kAdminister:
      return role == Role::kAdministrator;
    case Access::kMeasure:
      return role == Role::kMetrics || Allows(Access::kRead, role);
    case Access::kConnect:
      return role == Role::kService || Allows(Access::kOperate, role);
    case Access::kSign:
      return role == Role::kService || role == Role::kAdministrator;
  }
  return false;
}

void MethodTable::Add(Method method) {
  const auto [at, inserted] = index_.emplace(method.name, methods_.size());
  if (inserted) {
    methods_.push_back(std::move(method));
  } else {
    methods_[at->second] = std::move(method);
  }
}

const Method* MethodTable::Find(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &methods_[at->second];
}

}  // namespace signet::rpc
