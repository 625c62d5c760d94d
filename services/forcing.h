// Overriding findings is an administrator's privilege (SPEC A2).
#pragma once

#include "keystore/overrides.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::services {

// kDenied FORCE_DENIED for any other role.
Result<keystore::Overrides> OverridesOf(const RequestContext& context,
                                        const api::Forcible& request);

}  // namespace signet::services
