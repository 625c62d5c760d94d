// Reads the parts that certificates and requests share: names, keys, extensions. For this folder
// only.
#pragma once

#include <openssl/x509v3.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/x509/certificate.h"
#include "platform/error.h"

namespace signet::keystore::x509 {

inline constexpr std::size_t kMaxDer = 64 * 1024;
inline constexpr int kMaxNames = 100;       // SANs of a certificate, RDNs of a name, EKUs
inline constexpr int kMaxExtensions = 100;  // no public CA writes more than 12
inline constexpr int kMaxRsaBits = 8192;    // refused before arithmetic
inline constexpr int kMaxExponentBits = 64;

// A refusal about the object that `word` names: CERTIFICATE_MALFORMED or CSR_MALFORMED.
Error Malformed(std::string_view word, std::string detail);

std::string NameText(const X509_NAME* name);         // RFC 4514, UTF-8, escaped for one line
std::string FirstCommonName(const X509_NAME* name);  // UTF-8, not escaped
std::string OidText(const ASN1_OBJECT* object);      // dotted
std::string ObjectName(const ASN1_OBJECT* object);   // OpenSSL's long name, or dotted
std::string GeneralNameText(const GENERAL_NAME& name);
// An attribute's value as UTF-8; nullopt when its octets are no text of its string type.
std::optional<std::string> Utf8Value(const ASN1_STRING* value);

std::string_view NameDer(const X509_NAME* name);  // the octets that it was read from
// The name in canonical form (RFC 5280 §7.1: UTF-8, one case, spaces folded; DER). Refused: more
// than kMaxNames attributes, octets that are not its DER (OpenSSL keeps those of a name as they
// came).
Result<std::string> ReadName(const X509_NAME* name, std::string_view word);
// Refuses explicit curve parameters, points off the curve and oversized RSA before computing with
// them.
Result<PublicKeyInfo> ReadPublicKey(const X509_PUBKEY* key, std::string_view word);

// RFC 5280 §4.1.2.5: YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ and nothing else.
Result<WallTime> ReadTime(const ASN1_TIME* time, std::string_view word);

struct ExtensionFields {
  std::vector<std::string> sans;
  std::string ski, aki;
  bool ca = false;
  std::optional<int> path_length;
  std::optional<std::vector<bool>> key_usage;
  std::optional<std::vector<std::string>> extended;
};
// `extensions` may be null. Each extension that OpenSSL knows is decoded and must be its own DER;
// no two have one OID.
Result<ExtensionFields> ReadExtensions(const STACK_OF(X509_EXTENSION) * extensions,
                                       std::string_view word, int max_sans = kMaxNames);

}  // namespace signet::keystore::x509
