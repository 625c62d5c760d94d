#include "keystore/x509/private_key_scan.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

constexpr int kMaxElements = 64;
constexpr std::size_t kMaxKeyDer = 64 * 1024;  // a key of 8192 bits has 5 KiB

bool IsPassphraseBased(const X509_ALGOR* algorithm) {
  const int nid = OBJ_obj2nid(algorithm->algorithm);
  return nid == NID_pbes2 || EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, nullptr, nullptr, nullptr) == 1;
}

bool IsEncryptedKey(std::string_view der) {
  const unsigned char* p = Octets(der);
  const std::unique_ptr<X509_SIG, Deleter<X509_SIG_free>> sealed(
      d2i_X509_SIG(nullptr, &p, static_cast<long>(der.size())));
  if (!sealed) return false;
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(sealed.get(), &algorithm, nullptr);
  return IsPassphraseBased(algorithm);
}

bool IsContainer(std::string_view der) {
  const unsigned char* p = Octets(der);
  const std::unique_ptr<PKCS12, Deleter<PKCS12_free>> container(
      d2i_PKCS12(nullptr, &p, static_cast<long>(der.size())));
  return container != nullptr;
}

bool IsPrivateKey(std::string_view der) {
  if (IsContainer(der)) return true;
  if (der.size() > kMaxKeyDer) return false;
  const unsigned char* p = Octets(der);
  const PkeyPtr key(d2i_AutoPrivateKey(nullptr, &p, static_cast<long>(der.size())));
  return key != nullptr || IsEncryptedKey(der);
}

}  // namespace

bool HoldsPrivateKeyDer(std::string_view der) {
  bool found = false;
  for (int i = 0; i < kMaxElements && !der.empty() && !found; ++i) {
    const unsigned char* p = Octets(der);
    long length = 0;
    int tag = 0;
    int xclass = 0;
    const int kind = ASN1_get_object(&p, &length, &tag, &xclass, static_cast<long>(der.size()));
    if ((kind & 0x80) != 0 || tag != V_ASN1_SEQUENCE) break;
    const bool indefinite = (kind & 1) != 0;
    const std::size_t size =
        indefinite ? der.size()
                   : static_cast<std::size_t>(p - Octets(der)) + static_cast<std::size_t>(length);
    found = IsPrivateKey(der.substr(0, size));
    der.remove_prefix(std::min(size, der.size()));
  }
  ERR_clear_error();
  return found;
}

bool HoldsPrivateKeyPem(std::string_view text) {
  constexpr std::string_view kNeedle = "PRIVATE KEY";
  const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
  auto at = text.begin();
  while (true) {
    at = std::search(at, text.end(), kNeedle.begin(), kNeedle.end(), same);
    if (at == text.end()) return false;
    const auto position = static_cast<std::size_t>(at - text.begin());
    const std::size_t before = text.find_last_of("\r\n", position);
    const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
    const std::size_t end = std::min(text.find_first_of("\r\n", position), text.size());
    const std::string_view line = text.substr(start, std::min<std::size_t>(end - start, 4096));
    if (line.find("--") != std::string_view::npos) return true;
    at = text.begin() + static_cast<std::ptrdiff_t>(end);
  }
}

}  // namespace signet::keystore::x509
