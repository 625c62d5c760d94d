// Where the user PIN comes from at start: never from argv, an environment value or the
// configuration itself.
#pragma once

#include <string>

#include "platform/error.h"
#include "platform/files.h"
#include "platform/secret.h"

namespace signet::hsm {

// "file:/path", "credential:NAME" (systemd, $CREDENTIALS_DIRECTORY/NAME), "fd:N" (read to its end,
// then closed), "prompt" (the terminal). kUsage PIN_SOURCE_INVALID.
class PinSource {
 public:
  static Result<PinSource> Parse(const std::string& text);

  // Reads the PIN; one line end after it is dropped. kTokenLocked PIN_UNAVAILABLE says what is
  // wrong with the source: a file that is a link, a FIFO, or that others may read or write is
  // refused.
  Result<Secret> Read(FileSystem& files) const;

  bool none() const { return kind_ == Kind::kNone; }
  bool once() const { return kind_ == Kind::kDescriptor; }  // to be read a single time

 private:
  enum class Kind : std::uint8_t { kNone, kFile, kCredential, kDescriptor, kPrompt };
  Kind kind_ = Kind::kNone;
  std::string name_;
  int descriptor_ = -1;
};

}  // namespace signet::hsm
