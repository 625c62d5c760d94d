// One signature over a digest by a private key of the token.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "hsm/key_types.h"
#include "hsm/session.h"
#include "hsm/token.h"
#include "platform/error.h"

namespace signet::hsm {

using Mechanisms = std::set<CK_MECHANISM_TYPE>;

// A private key whose handle was found and proved.
struct SigningKey {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  KeySpec spec;
  EvpPkeyPtr public_key;
};

// C_SignInit and C_Sign, nothing checked; the signature must have `expected` octets.
Result<std::string> CallSign(Session& session, CK_OBJECT_HANDLE key, CK_MECHANISM mechanism,
                             std::string data, std::size_t expected);

// kUsage DIGEST_LENGTH, kRefused SCHEME_MISMATCH, kTokenFailed SIGNATURE_WRONG (an RSA signature
// that its public key does not verify), what the token answers otherwise. RSA-PSS (RFC 8017 §8.1)
// by CKM_RSA_PKCS_PSS, or, where the token lacks it, padded here and signed raw.
Result<std::string> SignDigestWith(Session& session, const Mechanisms& mechanisms,
                                   const SigningKey& key, SignScheme scheme, HashAlgorithm hash,
                                   std::string_view digest);

// Whether `signature` (RSA: octets, EC: DER) over `digest` is by `key`.
bool VerifyDigest(EVP_PKEY& key, SignScheme scheme, HashAlgorithm hash, std::string_view digest,
                  std::string_view signature);

// Signs a random digest and verifies it: the handle and the public key belong together.
Status ProveKey(Session& session, const Mechanisms& mechanisms, const SigningKey& key);

// The same for a private key that OpenSSL uses.
Status ProveEvp(EVP_PKEY& private_key, const SigningKey& key);

}  // namespace signet::hsm
