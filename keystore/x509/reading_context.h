// Where certificates are read. For this folder only.
#pragma once

#include <openssl/types.h>

namespace signet::keystore::x509 {

// A library context with the default provider's algorithms, but of its decoders only those of
// SubjectPublicKeyInfo. OpenSSL 3.0 looks through all decoders for each public key, which is more
// than half of d2i_X509's time. Lives as long as the process; null (the default context) when it
// cannot be made.
OSSL_LIB_CTX* ReadingContext();

}  // namespace signet::keystore::x509
