// Weaknesses of one public key by itself. For this folder only.
#pragma once

#include <openssl/evp.h>

#include <string>
#include <vector>

namespace signet::keystore::x509 {

// A sentence for each weakness of an RSA key: size, exponent, Fermat-close primes, the ROCA
// fingerprint (CVE-2017-15361). The size was bounded by the parser; the work is a few milliseconds
// at most.
std::vector<std::string> RsaWeaknesses(const EVP_PKEY* key);
// MD2, MD4, MD5, SHA-1 and their mixture: `digest` is a NID.
bool IsBrokenHash(int digest);

}  // namespace signet::keystore::x509
