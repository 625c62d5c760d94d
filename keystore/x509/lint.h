// What is wrong or odd about one certificate by itself, as findings. No trust, no revocation, no
// host name here; no dates either, but for what the parser refuses already.
#pragma once

#include <string_view>

#include "keystore/x509/certificate.h"
#include "keystore/x509/profile.h"

namespace signet::keystore::x509 {

// Which rules hold: kClient is an end entity whom nobody looks up by a name, it needs no SAN.
// kPinned is a certificate trusted as itself (SPEC C5 pinned, ocsp-responder): no SAN either, and
// as nobody's signature is asked, its signature's hash is a warning only.
enum class LintRole : std::uint8_t { kAnchor, kIntermediate, kEndEntity, kClient, kPinned };

// Ids: SERIAL_INVALID (zero, negative, over 20 octets), VERSION_INVALID, KEY_WEAK (RSA < 2048, RSA
// size not a multiple of 8, exponent even or < 65537, Fermat-close primes, ROCA fingerprint, curve
// other than P-256/384/521), KEY_UNSUPPORTED (DSA, GOST, …), SIGNATURE_WEAK (MD2/MD5/SHA-1; RSA-PSS
// with odd parameters), EXTENSION_UNKNOWN_CRITICAL, CA_IN_LEAF, KEY_CERT_SIGN_WITHOUT_CA,
// BASIC_CONSTRAINTS_MISSING, BASIC_CONSTRAINTS_NOT_CRITICAL, NOT_A_CA, CA_WITHOUT_KEY_CERT_SIGN,
// KEY_USAGE_MISSING, KEY_ID_MISSING, NAME_CONSTRAINT_UNSUPPORTED (of a type that nobody checks, RFC
// 5280 §4.2.1.10), NAME_CONSTRAINT_UNCHECKED (the same, of an excluded form), SAN_MISSING,
// CN_NOT_IN_SAN, CN_BESIDE_SAN (it is the domain of the names, or they are no DNS names),
// CN_SPELLING (warning: the name is there in other letters), NAME_UNSAFE (NUL, invalid UTF-8,
// control characters, non-ASCII or malformed dNSName), EMAIL_MALFORMED (warning), NAME_TOO_LONG,
// EC_KEY_ENCIPHERMENT (kE/dE on an EC key, RFC 8813: info), EKU_ANY, and the warnings of
// lint_conformance.h. An anchor's serial, SKI/AKI, key usage, criticality and its own signature's
// hash are warnings only (SPEC C5a).
Findings Lint(const Certificate& certificate, LintRole role);

// Key usage, EKU, CA columns against a profile: for what Signet itself makes (each kMust present,
// each kMustNot absent). Ids: KEY_USAGE_LACKS_<bit>, KEY_USAGE_FORBIDDEN_<bit>, EKU_LACKS_<name>,
// EKU_FORBIDDEN_<name>, CA_MISMATCH, PATH_LENGTH_MISMATCH.
Findings LintProfile(const Certificate& certificate, const Profile& profile);
// The same, and what Lint says of keys (KEY_WEAK, KEY_UNSUPPORTED) as far as a request shows it,
// SAN_MISSING, EC_KEY_ENCIPHERMENT.
Findings LintRequest(const RequestFields& request, const Profile& profile);

// "digitalSignature", "nonRepudiation", …: the names of RFC 5280 §4.2.1.3. `bit` is below
// kKeyUsageBits.
std::string_view KeyUsageName(std::size_t bit);

}  // namespace signet::keystore::x509
