#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "keystore/x509/export.h"
#include "keystore/x509/export_checks.h"
#include "keystore/x509/openssl_ptr.h"
#include "platform/secret.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxAlias = 64;
constexpr std::size_t kMinPassword = 6;
constexpr std::size_t kMaxPassword = 128;
constexpr int kRounds = 10000;
constexpr int kMacSalt = 20;  // octets, as JDK 17 has it
// Without it Java shows no entry at all (JDK's PKCS12KeyStore, ORACLE_TrustedKeyUsage).
constexpr const char* kTrustedKeyUsage = "2.16.840.1.113894.746875.1.1";

void FreeBags(STACK_OF(PKCS12_SAFEBAG) * p) { sk_PKCS12_SAFEBAG_pop_free(p, PKCS12_SAFEBAG_free); }
void FreeSafes(STACK_OF(PKCS7) * p) { sk_PKCS7_pop_free(p, PKCS7_free); }
using Pkcs12Ptr = std::unique_ptr<PKCS12, Deleter<PKCS12_free>>;
using BagPtr = std::unique_ptr<PKCS12_SAFEBAG, Deleter<PKCS12_SAFEBAG_free>>;
using BagsPtr = std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), Deleter<FreeBags>>;
using SafesPtr = std::unique_ptr<STACK_OF(PKCS7), Deleter<FreeSafes>>;

Error CanNotWrite() {
  return OpenSslError(Kind::kInternal, "EXPORT_FAILED",
                      "OpenSSL can not write a PKCS#12 trust store");
}

Status CheckAliases(const std::vector<NamedCertificate>& certificates) {
  const auto good = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  std::set<std::string> seen;
  for (const NamedCertificate& entry : certificates) {
    const std::string& alias = entry.alias;
    if (alias.empty() || alias.size() > kMaxAlias ||
        !std::all_of(alias.begin(), alias.end(), good)) {
      return MakeError(Kind::kUsage, "ALIAS_INVALID",
                       "the alias '" + EscapeLine(alias, kMaxAlias) + "' can not be written",
                       "Use 1 to 64 letters, digits, dots, underscores and hyphens.");
    }
    std::string folded;
    for (const char c : alias) {
      folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (!seen.insert(folded).second) {
      return MakeError(Kind::kUsage, "ALIAS_DUPLICATE",
                       "the alias '" + alias + "' is there twice (Java knows no upper case)",
                       "Give each certificate an alias of its own.");
    }
  }
  return Ok();
}

Status CheckPassword(std::string_view password) {
  const bool printable =
      std::all_of(password.begin(), password.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
  if (printable && password.size() >= kMinPassword && password.size() <= kMaxPassword) return Ok();
  return MakeError(Kind::kUsage, "PASSWORD_UNSUITABLE",
                   "the trust store's password is too short, too long or not plain ASCII",
                   "Use 6 to 128 printable ASCII characters.");
}

// The certificate as Java's "trusted certificate entry"; null when OpenSSL fails.
BagPtr TrustedBag(const NamedCertificate& entry) {
  BagPtr bag(PKCS12_SAFEBAG_create_cert(entry.certificate.handle()));
  // A length of -1 hands the value over as an object, not as octets (X509_ATTRIBUTE_set1_data).
  const auto* any_usage =
      reinterpret_cast<const unsigned char*>(OBJ_nid2obj(NID_anyExtendedKeyUsage));
  if (!bag || PKCS12_add_friendlyname_utf8(bag.get(), entry.alias.c_str(), -1) != 1 ||
      PKCS12_add1_attr_by_txt(bag.get(), kTrustedKeyUsage, V_ASN1_OBJECT, any_usage, -1) != 1) {
    return nullptr;
  }
  return bag;
}

}  // namespace

Result<std::string> ToPkcs12TrustStore(const std::vector<NamedCertificate>& certificates,
                                       std::string_view password) {
  SIGNET_TRY(CheckExportSize(certificates.size()));
  SIGNET_TRY(CheckAliases(certificates));
  SIGNET_TRY(CheckPassword(password));
  WipedString secret;  // ends with a NUL
  secret.reserve(kMaxPassword + 1);
  secret.append(password);

  const BagsPtr bags(sk_PKCS12_SAFEBAG_new_null());
  for (const NamedCertificate& entry : certificates) {
    BagPtr bag = TrustedBag(entry);
    if (!bag || !bags || sk_PKCS12_SAFEBAG_push(bags.get(), bag.get()) <= 0) return CanNotWrite();
    (void)bag.release();  // now the stack's
  }
  STACK_OF(PKCS7)* raw = nullptr;
  const int added = PKCS12_add_safe(&raw, bags.get(), NID_aes_256_cbc, kRounds, secret.c_str());
  const SafesPtr safes(raw);
  if (added != 1) return CanNotWrite();
  const Pkcs12Ptr store(PKCS12_add_safes(safes.get(), 0));
  if (!store || PKCS12_set_mac(store.get(), secret.c_str(), -1, nullptr, kMacSalt, kRounds,
                               EVP_sha256()) != 1) {
    return CanNotWrite();
  }
  std::string der = ToDer(store.get(), i2d_PKCS12);
  if (der.empty()) return CanNotWrite();
  ERR_clear_error();
  return der;
}

}  // namespace signet::keystore::x509
