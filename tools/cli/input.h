// What the CLI reads: files, standard input, PINs and answers to its questions.
#pragma once

#include <string>

#include "platform/error.h"
#include "platform/secret.h"

namespace signet::tools {

// The whole of a file, pipe or device; "-" is standard input. kUsage FILE_TOO_LARGE over 64 MiB,
// kUsage with errno's word when it cannot be read. Wiped, since people upload private keys by
// mistake.
Result<WipedString> ReadInput(const std::string& path);

// Asks on the terminal without echo, or (`fd` >= 0) reads the first line of that descriptor. kUsage
// PIN_MISSING when there is neither terminal nor descriptor, or nothing was given.
Result<Secret> ReadPin(int fd);

// Asks "question [y/N]" on the terminal; no is kRefused NOT_CONFIRMED, no terminal kUsage
// CONFIRMATION_NEEDED.
Status Confirm(const std::string& question);

}  // namespace signet::tools
