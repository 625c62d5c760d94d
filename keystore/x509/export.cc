#include "keystore/x509/export.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cstdio>
#include <set>

#include "keystore/x509/export_checks.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

Error CanNotWrite() {
  return OpenSslError(Kind::kInternal, "EXPORT_FAILED", "OpenSSL can not write a PKCS#7 bundle");
}

bool AddText(ASN1_SEQUENCE_ANY& sequence, int type, std::string_view text) {
  ASN1_TYPE* part = ASN1_TYPE_new();
  if (part == nullptr || sk_ASN1_TYPE_push(&sequence, part) <= 0) {
    ASN1_TYPE_free(part);
    return false;
  }
  ASN1_STRING* string = ASN1_STRING_type_new(type);
  if (string == nullptr) return false;
  ASN1_TYPE_set(part, type, string);
  return ASN1_STRING_set(string, text.data(), static_cast<int>(text.size())) == 1;
}

// Two dashes in a row are what borders of blocks are told by.
std::string Comment(std::string_view name, std::string_view text) {
  std::string out = "# " + std::string(name) + ": ";
  for (const char c : EscapeLine(text)) {
    if (c == '-' && out.back() == '-') {
      out += "\\x2D";
    } else {
      out += c;
    }
  }
  return out + "\n";
}

}  // namespace

Status CheckExportSize(std::size_t count) {
  if (count == 0) {
    return MakeError(Kind::kUsage, "EXPORT_EMPTY", "there is no certificate to export",
                     "Name a trust store that has entries, or widen the filter.");
  }
  if (count > kMaxExported) {
    return MakeError(Kind::kUsage, "EXPORT_TOO_LARGE",
                     std::to_string(count) + " certificates to export, at most " +
                         std::to_string(kMaxExported) + " go into one file",
                     "Export fewer at a time.");
  }
  return Ok();
}

Result<std::string> ToPkcs7(const std::vector<Certificate>& certificates) {
  SIGNET_TRY(CheckExportSize(certificates.size()));
  const Pkcs7Ptr pkcs7(PKCS7_new());
  if (!pkcs7 || PKCS7_set_type(pkcs7.get(), NID_pkcs7_signed) != 1) return CanNotWrite();
  pkcs7->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);  // the type alone: no content
  for (const Certificate& certificate : certificates) {
    if (PKCS7_add_certificate(pkcs7.get(), certificate.handle()) != 1) return CanNotWrite();
  }
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS7(bio.get(), pkcs7.get()) != 1) return CanNotWrite();
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

std::vector<NamedFile> ToHashedDirectory(const std::vector<Certificate>& certificates) {
  std::vector<NamedFile> files;
  HashedNames names;
  std::set<std::string> seen;
  for (const Certificate& certificate : certificates) {
    if (!seen.insert(certificate.fingerprint()).second) continue;
    files.push_back({names.Next(certificate), certificate.ToPem()});
  }
  return files;
}

std::string HashedNames::Next(const Certificate& certificate) {
  const unsigned long hash = X509_subject_name_hash(certificate.handle());
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%08lx.%d", hash, next_[hash]++);
  ERR_clear_error();
  return name.data();
}

bool VouchesForOthers(const Certificate& certificate) {
  const bool vouches = certificate.fields().ca || X509_check_ca(certificate.handle()) != 0;
  ERR_clear_error();
  return vouches;
}

Result<std::string> ToKeyReference(std::string_view uri) {
  constexpr std::string_view kDescription = "PKCS#11 Provider URI v1.0";
  const auto fail = [] {
    return OpenSslError(Kind::kInternal, "EXPORT_FAILED", "OpenSSL can not write a key's URI");
  };
  const SequencePtr sequence(sk_ASN1_TYPE_new_null());
  if (!sequence || !AddText(*sequence, V_ASN1_VISIBLESTRING, kDescription) ||
      !AddText(*sequence, V_ASN1_UTF8STRING, uri)) {
    return fail();
  }
  unsigned char* der = nullptr;
  const int size = i2d_ASN1_SEQUENCE_ANY(sequence.get(), &der);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const bool wrote =
      size > 0 && bio && PEM_write_bio(bio.get(), "PKCS#11 PROVIDER URI", "", der, size) > 0;
  OPENSSL_free(der);
  if (!wrote) return fail();
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

std::string ToPemBundle(const std::vector<NamedCertificate>& certificates) {
  std::string out;
  for (const NamedCertificate& entry : certificates) {
    out += Comment("subject", entry.certificate.fields().subject);
    if (!entry.kind.empty()) out += Comment("kind", entry.kind);
    if (!entry.description.empty()) out += Comment("description", entry.description);
    out += entry.certificate.ToPem();
  }
  return out;
}

}  // namespace signet::keystore::x509
