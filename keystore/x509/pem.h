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

// The same for bundle mode (SPEC C5a): a certificate that FromDer refuses is reported, the others
// are taken. What is wrong with the container itself is an error still.
struct Bundle {
  std::vector<Certificate> certificates;
  struct Rejected {
    std::size_t number = 0;  // its place in the upload, from 1
    Error error;
  };
  std::vector<Rejected> rejected;
};
Result<Bundle> ReadBundle(std::string_view upload, std::size_t max_certificates,
                          int max_sans = kUploadSans);

std::string RequestToPem(std::string_view der);

}  // namespace signet::keystore::x509
