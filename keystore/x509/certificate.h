// One X.509 certificate as an immutable value: its DER and what was read from it. Copying is cheap
// (shared). Strict: what this refuses never enters Signet. Pure: no token, store, clock or file is
// seen here.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/key_types.h"
#include "keystore/x509/profile.h"
#include "platform/clock.h"
#include "platform/encoding.h"
#include "platform/error.h"

namespace signet::keystore::x509 {

struct PublicKeyInfo {
  std::string text;                  // "rsa:2048", "ec:P-256", "ed25519", "rsa:1024", …
  std::optional<hsm::KeySpec> spec;  // set when Signet could have made it
  std::string
      spki_sha256;  // hex, of the canonical SubjectPublicKeyInfo: equal keys have equal ones
  std::string ski;  // hex, SHA-1 of the subjectPublicKey bits (RFC 5280 §4.2.1.2 method 1)
};

inline constexpr int kUploadSans = 100;      // of what enters Signet
inline constexpr int kPublicSiteSans = 250;  // some public sites have more than 150

class Certificate {
 public:
  struct Fields {
    std::string fingerprint;      // SHA-256 of the DER, hex
    std::string subject, issuer;  // RFC 4514 text, escaped for one line
    std::string subject_der,
        issuer_der;  // canonical bytes for comparison and look-up (OpenSSL's canonical form)
    std::string common_name;  // the subject's first CN, escaped; may be empty
    std::string serial;       // lower-case hex, no leading zeros ("0" for zero), '-' when negative
    WallTime not_before{}, not_after{};
    std::vector<std::string>
        sans;  // "DNS:a", "IP:10.0.0.1", "email:…", "URI:…", "dirName:…", "other:<oid>"
    PublicKeyInfo key;
    std::string signature_algorithm;             // OpenSSL's long name, "sha256WithRSAEncryption"
    std::string ski, aki;                        // hex of the extensions, empty when absent
    bool ca = false;                             // basicConstraints CA:TRUE
    std::optional<int> path_length;              // it means something for a CA only
    std::optional<std::vector<bool>> key_usage;  // 9 bits, absent when the extension is
    std::optional<std::vector<std::string>> extended;  // OIDs, absent when the extension is
    bool self_issued = false;                          // equal issuer and subject names
    bool self_signed = false;  // and its own key verifies the signature (SPEC C9)
  };

  // Refused (kRefused): CERTIFICATE_MALFORMED (not DER: trailing data, BER or non-minimal lengths,
  // duplicate extensions, version 1/2 with extensions, inner and outer signature algorithm differ,
  // notAfter before notBefore, serial negative/zero/over 20 octets is a finding of the lint, not of
  // the parser), KEY_UNSUPPORTED (explicit EC parameters, a point not on the curve, an RSA modulus
  // above 8192 bits: before any arithmetic), CERTIFICATE_TOO_LARGE (over 64 KiB), TOO_MANY_NAMES
  // (over `max_sans` SANs, or 100 attributes of a name).
  static Result<Certificate> FromDer(std::string_view der, int max_sans = kUploadSans);

  const std::string& der() const { return data_->der; }
  const Fields& fields() const { return data_->fields; }
  const std::string& fingerprint() const { return data_->fields.fingerprint; }
  // The issuer's first CN, escaped; may be empty. Read when it is asked for.
  std::string IssuerCommonName() const;
  X509* handle() const { return data_->x509.get(); }  // never modify it
  // Of an RSA key (key_strength.h): worked out when first asked for, then kept. Thread-safe.
  const std::vector<std::string>& RsaKeyWeaknesses() const;

  std::string ToPem() const;
  // The key of `issuer` verifies this one's signature.
  bool IsSignedBy(const Certificate& issuer) const;
  friend bool operator==(const Certificate& a, const Certificate& b) {
    return a.fingerprint() == b.fingerprint();
  }

 private:
  struct X509Free {
    void operator()(X509* x) const { X509_free(x); }
  };
  struct Data {
    std::string der;
    Fields fields;
    std::unique_ptr<X509, X509Free> x509;
    mutable std::once_flag once;  // of the weaknesses
    mutable std::vector<std::string> rsa_weaknesses;
  };
  explicit Certificate(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

// A certification request (RFC 2986), as far as Signet needs to read back its own.
struct RequestFields {
  std::string subject, subject_der, common_name;
  std::vector<std::string> sans;
  PublicKeyInfo key;
  std::vector<std::string> key_weaknesses;  // sentences; empty for a good key
  std::vector<bool> key_usage;              // 9 bits
  std::vector<std::string> extended;        // OIDs
  bool ca = false;
  std::optional<int> path_length;
  std::vector<std::string>
      dropped;  // attributes and extensions that Signet does not honour, by name
};
// The request's own signature is checked. kRefused CSR_MALFORMED, CSR_SIGNATURE_INVALID,
// KEY_UNSUPPORTED.
Result<RequestFields> ParseRequest(std::string_view der);

}  // namespace signet::keystore::x509
