// Signatures with a mechanism as a PKCS#11 client names it: what a service may ask for, checked
// before the token sees it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/key_types.h"
#include "hsm/signing.h"
#include "hsm/wire/message.h"

namespace signet::hsm {

// One row for each mechanism that clients may sign with (PKCS#11 v2.40 §2.1, §2.3).
struct RawMechanism {
  CK_MECHANISM_TYPE type;
  const char* name;  // "CKM_ECDSA"
  KeyAlgorithm algorithm;
  CK_MECHANISM_TYPE hash;  // that the token applies to the data; 0: the data is signed as it is
  // signetd's own: OpenSSL pads (libp11 0.4.12 makes RSA-PSS so), and the block is as long as the
  // modulus. For others it would be a way to decrypt.
  bool management_only = false;
};
// Null for every other.
const RawMechanism* FindRawMechanism(CK_MECHANISM_TYPE type);
const std::vector<RawMechanism>& RawMechanisms();

// CKR_OK, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT.
CK_RV CheckRawMechanism(const wire::Mechanism& mechanism, const KeySpec& spec, bool management);

// Octets of a signature by such a key: RSA the modulus's, EC r and s.
std::size_t RawSignatureSize(const KeySpec& spec);

// C_SignInit and C_Sign, after CheckRawMechanism. CKR_DATA_LEN_RANGE for data that the mechanism
// does not take. An RSA signature that its public key does not verify never leaves: one of those
// gives the key away (kTokenFailed SIGNATURE_WRONG).
Result<std::string> SignRaw(Session& session, const SigningKey& key,
                            const wire::Mechanism& mechanism, std::string_view data);

}  // namespace signet::hsm
