// Errors as values. One Error type from the token to the wire: what kind it is (which decides exit
// code, HTTP status and whether a retry makes sense), a stable word for programs, a sentence for
// people, and what to do next.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/try.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace signet {

// The closed set of situations that callers treat differently.
enum class Kind : std::uint8_t {
  kUsage,        // the request is malformed: parameters, syntax, limits            exit 2
  kRefused,      // well-formed, but a rule of the domain says no                   exit 1
  kDenied,       // the caller's role does not allow it                             exit 4
  kNotFound,     // what was named does not exist                                   exit 3
  kConflict,     // the state has moved, or exists with other content               exit 5
  kTokenLocked,  // the token waits for its PIN, or refuses it                      exit 6
  kTokenFailed,  // the token is gone, hangs, or failed its self-test               exit 6
  kExhausted,    // a bound was reached (queue, quota, connections): try again      exit 1
  kTimeout,      // the wait ended before the work did                              exit 1
  kUnavailable,  // a file, disk, database or peer failed                           exit 1
  kUnreachable,  // the appliance does not answer (seen by clients only)            exit 7
  kInternal,     // a defect of Signet                                              exit 1
};

// Wire word of a Kind, for example "not-found". Never empty.
std::string_view KindName(Kind kind);
// The Kind with that wire word; kInternal when there is none.
Kind KindFromName(std::string_view name);
// The exit code of the CLI for a Kind, 1 to 7.
int ExitCode(Kind kind);

enum class Severity : std::uint8_t { kInfo, kWarning, kError };
std::string_view SeverityName(Severity severity);

// One observation about a certificate, CSR, chain or state. Checks return lists of these, not the
// first failure.
struct Finding {
  Severity severity = Severity::kError;
  std::string id;           // stable word, for example "SAN_MISSING"
  std::string text;         // a sentence for people, already escaped for one line
  std::string certificate;  // SHA-256 fingerprint (hex) that it is about, or empty
};
using Findings = std::vector<Finding>;
bool HasErrors(const Findings& findings);

// The foreign code that an error was translated from.
struct Origin {
  std::string domain;  // "PKCS11", "OpenSSL", "errno", "SQLite", "curl"; empty when it is our own
  std::uint64_t value = 0;  // CK_RV, errno, …
};

struct Error {
  Kind kind = Kind::kInternal;
  std::string word;     // stable, upper case: KEY_MISMATCH
  std::string detail;   // what happened
  std::string remedy;   // what to do next
  Findings findings;    // all of them, where a check failed
  std::string pointer;  // JSON pointer of the parameter at fault, or empty
  Origin origin;
  boost::source_location where;

  // Out of line: they are at each place where an error may be passed on.
  Error();
  Error(const Error& other);
  Error(Error&& other) noexcept;
  Error& operator=(const Error& other);
  Error& operator=(Error&& other) noexcept;
  ~Error();

  // "WORD: detail" on one line, for logs.
  std::string ToString() const;
};

// Makes an Error at the place of the call.
Error MakeError(Kind kind, std::string word, std::string detail, std::string remedy = {},
                boost::source_location where = BOOST_CURRENT_LOCATION);
// A defect: a condition that the code rules out.
Error InternalError(std::string detail, boost::source_location where = BOOST_CURRENT_LOCATION);
// errno translated: ENOSPC and EDQUOT become STORAGE_FULL, ENOENT FILE_NOT_FOUND, others IO_FAILED.
Error ErrnoError(int error_number, std::string_view what, std::string_view path,
                 boost::source_location where = BOOST_CURRENT_LOCATION);
// OpenSSL's error queue (drained) translated.
Error OpenSslError(Kind kind, std::string word, std::string_view what,
                   boost::source_location where = BOOST_CURRENT_LOCATION);

template <class T>
using Result = boost::outcome_v2::basic_result<T, Error, boost::outcome_v2::policy::terminate>;
using Status = Result<void>;
inline auto Ok() { return boost::outcome_v2::success(); }

#define SIGNET_TRY(...) BOOST_OUTCOME_TRY(__VA_ARGS__)
#define SIGNET_CO_TRY(...) BOOST_OUTCOME_CO_TRY(__VA_ARGS__)

}  // namespace signet
