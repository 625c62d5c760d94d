// The command line, parsed. The one place that sees CLI11.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/error.h"
#include "tools/cli/command.h"

namespace signet::tools {

// Options of every command, with the environment already looked at.
struct Globals {
  std::string socket;  // path; empty when `url` is given
  std::string url;
  bool json = false;
  std::string ca_file, client_certificate, client_key;
  std::string idempotency_key;
};

struct Invocation {
  const Command* command = nullptr;
  Globals globals;
  // What was typed, beside command->arguments and command->options; empty where nothing was.
  std::vector<std::vector<std::string>> arguments, options;
  std::string output_file;  // -o
  bool yes = false;         // --yes
  bool digest = false;      // --digest
  int pin_fd = -1;          // --pin-fd
};

// Parses by the table of commands. Empty when help or the version was asked for and printed. Errors
// are kUsage COMMAND_LINE_INVALID, with the nearest known word in the remedy.
Result<std::optional<Invocation>> ParseCommandLine(int argc, const char* const* argv);

}  // namespace signet::tools
