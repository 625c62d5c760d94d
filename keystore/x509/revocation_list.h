// One X.509 certificate revocation list (RFC 5280 §5) as an immutable value. Copying is cheap
// (shared). Strict, as Certificate is. Pure: no token, store, clock or file is seen here.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet::keystore::x509 {

class RevocationList {
 public:
  // kRefused CRL_MALFORMED: not DER, octets behind it, an extension that can not be decoded or is
  // there twice, more names of its distribution point than a lookup in bounded time allows.
  // kRefused CRL_TOO_LARGE: over 1 MiB.
  static Result<RevocationList> FromDer(std::string_view der);

  X509_CRL* handle() const { return data_->crl.get(); }                  // never modify it
  const std::string& fingerprint() const { return data_->fingerprint; }  // SHA-256 of the DER, hex
  const std::string& issuer() const { return data_->issuer; }  // RFC 4514, escaped for one line

 private:
  struct CrlFree {
    void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
  };
  struct Data {
    std::string fingerprint, issuer;
    std::unique_ptr<X509_CRL, CrlFree> crl;
  };
  explicit RevocationList(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

// All lists of a file: PEM X509 CRL blocks, or one in DER. kRefused CRL_MALFORMED (other blocks,
// none at all, more than `most`), CRL_TOO_LARGE (over 16 MiB), and what FromDer says.
Result<std::vector<RevocationList>> ReadRevocationLists(std::string_view file, std::size_t most);

// What is wrong with a list by itself: CRL_NUMBER_MISSING (§5.2.3), CRL_SIGNATURE_WEAK (MD2, MD4,
// MD5, SHA-1). `certificate` of a finding is the list's fingerprint.
Findings Lint(const RevocationList& list);

}  // namespace signet::keystore::x509
