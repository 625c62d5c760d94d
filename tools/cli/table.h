// Answers as tables for people. The one place that sees libsmartcols.
#pragma once

#include <span>
#include <string>

#include "platform/error.h"
#include "platform/json.h"
#include "tools/cli/command.h"

namespace signet::tools {

// A line for each element; on a terminal that is too narrow, flexible columns go on in the next
// ones.
Status PrintTable(std::span<const Column> columns, const json::array& rows);
// A line for each member that has a value; whole values.
Status PrintRecord(std::span<const Column> columns, const json::object& record);

// A value as one escaped line: lists joined, booleans yes and no, null empty.
std::string CellText(const json::value& value, Column::As as);

}  // namespace signet::tools
