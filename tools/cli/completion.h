// Shell completion, generated from the table of commands.
#pragma once

#include <string>

namespace signet::tools {

std::string BashCompletion();

}  // namespace signet::tools
