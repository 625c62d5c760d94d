#include "keystore/x509/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <optional>
#include <string>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/pem_blocks.h"
#include "keystore/x509/pkcs7_read.h"
#include "keystore/x509/private_key_scan.h"
#include "keystore/x509/read.h"
#include "platform/parallel.h"
#include "platform/secret.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxUpload = 64u << 20;          // 20,000 certificates of RSA-4096 in PEM
constexpr std::size_t kMaxPerCertificate = 96 * 1024;  // kMaxDer in base64, and explanations
constexpr std::size_t kBatch = 16;  // decoded by one thread: what is no bundle makes no threads
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error PrivateKeySeen() {
  ERR_clear_error();
  return MakeError(
      Kind::kRefused, "PRIVATE_KEY_IN_UPLOAD",
      "the upload holds a private key (or a PKCS#12 container); nothing of it was taken",
      "Treat that key as compromised: it has left its place. Revoke what was issued for it, "
      "make a new key in the token ('Generate CSR') and upload certificates only.");
}

Error PemMalformed(std::size_t line, std::string_view detail) {
  return MakeError(
      Kind::kRefused, "PEM_MALFORMED", "line " + std::to_string(line) + ": " + std::string(detail),
      "Send PEM blocks as 'openssl x509 -outform PEM' writes them, or one DER certificate.");
}

Error BlockUnexpected(std::string_view label) {
  return MakeError(
      Kind::kRefused, "PEM_BLOCK_UNEXPECTED",
      "the upload holds a '" + EscapeLine(label, 64) + "' where only certificates are taken",
      "Leave only CERTIFICATE or PKCS7 blocks in it.");
}

// Collects what an upload holds, up to the caller's bound, and only then decodes it.
class Collector {
 public:
  Collector(std::size_t most, int max_sans) : most_(most), max_sans_(max_sans) {}

  Status AddPem(std::string_view text) {
    const std::vector<PemBlock> blocks = FindPemBlocks(text, most_);
    if (blocks.size() > most_) return TooManyCertificates(most_);
    for (const PemBlock& block : blocks) {
      SIGNET_TRY(AddBlock(block));
    }
    return Ok();
  }

  Status AddBinary(std::string_view der) {
    return LooksLikePkcs7(der) ? AddPkcs7(der, 0) : AddItem({0, std::string(der), {}});
  }

  Result<Bundle> Take() {
    if (items_.empty()) {
      return MakeError(Kind::kRefused, "UPLOAD_EMPTY", "the upload holds no certificate",
                       "Send at least one PEM CERTIFICATE block or a DER certificate.");
    }
    std::vector<std::optional<Result<Certificate>>> decoded(items_.size());
    ParallelFor(items_.size(), kBatch, [&](std::size_t i) {
      if (!items_[i].error) decoded[i] = Certificate::FromDer(items_[i].der, max_sans_);
    });
    Bundle bundle;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      SIGNET_TRY(Sort(i, std::move(decoded[i]), bundle));
    }
    return bundle;
  }

 private:
  // What is, or should be, one certificate.
  struct Item {
    std::size_t line = 0;
    std::string der;
    std::optional<Error> error;
  };

  Status AddItem(Item item) {
    if (items_.size() >= most_) return TooManyCertificates(most_);
    items_.push_back(std::move(item));
    return Ok();
  }

  Status AddBlock(const PemBlock& block) {
    auto base64 = Base64Decode(Base64Of(block));
    std::string der = base64 ? std::move(base64).value() : std::string();
    const bool bundle = block.label == "PKCS7" || block.label == "CMS";
    std::optional<Error> error;
    if (!block.fault.empty()) {
      error = PemMalformed(block.last_line, block.fault);
    } else if (block.label != "CERTIFICATE" && !bundle) {
      error = BlockUnexpected(block.label);
    } else if (der.empty()) {
      error = PemMalformed(block.last_line, "the block above holds no canonical base64");
    }
    if (error) {
      SIGNET_TRY(RefuseKey(der));
      return AddItem({block.line, {}, std::move(error)});
    }
    return bundle ? AddPkcs7(der, block.line) : AddItem({block.line, std::move(der), {}});
  }

  Status AddPkcs7(std::string_view der, std::size_t line) {
    auto taken = TakePkcs7Apart(der, most_ - items_.size());
    if (!taken) {
      if (taken.error().word == "TOO_MANY_CERTIFICATES") return TooManyCertificates(most_);
      if (HoldsPrivateKeyDer(der)) return PrivateKeySeen();
      return AddItem({line, {}, std::move(taken).error()});
    }
    Pkcs7Parts& parts = taken.value();
    if (HoldsPrivateKeyPem(parts.content)) return PrivateKeySeen();
    SIGNET_TRY(RefuseKey(parts.content));
    if (parts.signers > 0) return AddItem({line, {}, BlockUnexpected("signed PKCS7")});
    if (parts.crls > 0) return AddItem({line, {}, BlockUnexpected("X509 CRL in PKCS7")});
    for (std::string& one : parts.certificates) {
      SIGNET_TRY(AddItem({line, std::move(one), {}}));
    }
    return Ok();
  }

  Status Sort(std::size_t index, std::optional<Result<Certificate>> decoded, Bundle& bundle) {
    Item& item = items_[index];
    const std::size_t number = index + 1;
    if (decoded) {
      if (decoded->has_value()) {
        bundle.certificates.push_back(std::move(*decoded).value());
        return Ok();
      }
      SIGNET_TRY(RefuseKey(item.der));
      item.error = std::move(*decoded).error();
      item.error->detail =
          "certificate " + std::to_string(number) + " of the upload: " + item.error->detail;
    }
    bundle.rejected.push_back({number, item.line, std::move(*item.error)});
    return Ok();
  }

  static Status RefuseKey(std::string& der) {
    if (!HoldsPrivateKeyDer(der)) return Ok();
    Wipe(der.data(), der.size());
    return PrivateKeySeen();
  }

  const std::size_t most_;
  const int max_sans_;
  std::vector<Item> items_;
};

// DER begins with a SEQUENCE of a long length; text that begins with "0" has no octet above 0x7F
// behind it.
bool LooksLikeDer(std::string_view bytes) {
  return bytes.size() > 1 && bytes[0] == 0x30 &&
         (static_cast<unsigned char>(bytes[1]) & 0x80u) != 0;
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

Result<Bundle> ReadBundle(std::string_view upload, std::size_t most, int max_sans) {
  const std::size_t limit = std::min(kMaxUpload, (most + 1) * kMaxPerCertificate);
  if (upload.size() > limit) {
    return MakeError(Kind::kRefused, "UPLOAD_TOO_LARGE",
                     "an upload of " + std::to_string(upload.size()) + " octets, at most " +
                         std::to_string(limit) + " are taken here",
                     "Split the upload.");
  }
  Collector out(most, max_sans);
  if (LooksLikeDer(upload)) {
    SIGNET_TRY(out.AddBinary(upload));
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
  SIGNET_TRY(out.AddPem(upload));
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
