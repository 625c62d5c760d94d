// From what was typed to the parameters of the method.
#pragma once

#include "platform/error.h"
#include "platform/http_client.h"
#include "platform/json.h"
#include "tools/cli/parser.h"

namespace signet::tools {

// Where the daemon is.
HttpTarget TargetOf(const Globals& globals);

// Reads the files that arguments name. `storage` holds the parameters (wiping, for uploads and
// PINs).
Result<json::object> MakeParams(const Invocation& invocation, json::storage_ptr storage);

// Whether an option that becomes this parameter was given.
bool WasTyped(const Invocation& invocation, std::string_view member);

// `text` with each {NAME} replaced by what was typed for that argument.
std::string FillQuestion(const Invocation& invocation);

}  // namespace signet::tools
