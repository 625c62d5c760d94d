// From what was typed to the parameters of the method.
#pragma once

#include "platform/error.h"
#include "platform/json.h"
#include "tools/cli/parser.h"

namespace signet::tools {

// Reads the files that arguments name. `storage` holds the parameters (wiping, for uploads and
// PINs).
Result<json::object> MakeParams(const Invocation& invocation, json::storage_ptr storage);

// `text` with each {NAME} replaced by what was typed for that argument.
std::string FillQuestion(const Invocation& invocation);

}  // namespace signet::tools
