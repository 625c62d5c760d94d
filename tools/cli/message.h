// What goes to standard error: errors with their remedy, findings, notes. Everything is escaped.
#pragma once

#include <string_view>

#include "platform/error.h"

namespace signet::tools {

// "signet: <detail> (WORD)", "  remedy: …", then the findings.
void PrintError(const Error& error);
// A line each: "  error SAN_MISSING: …", coloured on a terminal unless NO_COLOR is set.
void PrintFindings(const Findings& findings);
void PrintNote(std::string_view text);

}  // namespace signet::tools
