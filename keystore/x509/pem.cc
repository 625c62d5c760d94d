#include "keystore/x509/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include <algorithm>
#include <string>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/private_key_scan.h"
#include "keystore/x509/read.h"
#include "platform/secret.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxUpload = 32u << 20;
constexpr std::size_t kMaxPkcs7 = 4u << 20;
constexpr std::size_t kMaxPerCertificate =
    96 * 1024;                                // kMaxDer in base64, and room for explanations
constexpr std::size_t kMaxLine = 128 * 1024;  // some tools write base64 on one line
constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error PrivateKeySeen() {
  ERR_clear_error();
  return MakeError(
      Kind::kRefused, "PRIVATE_KEY_IN_UPLOAD",
      "the upload holds a private key (or a PKCS#12 container); nothing of it was taken",
      "Treat that key as compromised: it has left its place. Revoke what was issued for it, "
      "make a new key in the token ('Generate CSR') and upload certificates only.");
}

Error PemMalformed(std::size_t line, std::string detail) {
  return MakeError(
      Kind::kRefused, "PEM_MALFORMED", "line " + std::to_string(line) + ": " + std::move(detail),
      "Send PEM blocks as 'openssl x509 -outform PEM' writes them, or one DER certificate.");
}

Error BlockUnexpected(std::string_view label) {
  return MakeError(
      Kind::kRefused, "PEM_BLOCK_UNEXPECTED",
      "the upload holds a '" + EscapeLine(label, 64) + "' where only certificates are taken",
      "Leave only CERTIFICATE or PKCS7 blocks in it.");
}

Error TooMany(std::size_t most) {
  return MakeError(Kind::kRefused, "TOO_MANY_CERTIFICATES",
                   "more than " + std::to_string(most) + " certificates in one upload",
                   "Split the upload, or use bundle mode for a trust store.");
}

// Collects what a container holds, up to the caller's bound.
class Collector {
 public:
  Collector(std::size_t most, int max_sans) : most_(most), max_sans_(max_sans) {}

  Status AddDer(std::string_view der) {
    if (++count_ > most_) return TooMany(most_);
    auto certificate = Certificate::FromDer(der, max_sans_);
    if (certificate) {
      bundle_.certificates.push_back(std::move(certificate).value());
      return Ok();
    }
    if (HoldsPrivateKeyDer(der)) return PrivateKeySeen();
    Error error = std::move(certificate).error();
    error.detail = "certificate " + std::to_string(count_) + " of the upload: " + error.detail;
    bundle_.rejected.push_back({count_, std::move(error)});
    return Ok();
  }

  Status AddPkcs7(std::string_view der) {
    if (der.size() > kMaxPkcs7) {
      return MakeError(Kind::kRefused, "UPLOAD_TOO_LARGE", "a PKCS#7 bundle above 4 MiB",
                       "Send the certificates as PEM.");
    }
    const unsigned char* p = Octets(der);
    const Pkcs7Ptr pkcs7(d2i_PKCS7(nullptr, &p, static_cast<long>(der.size())));
    if (!pkcs7 || p != Octets(der) + der.size() || !PKCS7_type_is_signed(pkcs7.get()) ||
        pkcs7->d.sign == nullptr) {
      if (HoldsPrivateKeyDer(der)) return PrivateKeySeen();
      ERR_clear_error();
      return MakeError(Kind::kRefused, "PEM_MALFORMED", "this is no certs-only PKCS#7 bundle",
                       "Make it with 'openssl crl2pkcs7 -nocrl -certfile …'.");
    }
    const PKCS7_SIGNED* content = pkcs7->d.sign;
    if (sk_PKCS7_SIGNER_INFO_num(content->signer_info) > 0) return BlockUnexpected("signed PKCS7");
    if (sk_X509_CRL_num(content->crl) > 0) return BlockUnexpected("X509 CRL in PKCS7");
    const int count = std::max(0, sk_X509_num(content->cert));
    if (count_ + static_cast<std::size_t>(count) > most_) return TooMany(most_);
    for (int i = 0; i < count; ++i) {
      SIGNET_TRY(AddDer(ToDer(sk_X509_value(content->cert, i), i2d_X509)));
    }
    return Ok();
  }

  Result<Bundle> Take() {
    if (count_ == 0) {
      return MakeError(Kind::kRefused, "UPLOAD_EMPTY", "the upload holds no certificate",
                       "Send at least one PEM CERTIFICATE block or a DER certificate.");
    }
    return std::move(bundle_);
  }

 private:
  std::size_t most_;
  int max_sans_;
  std::size_t count_ = 0;
  Bundle bundle_;
};

