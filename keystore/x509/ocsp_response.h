// One OCSP response taken apart, before anything in it is believed. For this folder only.
#pragma once

#include <openssl/ocsp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/x509/certificate.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {

using CertIdPtr = std::unique_ptr<OCSP_CERTID, Deleter<OCSP_CERTID_free>>;

// kRefused with the remedy that belongs to `word`.
Error OcspFault(std::string_view word, std::string detail);

struct OcspResponse {
  std::unique_ptr<OCSP_BASICRESP, Deleter<OCSP_BASICRESP_free>> basic;  // at least one statement
  WallTime produced_at{};
  std::optional<std::string> nonce;       // the extension's value, DER
  std::vector<Certificate> certificates;  // of the embedded those that can be read
};

// RFC 6960 §4.2.1. Refused: OCSP_TOO_LARGE, OCSP_MALFORMED (empty, no DER, octets behind it,
// another type or version than basic version 1, no statement), the responder's own errors,
// OCSP_CRITICAL_EXTENSION.
Result<OcspResponse> ReadOcspResponse(std::string_view der);
// The same of the extensions of one statement.
Status CheckStatementExtensions(OCSP_SINGLERESP* single);

// The ids by which a statement may name `certificate` (§4.1.1), one for each hash.
std::vector<CertIdPtr> CertIds(const Certificate& certificate, const Certificate& issuer);
// What a responder must echo when `nonce` was sent.
std::string NonceValue(std::string_view nonce);

}  // namespace signet::keystore::x509
