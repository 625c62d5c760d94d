#include "platform/process.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace signet {
namespace {

constexpr std::array<std::string_view, 8> kVariables{
    "OPENSSL_CONF",  "OPENSSL_MODULES", "OPENSSL_ENGINES", "OPENSSL_CONF_INCLUDE",
    "SSL_CERT_FILE", "SSL_CERT_DIR",    "SOFTHSM2_CONF",   "GLIBC_TUNABLES"};
constexpr std::array<std::string_view, 3> kPrefixes{"LD_", "P11_KIT_", "PKCS11_"};

bool IsDangerous(std::string_view name) {
  for (const std::string_view variable : kVariables) {
    if (name == variable) return true;
  }
  for (const std::string_view prefix : kPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

Error HardeningFailed(std::string_view what, int error_number) {
  Error error =
      MakeError(Kind::kInternal, "HARDENING_FAILED",
                std::string(what) + " failed: " + std::strerror(error_number),
                "Look for a seccomp filter or container rule that forbids setrlimit or prctl.");
  error.origin = {"errno", static_cast<std::uint64_t>(error_number)};
  return error;
}

}  // namespace

Status HardenProcess() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return HardeningFailed("setrlimit(RLIMIT_CORE)", errno);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return HardeningFailed("prctl(PR_SET_DUMPABLE)", errno);
  }
  return Ok();
}

void ClearDangerousEnvironment() {
  std::vector<std::string> names;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    if (IsDangerous(name)) names.emplace_back(name);
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

std::string HostName() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == '\0') return "localhost";
  return buffer.data();
}

void ShareFreedMemory() { ::mallopt(M_ARENA_MAX, 2); }

void ReturnFreedMemory() { ::malloc_trim(0); }

}  // namespace signet
