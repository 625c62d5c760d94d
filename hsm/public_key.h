// The public half of a token's key, as OpenSSL and X.509 know it.
#pragma once

#include <optional>
#include <string>

#include "hsm/key_types.h"
#include "hsm/session.h"
#include "hsm/token.h"
#include "platform/error.h"

namespace signet::hsm {

// The spec of a private or public key object; nullopt for an algorithm or size that Signet does not
// make.
Result<std::optional<KeySpec>> ReadKeySpec(Session& session, CK_OBJECT_HANDLE object);

// The public key made from a public-key object; of an RSA key also from its private-key object
// (CKA_MODULUS and CKA_PUBLIC_EXPONENT are readable there).
Result<EvpPkeyPtr> ReadPublicKey(Session& session, CK_OBJECT_HANDLE object, const KeySpec& spec);

// SubjectPublicKeyInfo, DER (RFC 5280 §4.1).
Result<std::string> Spki(EVP_PKEY& key);
// SHA-1 of the subjectPublicKey's bits (RFC 5280 §4.2.1.2, method 1), raw octets.
Result<std::string> Ski(EVP_PKEY& key);

// OpenSSL's NID of a curve of 256, 384 or 521 bits.
int CurveNid(int bits);
// CKA_EC_PARAMS of that curve: its OID in DER.
Result<std::string> EcParams(int bits);

}  // namespace signet::hsm
