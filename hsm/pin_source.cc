#include "hsm/pin_source.h"

#include <openssl/ui.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace signet::hsm {
namespace {

constexpr std::size_t kMaxPin = 255;

Error Unavailable(const std::string& why) {
  return MakeError(signet::Kind::kTokenLocked, "PIN_UNAVAILABLE",
                   "no secret comes from its source: " + why,
                   "Correct the PIN's source and restart, or unlock the token by hand.");
}

Error Invalid(const std::string& why) {
  return MakeError(signet::Kind::kUsage, "PIN_SOURCE_INVALID", "the PIN's source " + why,
                   "Use file:/path, credential:NAME, fd:N, prompt, or leave it empty.");
}

Result<Secret> Trim(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return Unavailable("it is empty");
  if (text.size() > kMaxPin) return Unavailable("it is longer than 255 octets");
  if (text.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos) {
    return Unavailable("it has more than one line");
  }
  return Secret(text);
}

Result<Secret> ReadFile(FileSystem& files, const std::string& path) {
  SIGNET_TRY(auto info, files.Info(path));
  if (info.type != FileInfo::Type::kRegular) {
    return Unavailable(path + " is not a regular file (a link or a FIFO is not followed)");
  }
  SIGNET_TRY(CheckOwnFile(files, path, /*secret=*/true));
  SIGNET_TRY(auto content, files.Read(path, 4096));
  auto pin = Trim(content);
  Wipe(content.data(), content.size());
  return pin;
}

Result<Secret> ReadDescriptor(int descriptor) {
  char buffer[kMaxPin + 3];
  std::size_t used = 0;
  int failure = 0;
  while (used < sizeof buffer) {
    const ssize_t got = ::read(descriptor, buffer + used, sizeof buffer - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failure = errno;
    if (got <= 0) break;
    used += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  if (failure != 0) {
    Wipe(buffer, sizeof buffer);
    return ErrnoError(failure, "reading the PIN", "fd:" + std::to_string(descriptor));
  }
  auto pin = Trim({buffer, used});
  Wipe(buffer, sizeof buffer);
  return pin;
}

Result<Secret> Prompt() {
  if (::isatty(STDIN_FILENO) == 0) return Unavailable("there is no terminal to ask on");
  char buffer[kMaxPin + 1] = {};
  const int code = UI_UTIL_read_pw_string(buffer, sizeof buffer, "PIN of the token: ", 0);
  if (code != 0) {
    Wipe(buffer, sizeof buffer);
    return Unavailable("the prompt was left without an answer");
  }
  auto pin = Trim(buffer);
  Wipe(buffer, sizeof buffer);
  return pin;
}

}  // namespace

Result<PinSource> PinSource::Parse(const std::string& text) {
  PinSource source;
  if (text.empty()) return source;
  if (text == "prompt") {
    source.kind_ = Kind::kPrompt;
    return source;
  }
  const auto colon = text.find(':');
  if (colon == std::string::npos) return Invalid("has no form that is known");
  const std::string scheme = text.substr(0, colon);
  source.name_ = text.substr(colon + 1);
  if (scheme == "file") {
    if (!source.name_.starts_with('/')) return Invalid("needs an absolute path");
    source.kind_ = Kind::kFile;
  } else if (scheme == "credential") {
    if (source.name_.empty() || source.name_.find('/') != std::string::npos ||
        source.name_.starts_with('.')) {
      return Invalid("needs the plain name of a credential");
    }
    source.kind_ = Kind::kCredential;
  } else if (scheme == "fd") {
    const char* end = source.name_.data() + source.name_.size();
    const auto [stop, code] = std::from_chars(source.name_.data(), end, source.descriptor_);
    if (code != std::errc() || stop != end || source.descriptor_ < 0) {
      return Invalid("needs the number of a file descriptor");
    }
    source.kind_ = Kind::kDescriptor;
  } else {
    return Invalid("has no form that is known");
  }
  return source;
}

Result<Secret> PinSource::Read(FileSystem& files) const {
  Result<Secret> pin = Unavailable("none is configured");
  if (kind_ == Kind::kFile) pin = ReadFile(files, name_);
  if (kind_ == Kind::kDescriptor) pin = ReadDescriptor(descriptor_);
  if (kind_ == Kind::kPrompt) pin = Prompt();
  if (kind_ == Kind::kCredential) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr) return Unavailable("CREDENTIALS_DIRECTORY is not set");
    pin = ReadFile(files, std::string(directory) + "/" + name_);
  }
  if (!pin && pin.error().word != "PIN_UNAVAILABLE") {
    return Unavailable(pin.error().detail);  // one kind for all: the token stays locked
  }
  return pin;
}

}  // namespace signet::hsm
