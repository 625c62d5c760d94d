// Log lines: one line each, on standard error, escaped, buffered (flushed every second and at
// warnings).
#pragma once

#include <string_view>

namespace signet {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Once, before the first line; without it nothing is written. `level` one of debug, info, warning,
// error.
void InitialiseLogging(std::string_view level);
void ShutDownLogging();
// Thread-safe. `text` is escaped by EscapeLine. Never give it a PIN, a key, or a request's body.
void Log(LogLevel level, std::string_view text);

}  // namespace signet
