#include "tools/cli/input.h"

#include <fcntl.h>
#include <openssl/ui.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <memory>

#include "platform/encoding.h"

namespace signet::tools {
namespace {

constexpr std::size_t kMaxInput = 64u << 20;
constexpr std::size_t kMaxPin = 255;

// Reads into `buffer`; -1 with errno set.
ssize_t ReadSome(int fd, char* buffer, std::size_t size) {
  ssize_t n = 0;
  do {
    n = ::read(fd, buffer, size);
  } while (n < 0 && errno == EINTR);
  return n;
}

Result<WipedString> ReadAll(int fd, const std::string& name) {
  WipedString content;
  content.reserve(65536);
  for (;;) {
    const std::size_t used = content.size();
    if (used > kMaxInput) {
      return MakeError(Kind::kUsage, "FILE_TOO_LARGE", name + " is larger than 64 MiB",
                       "Give a smaller file.");
    }
    content.resize(used + 65536);
    const ssize_t n = ReadSome(fd, content.data() + used, 65536);
    const int failure = errno;
    content.resize(used + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0) return ErrnoError(failure, "read", name);
    if (n == 0) return content;
  }
}

// A local file that cannot be read is a wrong command line, not something missing in the appliance.
Result<WipedString> AsUsage(Result<WipedString> result) {
  if (!result) {
    Error error = std::move(result).error();
    error.kind = Kind::kUsage;
    return error;
  }
  return result;
}

Error PinMissing(std::string detail) {
  return MakeError(Kind::kUsage, "PIN_MISSING", std::move(detail),
                   "Run it on a terminal, or give --pin-fd N with the PIN on that descriptor.");
}

Result<Secret> ReadPinLine(int fd) {
  std::array<char, kMaxPin + 2> line{};
  std::size_t size = 0;
  ssize_t n = 1;
  // One octet at a time: what follows the line belongs to whoever opened the descriptor.
  while (size < line.size() && n > 0) {
    n = ReadSome(fd, line.data() + size, 1);
    if (n < 0) {
      const int failure = errno;
      Wipe(line.data(), line.size());
      return ErrnoError(failure, "read", "descriptor " + std::to_string(fd));
    }
    if (n > 0 && line[size] == '\n') break;
    size += static_cast<std::size_t>(n);
  }
  Secret pin{std::string_view(line.data(), size)};
  Wipe(line.data(), line.size());
  if (size > kMaxPin) {
    return MakeError(Kind::kUsage, "PIN_TOO_LONG", "the PIN is longer than 255 octets",
                     "Look at what --pin-fd reads.");
  }
  if (pin.empty()) return PinMissing("descriptor " + std::to_string(fd) + " gave no PIN");
  return pin;
}

}  // namespace

Result<WipedString> ReadInput(const std::string& path) {
  if (path == "-") return AsUsage(ReadAll(STDIN_FILENO, "standard input"));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return AsUsage(ErrnoError(errno, "open", path));
  Result<WipedString> content = AsUsage(ReadAll(fd, path));
  ::close(fd);
  return content;
}

Result<Secret> ReadPin(int fd) {
  if (fd >= 0) return ReadPinLine(fd);
  if (::isatty(STDIN_FILENO) == 0) return PinMissing("there is no terminal to ask for the PIN");
  const std::unique_ptr<UI, decltype(&UI_free)> ui(UI_new_method(UI_OpenSSL()), &UI_free);
  std::array<char, kMaxPin + 1> line{};
  const bool asked =
      ui != nullptr &&
      UI_add_input_string(ui.get(), "PIN of the token: ", 0, line.data(), 1, kMaxPin) >= 0 &&
      UI_process(ui.get()) == 0;
  Secret pin{std::string_view(line.data())};
  Wipe(line.data(), line.size());
  if (!asked || pin.empty()) return PinMissing("no PIN was given");
  return pin;
}

Status Confirm(const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
    return MakeError(Kind::kUsage, "CONFIRMATION_NEEDED",
                     "this needs a confirmation and there is no terminal to ask on",
                     "Look at what it changes, then repeat it with --yes.");
  }
  std::cerr << EscapeLine(question) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return Ok();
  return MakeError(Kind::kRefused, "NOT_CONFIRMED", "not confirmed, nothing was changed",
                   "Answer y, or repeat it with --yes.");
}

}  // namespace signet::tools
