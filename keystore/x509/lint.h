// What is wrong or odd about one certificate by itself, as findings. No trust, no revocation, no
// host name here.
#pragma once

#include "keystore/x509/certificate.h"
#include "keystore/x509/profile.h"

namespace signet::keystore::x509 {

// Ids: SERIAL_INVALID (zero, negative, over 20 octets), VERSION_INVALID, KEY_WEAK (RSA < 2048, RSA
// size not a multiple of 8, exponent even or < 65537, Fermat-close primes, ROCA fingerprint, curve
// other than P-256/384/521), KEY_UNSUPPORTED (DSA, GOST, …), SIGNATURE_WEAK (MD2/MD5/SHA-1; RSA-PSS
// with odd parameters), EXTENSION_UNKNOWN_CRITICAL, CA_IN_LEAF, KEY_CERT_SIGN_WITHOUT_CA,
// CA_WITHOUT_KEY_CERT_SIGN, BASIC_CONSTRAINTS_MISSING, SAN_MISSING, CN_NOT_IN_SAN, NAME_UNSAFE
// (NUL, invalid UTF-8, non-ASCII or malformed dNSName), NAME_TOO_LONG, EC_KEY_ENCIPHERMENT (kE/dE
// on an EC key, RFC 8813: info), EKU_ANY, VALIDITY_INVERTED.
enum class LintRole : std::uint8_t { kAnchor, kIntermediate, kEndEntity };
// An anchor's serial, SKI/AKI, key usage, criticality and its own signature's hash are warnings
// only (SPEC C5a).
Findings Lint(const Certificate& certificate, LintRole role);

// Key usage, EKU, CA columns against a profile: for what Signet itself makes (each kMust present,
// each kMustNot absent).
Findings LintProfile(const Certificate& certificate, const Profile& profile);
Findings LintRequest(const RequestFields& request, const Profile& profile);

}  // namespace signet::keystore::x509
