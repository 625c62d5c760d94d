// Finds private keys in what should hold none. For this folder only.
#pragma once

#include <string_view>

namespace signet::keystore::x509 {

// A PKCS#8 (plain or encrypted), PKCS#1, SEC1 or DSA private key or a PKCS#12 container is one of
// the DER elements that follow each other in `der`.
bool HoldsPrivateKeyDer(std::string_view der);
// A line of `text` is the header or footer of a private key, in whatever spelling.
bool HoldsPrivateKeyPem(std::string_view text);

}  // namespace signet::keystore::x509
