// The table of commands.
#pragma once

#include <span>
#include <string_view>

#include "tools/cli/command.h"

namespace signet::tools {

std::span<const Command> Commands();
// One line about a noun, for the list of nouns.
std::string_view NounSummary(std::string_view noun);

}  // namespace signet::tools
