#include "platform/error.h"

#include <openssl/err.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

struct KindEntry {
  Kind kind;
  std::string_view name;
  int exit_code;
};

constexpr std::array<KindEntry, 12> kKinds{{
    {Kind::kUsage, "usage", 2},
    {Kind::kRefused, "refused", 1},
    {Kind::kDenied, "denied", 4},
    {Kind::kNotFound, "not-found", 3},
    {Kind::kConflict, "conflict", 5},
    {Kind::kTokenLocked, "token-locked", 6},
    {Kind::kTokenFailed, "token-failed", 6},
    {Kind::kExhausted, "exhausted", 1},
    {Kind::kTimeout, "timeout", 1},
    {Kind::kUnavailable, "unavailable", 1},
    {Kind::kUnreachable, "unreachable", 7},
    {Kind::kInternal, "internal", 1},
}};

const KindEntry& EntryOf(Kind kind) {
  for (const KindEntry& entry : kKinds) {
    if (entry.kind == kind) return entry;
  }
  return kKinds.back();
}

}  // namespace

std::string_view KindName(Kind kind) { return EntryOf(kind).name; }

Kind KindFromName(std::string_view name) {
  for (const KindEntry& entry : kKinds) {
    if (entry.name == name) return entry.kind;
  }
  return Kind::kInternal;
}

int ExitCode(Kind kind) { return EntryOf(kind).exit_code; }

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "error";
}

bool HasErrors(const Findings& findings) {
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kError) return true;
  }
  return false;
}

Error::Error() = default;
Error::Error(const Error& other) = default;
Error::Error(Error&& other) noexcept = default;
Error& Error::operator=(const Error& other) = default;
Error& Error::operator=(Error&& other) noexcept = default;
Error::~Error() = default;

std::string Error::ToString() const { return EscapeLine(word + ": " + detail, 4096); }

Error MakeError(Kind kind, std::string word, std::string detail, std::string remedy,
                boost::source_location where) {
  Error error;
  error.kind = kind;
  error.word = std::move(word);
  error.detail = std::move(detail);
  error.remedy = std::move(remedy);
  error.where = where;
  return error;
}

Error InternalError(std::string detail, boost::source_location where) {
  return MakeError(Kind::kInternal, "INTERNAL", std::move(detail),
                   "This is a defect of Signet: report it with the log lines around it.", where);
}

Error ErrnoError(int error_number, std::string_view what, std::string_view path,
                 boost::source_location where) {
  std::string detail(what);
  if (!path.empty()) detail += " '" + EscapeLine(path) + "'";
  detail += ": " + std::generic_category().message(error_number);

  Error error;
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      error =
          MakeError(Kind::kUnavailable, "STORAGE_FULL", std::move(detail),
                    "Free space on the file system (or raise the quota), then try again.", where);
      break;
    case ENOENT:
      error = MakeError(Kind::kNotFound, "FILE_NOT_FOUND", std::move(detail),
                        "Check the path and that it exists on this machine.", where);
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      error = MakeError(Kind::kUnavailable, "IO_FAILED", std::move(detail),
                        "Give the user that runs this program access to the path.", where);
      break;
    default:
      error = MakeError(Kind::kUnavailable, "IO_FAILED", std::move(detail),
                        "Check the path and the disk beneath it ('journalctl -k').", where);
  }
  error.origin = {"errno", static_cast<std::uint64_t>(error_number)};
  return error;
}

Error OpenSslError(Kind kind, std::string word, std::string_view what,
                   boost::source_location where) {
  std::string detail(what);
  std::uint64_t first = 0;
  // The queue's free text is left out: providers and engines put URIs and file content there.
  while (const unsigned long code = ERR_get_error()) {
    if (first == 0) {
      first = code;
      detail += ": ";
    } else {
      detail += "; ";
    }
    if (const char* reason = ERR_reason_error_string(code)) {
      detail += reason;
    } else {
      std::array<char, 256> buffer{};
      ERR_error_string_n(code, buffer.data(), buffer.size());
      detail += buffer.data();
    }
  }
  // What a token did not do for OpenSSL is for its administrator to mend; anything else the caller
  // explains.
  std::string remedy;
  if (kind == Kind::kTokenFailed) {
    remedy = "Look at 'signet token status'; repeat the request when the token is operational.";
  }
  Error error = MakeError(kind, std::move(word), std::move(detail), std::move(remedy), where);
  if (first != 0) error.origin = {"OpenSSL", first};
  return error;
}

}  // namespace signet
