// Certificates written in the formats that other programs read. Pure: bytes come out, files are the
// caller's. What is written holds no private key; ReadBundle reads ToPemBundle and ToPkcs7 back.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/x509/certificate.h"
#include "platform/error.h"

namespace signet::keystore::x509 {

inline constexpr std::size_t kMaxExported = 20000;

struct NamedCertificate {
  Certificate certificate;
  std::string alias;        // for ToPkcs12TrustStore: 1 to 64 of A-Z a-z 0-9 . _ -
  std::string kind;         // for people: "anchor", "intermediate"; may be empty
  std::string description;  // for people, any text; may be empty
};

struct NamedFile {
  std::string name;     // no folder in it
  std::string content;  // PEM
};

// A certs-only PKCS#7 SignedData (RFC 2315 §9.1: no content, no signer) as one PEM block, in their
// order: what `openssl crl2pkcs7 -nocrl` writes.
// Errors: kUsage EXPORT_EMPTY, EXPORT_TOO_LARGE (over kMaxExported).
Result<std::string> ToPkcs7(const std::vector<Certificate>& certificates);

// The DER of a PKCS#12 (RFC 7292) that Java lists as trusted certificates: each has its alias as
// friendlyName, and Oracle's trustedKeyUsage attribute, any usage. AES-256-CBC by PBES2 and an
// HMAC-SHA-256 over all, 10,000 rounds each as JDK 17 does; OpenSSL reads it too. The password
// guards against changes, it keeps no secret: 6 to 128 printable ASCII characters, as keytool takes
// no shorter one and programs disagree about others. Aliases are compared without case, as Java
// does.
// Errors: kUsage EXPORT_EMPTY, EXPORT_TOO_LARGE, ALIAS_INVALID, ALIAS_DUPLICATE,
// PASSWORD_UNSUITABLE.
Result<std::string> ToPkcs12TrustStore(const std::vector<NamedCertificate>& certificates,
                                       std::string_view password);

// A folder for `openssl verify -CApath` and programs alike, as `openssl rehash` names its files:
// the hash of the subject in eight hex digits, a dot, and a number that counts up where subjects
// (or their hashes) are equal. The same certificate twice gives one file.
std::vector<NamedFile> ToHashedDirectory(const std::vector<Certificate>& certificates);

// The names of such a folder's files, one after the other, for stores of which not all certificates
// are in memory at once.
class HashedNames {
 public:
  std::string Next(const Certificate& certificate);

 private:
  std::map<unsigned long, int> next_;  // by the hash of the subject
};

// Whether programs that trust this certificate take others for good that it issued: a CA by its
// extensions, and what OpenSSL takes for one beside (X509_check_ca).
bool VouchesForOthers(const Certificate& certificate);

// A key in a token by its RFC 7512 URI, as the PEM block "PKCS#11 PROVIDER URI" that OpenSSL's
// pkcs11-provider takes where a private key is wanted: SEQUENCE {VisibleString "PKCS#11 Provider
// URI v1.0", UTF8String}.
Result<std::string> ToKeyReference(std::string_view uri);

// PEM blocks in their order, before each the comment lines "# subject: …", "# kind: …",
// "# description: …" (the last two where they are not empty). Each is one line of at most 512
// octets and can not be taken for the border of a block.
std::string ToPemBundle(const std::vector<NamedCertificate>& certificates);

}  // namespace signet::keystore::x509
