// What a process of Signet does to itself, and knows of itself.
#pragma once

#include <string>

#include "platform/error.h"

namespace signet {

// No core dumps (RLIMIT_CORE 0) and not dumpable (PR_SET_DUMPABLE 0, which also shuts ptrace and
// /proc/<pid>/mem for others of the same user). kInternal HARDENING_FAILED. First thing in main.
Status HardenProcess();

// Removes the variables that make libraries load code, configuration or trust from where the caller
// says: OPENSSL_CONF and its kin, SSL_CERT_*, LD_* (for children), SOFTHSM2_CONF, P11_KIT_*,
// GLIBC_TUNABLES and PKCS11_*. In main, before there are threads and before OpenSSL is used.
void ClearDangerousEnvironment();

// The machine's node name as gethostname has it; "localhost" when there is none.
std::string HostName();

// Few threads of one purpose share what they free, for a process that should stay small. First
// thing in main.
void ShareFreedMemory();

// Gives memory that was freed back to the system, which the allocator keeps otherwise: after work
// of a hundred times the usual size.
void ReturnFreedMemory();

}  // namespace signet