std::string_view Trim(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

// Explanations may stand between blocks; what looks like a damaged header or footer may not.
bool LooksLikeBlock(std::string_view line) {
  return line.find("--") != std::string_view::npos &&
         (line.find("BEGIN") != std::string_view::npos ||
          line.find("END ") != std::string_view::npos);
}

// A line scanner for RFC 7468's grammar with white space allowed (its "lax" form), one block at a
// time.
class PemScanner {
 public:
  explicit PemScanner(Collector& out) : out_(out) {}

  Status Scan(std::string_view text) {
    while (!text.empty()) {
      ++line_;
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (end > kMaxLine) return PemMalformed(line_, "the line is longer than 128 KiB");
      SIGNET_TRY(Line(Trim(text.substr(0, end))));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (inside_) return PemMalformed(line_, "the last block has no END line");
    return Ok();
  }

 private:
  Status Line(std::string_view line) {
    if (line.starts_with(kBegin) && line.size() > kBegin.size() + kDashes.size() &&
        line.ends_with(kDashes)) {
      return Begin(line.substr(kBegin.size(), line.size() - kBegin.size() - kDashes.size()));
    }
    if (inside_ && line.starts_with(kEnd)) return End(line);
    if (LooksLikeBlock(line)) return PemMalformed(line_, "a BEGIN or END line is damaged");
    if (!inside_) return Ok();
    if (line.find(':') != std::string_view::npos) {
      return PemMalformed(line_, "headers inside of a block (RFC 1421) are not taken");
    }
    std::copy_if(line.begin(), line.end(), std::back_inserter(body_),
                 [](char c) { return c != ' ' && c != '\t'; });
    return Ok();
  }

  Status Begin(std::string_view label) {
    if (inside_) return PemMalformed(line_, "BEGIN inside of a block");
    if (label != "CERTIFICATE" && label != "PKCS7" && label != "CMS") return BlockUnexpected(label);
    label_ = label;
    inside_ = true;
    body_.clear();
    return Ok();
  }

  Status End(std::string_view line) {
    if (line != std::string(kEnd) + label_ + std::string(kDashes)) {
      return PemMalformed(line_, "the END line is not that of the block");
    }
    inside_ = false;
    auto der = Base64Decode(body_);
    if (!der || der.value().empty()) {
      return PemMalformed(line_, "the block above holds no canonical base64");
    }
    Status added = label_ == "CERTIFICATE" ? out_.AddDer(der.value()) : out_.AddPkcs7(der.value());
    if (!added) Wipe(der.value().data(), der.value().size());
    return added;
  }

  Collector& out_;
  std::size_t line_ = 0;
  bool inside_ = false;
  std::string label_;
  WipedString body_;
};

// DER begins with a SEQUENCE of a long length; text that begins with "0" has no octet above 0x7F
// behind it.
bool LooksLikeDer(std::string_view bytes) {
  return bytes.size() > 1 && bytes[0] == 0x30 &&
         (static_cast<unsigned char>(bytes[1]) & 0x80u) != 0;
}

Status AddBinary(std::string_view der, Collector& out) {
  const unsigned char* p = Octets(der);
  const Pkcs7Ptr pkcs7(
      der.size() <= kMaxPkcs7 ? d2i_PKCS7(nullptr, &p, static_cast<long>(der.size())) : nullptr);
  ERR_clear_error();
  return pkcs7 ? out.AddPkcs7(der) : out.AddDer(der);
}

// No block and no DER: it may still be a key, as bare base64.
Error NeitherPemNorDer(std::string_view text) {
  WipedString bare;
  bare.reserve(text.size() + 32);
  std::copy_if(text.begin(), text.end(), std::back_inserter(bare),
               [](char c) { return c != ' ' && c != '\t' && c != '\r' && c != '\n'; });
  if (auto der = Base64Decode(bare)) {
    const bool key = HoldsPrivateKeyDer(der.value());
    Wipe(der.value().data(), der.value().size());
    if (key) return PrivateKeySeen();
  }
  return PemMalformed(1, "the upload is neither PEM nor a DER certificate");
}

}  // namespace

Result<Bundle> ReadBundle(std::string_view upload, std::size_t max_certificates, int max_sans) {
  const std::size_t limit = std::min(kMaxUpload, (max_certificates + 1) * kMaxPerCertificate);
  if (upload.size() > limit) {
    return MakeError(Kind::kRefused, "UPLOAD_TOO_LARGE",
                     "an upload of " + std::to_string(upload.size()) + " octets, at most " +
                         std::to_string(limit) + " are taken here",
                     "Split the upload.");
  }
  Collector out(max_certificates, max_sans);
  if (LooksLikeDer(upload)) {
    SIGNET_TRY(AddBinary(upload, out));
    return out.Take();
  }
  if (upload.starts_with(kByteOrderMark)) upload.remove_prefix(kByteOrderMark.size());
  if (HoldsPrivateKeyPem(upload) || (upload.starts_with('\x30') && HoldsPrivateKeyDer(upload)))
    return PrivateKeySeen();
  if (upload.find('\0') != std::string_view::npos) {
    return PemMalformed(1, "the upload has a NUL octet in it");
  }
  if (upload.find_first_not_of(" \t\r\n") == std::string_view::npos) return out.Take();
  if (upload.find("BEGIN") == std::string_view::npos) return NeitherPemNorDer(upload);
  PemScanner scanner(out);
  SIGNET_TRY(scanner.Scan(upload));
  return out.Take();
}

Result<std::vector<Certificate>> ReadCertificates(std::string_view upload,
                                                  std::size_t max_certificates, int max_sans) {
  SIGNET_TRY(auto bundle, ReadBundle(upload, max_certificates, max_sans));
  if (!bundle.rejected.empty()) return std::move(bundle.rejected.front().error);
  return std::move(bundle.certificates);
}

std::string RequestToPem(std::string_view der) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), PEM_STRING_X509_REQ, "", Octets(der), static_cast<long>(der.size()));
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace signet::keystore::x509
