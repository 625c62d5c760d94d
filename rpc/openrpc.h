// rpc.discover: the method table as an OpenRPC 1.2.6 document (spec.open-rpc.org).
#pragma once

#include "rpc/method.h"

namespace signet::rpc {

// The methods that `role` may call. Besides what OpenRPC says: x-roles, x-effect ("read", "use",
// "change"), x-token ("none", "operational"), x-local-only.
json::value OpenRpcDocument(const MethodTable& methods, Role role);

// Adds rpc.discover to `methods`, which outlives its calls.
void AddDiscovery(MethodTable& methods);

}  // namespace signet::rpc
