// Files with more certificates than a request takes.
#pragma once

#include "platform/error.h"
#include "platform/json.h"
#include "tools/cli/parser.h"

namespace signet::tools {

// Sends the files of the command's argument, a large one in pieces between its PEM blocks, each in
// a request of its own; the answers as one: numbers added, operations and findings listed. What the
// daemon refuses of a request is a finding, and the others go on; any other error ends it, and says
// how far it came.
Result<json::value> SendInPieces(const Invocation& invocation, const json::storage_ptr& storage);

}  // namespace signet::tools
