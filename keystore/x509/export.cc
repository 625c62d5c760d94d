#include "keystore/x509/export.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cstdio>
#include <map>
#include <set>

#include "keystore/x509/export_checks.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

Error CanNotWrite() {
  return OpenSslError(Kind::kInternal, "EXPORT_FAILED", "OpenSSL can not write a PKCS#7 bundle");
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
  std::map<unsigned long, int> next;
  std::set<std::string> seen;
  for (const Certificate& certificate : certificates) {
    if (!seen.insert(certificate.fingerprint()).second) continue;
    const unsigned long hash = X509_subject_name_hash(certificate.handle());
    std::array<char, 32> name{};
    std::snprintf(name.data(), name.size(), "%08lx.%d", hash, next[hash]++);
    files.push_back({name.data(), certificate.ToPem()});
  }
  ERR_clear_error();
  return files;
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
