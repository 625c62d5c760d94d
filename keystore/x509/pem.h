// PEM (RFC 7468) and DER containers, strictly: what an upload may contain is said by the caller.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "keystore/x509/certificate.h"
#include "platform/error.h"

namespace signet::keystore::x509 {

// All certificates of an upload in their order: PEM CERTIFICATE blocks (white space and explanatory
// text outside blocks accepted), one DER certificate, or a PKCS#7 certs-only bundle (PEM or DER).
// Errors (kRefused): PRIVATE_KEY_IN_UPLOAD (a private key or PKCS#12 container in any form, PEM or
// DER, anywhere: the whole upload; remedy says that the key is to be treated as compromised),
// PEM_BLOCK_UNEXPECTED (CSR, CRL, TRUSTED CERTIFICATE…: by name), PEM_MALFORMED (header and footer
// differ, nested BEGIN, NUL, bad base64, text that looks like a block), UPLOAD_EMPTY,
// TOO_MANY_CERTIFICATES, UPLOAD_TOO_LARGE, and what Certificate::FromDer says with the number of
// the certificate. The caller wipes `upload`; copies made here of what turns out to be a private
// key are wiped.
Result<std::vector<Certificate>> ReadCertificates(std::string_view upload,
                                                  std::size_t max_certificates,
                                                  int max_sans = kUploadSans);

// The same for bundle mode (SPEC C5a): what can not be read is reported and the others are taken,
// whether a certificate is bad or its block is (damaged, of another kind, a PKCS#7 that is none).
// Errors of the whole: PRIVATE_KEY_IN_UPLOAD (anywhere, in a damaged block too),
// TOO_MANY_CERTIFICATES (blocks, and certificates in PKCS#7, counted before any certificate is
// decoded), UPLOAD_EMPTY, UPLOAD_TOO_LARGE (64 MiB), and PEM_MALFORMED for what has no block or has
// a NUL in it. The time is linear: nearly all of it is Certificate::FromDer's.
struct Bundle {
  std::vector<Certificate> certificates;  // in their order
  struct Rejected {
    std::size_t number = 0;  // its place among the upload's certificates, good or bad, from 1
    std::size_t line = 0;    // where its block begins, from 1; 0 in an upload that is DER
    Error error;
  };
  std::vector<Rejected> rejected;  // in their order
};
Result<Bundle> ReadBundle(std::string_view upload, std::size_t most, int max_sans = kUploadSans);

std::string RequestToPem(std::string_view der);

}  // namespace signet::keystore::x509
