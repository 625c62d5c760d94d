// Builds CSRs and self-signed certificates from typed values by a purpose's profile (SPEC 1.3).
#pragma once

#include <openssl/evp.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hsm/key_types.h"
#include "keystore/x509/certificate.h"
#include "keystore/x509/names.h"
#include "keystore/x509/profile.h"

namespace signet::keystore::x509 {

struct Template {
  Subject subject;
  std::vector<GeneralName> sans;  // written in this order, duplicates removed; at most 100
  Profile profile;
  hsm::HashAlgorithm hash = hsm::HashAlgorithm::kSha256;
};

struct Validity {
  WallTime not_before{}, not_after{};
};

// `spki`: the public key (DER); `signer`: its private key (from the token, or the throw-away one of
// a rehearsal). The result's signature is verified with `spki` before it is returned (kTokenFailed
// SIGNATURE_INVALID otherwise). Key usage, EKU, basicConstraints (critical; for CSRs of CAs too),
// SAN, SKI are written from the profile; a CSR carries them in an extensionRequest attribute (RFC
// 2985 §5.4.2).
Result<std::string> BuildRequest(const Template& content, const std::string& spki,
                                 EVP_PKEY* signer);
// A 127-bit random positive serial.
Result<std::string> BuildSelfSigned(const Template& content, const Validity& validity,
                                    const std::string& spki, EVP_PKEY* signer);

// A dress rehearsal: signs the same content with a software key of the same algorithm and size and
// lints the result, so that the token never signs what would be refused. The throw-away keys
// protect nothing; one for each size is kept as long as this object, since making an RSA key takes
// a tenth of a second. Thread-safe.
class Rehearsal {
 public:
  // `validity` null: a CSR. kRefused LINT_FAILED with all findings.
  Result<Findings> Run(const Template& content, const Validity* validity, const hsm::KeySpec& spec);

 private:
  std::mutex mutex_;
  std::map<std::pair<hsm::KeyAlgorithm, int>, std::shared_ptr<EVP_PKEY>> keys_;
};

// The hash rules of SPEC C1: default for the key; kRefused HASH_TOO_WEAK for a hash weaker than the
// curve.
hsm::HashAlgorithm DefaultHash(const hsm::KeySpec& spec);
Status CheckHash(const hsm::KeySpec& spec, hsm::HashAlgorithm hash);

}  // namespace signet::keystore::x509
