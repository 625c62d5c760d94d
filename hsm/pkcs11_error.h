// The one place where a CK_RV (PKCS#11 v2.40 §5.1) becomes an Error.
#pragma once

#include <p11-kit/pkcs11.h>

#include <string>
#include <string_view>

#include "platform/error.h"

namespace signet::hsm {

// "CKR_DEVICE_ERROR", or "CKR_0x…" for a code without a name here.
std::string CkrName(CK_RV code);

// The Error for a call (`function` is its name, "C_Sign") that returned `code`. Its origin keeps
// the code.
Error CkError(CK_RV code, std::string_view function,
              boost::source_location where = BOOST_CURRENT_LOCATION);

// The code that an Error was made from; CKR_OK when it came from elsewhere.
CK_RV CkCode(const Error& error);

// What a rebuild must redo before the operation that met `code` may be tried once more.
enum class Staleness : std::uint8_t {
  kNone,      // trying again would change nothing
  kHandle,    // the object's handle is dead: deleted, or the token was initialised anew
  kSessions,  // sessions or login are dead
  kModule,    // the token went away: only unloading and loading helps
};
Staleness StalenessOf(CK_RV code);

#define SIGNET_CK(function, call)                              \
  do {                                                         \
    if (const CK_RV signet_rv = (call); signet_rv != CKR_OK) { \
      return ::signet::hsm::CkError(signet_rv, function);      \
    }                                                          \
  } while (false)

}  // namespace signet::hsm
