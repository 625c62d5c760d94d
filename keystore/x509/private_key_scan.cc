#include "keystore/x509/private_key_scan.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

// One element (type, length, value) of a row of them.
struct Element {
  int tag = 0;  // of the universal class; -1 for others
  std::string_view whole, value;
};

// Takes the first element off `rest`; nullopt when there is none, or a damaged one.
std::optional<Element> TakeElement(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const unsigned char* p = Octets(rest);
  long length = 0;
  int tag = 0;
  int xclass = 0;
  const int kind = ASN1_get_object(&p, &length, &tag, &xclass, static_cast<long>(rest.size()));
  if ((kind & 0x80) != 0) return std::nullopt;
  const auto header = static_cast<std::size_t>(p - Octets(rest));
  const bool indefinite = (kind & 1) != 0;  // then all that follows is taken for its value
  const std::size_t size = indefinite ? rest.size() - header : static_cast<std::size_t>(length);
  const Element element{xclass == V_ASN1_UNIVERSAL ? tag : -1, rest.substr(0, header + size),
                        rest.substr(header, size)};
  rest.remove_prefix(header + size);
  return element;
}

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

// By its first members, not by decoding it: that costs the same for any garbage, and finds the keys
// of algorithms that OpenSSL does not know, and damaged ones.
bool IsPrivateKey(const Element& sequence) {
  constexpr std::size_t kDsaNumbers = 6;  // version, p, q, g, y, x; RSA has 9 (RFC 8017 §A.1.2)
  constexpr std::string_view kPfxVersion = "\x03";
  std::array<Element, kDsaNumbers> first;
  std::size_t count = 0;
  std::string_view rest = sequence.value;
  while (count < first.size()) {
    const auto element = TakeElement(rest);
    if (!element) break;
    first[count++] = *element;
  }
  const auto has = [&](std::size_t i, int tag) { return i < count && first[i].tag == tag; };
  if (has(0, V_ASN1_SEQUENCE)) {  // RFC 5208 §6
    return count == 2 && has(1, V_ASN1_OCTET_STRING) && IsEncryptedKey(sequence.whole);
  }
  if (!has(0, V_ASN1_INTEGER)) return false;
  if (has(1, V_ASN1_OCTET_STRING)) return true;  // RFC 5915 §3
  if (has(1, V_ASN1_SEQUENCE)) {
    return has(2, V_ASN1_OCTET_STRING) ||                  // RFC 5958 §2
           (count <= 3 && first[0].value == kPfxVersion);  // RFC 7292 §4
  }
  return std::all_of(first.begin(), first.end(),
                     [](const Element& element) { return element.tag == V_ASN1_INTEGER; });
}

}  // namespace

bool HoldsPrivateKeyDer(std::string_view der) {
  bool found = false;
  while (!found) {
    const auto element = TakeElement(der);
    if (!element || element->tag != V_ASN1_SEQUENCE) break;
    found = IsPrivateKey(*element);
  }
  ERR_clear_error();
  return found;
}

bool HoldsPrivateKeyPem(std::string_view text) {
  constexpr std::string_view kBefore = "PRIVATE";
  constexpr std::string_view kAfter = "KEY";
  const auto is = [](std::string_view part, std::string_view word) {
    return std::equal(part.begin(), part.end(), word.begin(), word.end(), [](char a, char b) {
      return std::toupper(static_cast<unsigned char>(a)) == b;
    });
  };
  // The space between the words is what base64 has none of.
  for (std::size_t at = text.find(' '); at != std::string_view::npos; at = text.find(' ', at + 1)) {
    if (at < kBefore.size() || !is(text.substr(at - kBefore.size(), kBefore.size()), kBefore) ||
        !is(text.substr(at + 1, kAfter.size()), kAfter)) {
      continue;
    }
    const std::size_t before = text.find_last_of("\r\n", at);
    const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
    const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    if (text.substr(start, end - start).find("--") != std::string_view::npos) return true;
    at = end - 1;
  }
  return false;
}

}  // namespace signet::keystore::x509
