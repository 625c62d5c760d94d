// The calls of p11-kit's remote protocol that Signet answers, with their numbers and signatures. Of
// the others it knows that they exist (kLastCall).
#pragma once

#include <cstdint>
#include <string_view>

namespace signet::hsm::wire {

enum class Call : std::uint32_t {
  kError = 0,
  kInitialize = 1,
  kFinalize = 2,
  kGetInfo = 3,
  kGetSlotList = 4,
  kGetSlotInfo = 5,
  kGetTokenInfo = 6,
  kGetMechanismList = 7,
  kGetMechanismInfo = 8,
  kOpenSession = 10,
  kCloseSession = 11,
  kCloseAllSessions = 12,
  kGetSessionInfo = 13,
  kLogin = 18,
  kLogout = 19,
  kDestroyObject = 22,
  kGetAttributeValue = 24,
  kSetAttributeValue = 25,
  kFindObjectsInit = 26,
  kFindObjects = 27,
  kFindObjectsFinal = 28,
  kSignInit = 42,
  kSign = 43,
  kSignUpdate = 44,
  kSignFinal = 45,
  kGenerateKeyPair = 59,
  kWrapKey = 60,
  kUnwrapKey = 61,
  // Ours, on the management socket alone: a method's name and octets; the answer is octets.
  kControl = 0x53470001,
};

// What C_Initialize says before anything else.
inline constexpr std::string_view kHandshake = "PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1";

}  // namespace signet::hsm::wire
