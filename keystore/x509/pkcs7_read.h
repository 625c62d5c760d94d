// Takes PKCS#7 bundles apart without decoding what is in them. For this folder only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet::keystore::x509 {

struct Pkcs7Parts {
  std::vector<std::string> certificates;  // each as it came, BER or worse
  std::string content;                    // of the OCTET STRING that is signed; mostly empty
  std::size_t crls = 0, signers = 0;
};

// The first member of the outer SEQUENCE is an object identifier, as in each ContentInfo.
bool LooksLikePkcs7(std::string_view der);
// A ContentInfo of SignedData (RFC 2315 §9.1, RFC 5652 §5.1), BER taken. Time and memory are linear
// in its size. kRefused PEM_MALFORMED, TOO_MANY_CERTIFICATES (more than `most`).
Result<Pkcs7Parts> TakePkcs7Apart(std::string_view der, std::size_t most);

// What an upload with more than `most` certificates is told.
Error TooManyCertificates(std::size_t most);

}  // namespace signet::keystore::x509
