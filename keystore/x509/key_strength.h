// Weaknesses of one public key by itself. For this folder only.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

namespace signet::keystore::x509 {

// A sentence for each weakness of an RSA key: size, exponent, Fermat-close primes, the ROCA
// fingerprint (CVE-2017-15361). The size was bounded by the parser; the work is a few milliseconds
// at most.
std::vector<std::string> RsaWeaknesses(const EVP_PKEY* key);
// MD2, MD4, MD5, SHA-1 and their mixture: `digest` is a NID.
bool IsBrokenHash(int digest);
// The NID of the hash that a signature uses; NID_undef when it has none of its own (EdDSA) or is
// not known.
int SignatureHash(const X509_ALGOR* algorithm);

}  // namespace signet::keystore::x509
