#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <array>
#include <cctype>
#include <string>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

Error Unsupported(std::string detail) {
  ERR_clear_error();
  return MakeError(
      Kind::kRefused, "KEY_UNSUPPORTED", std::move(detail),
      "Use RSA of 2048, 3072 or 4096 bits, or EC on P-256, P-384 or P-521 as a named curve.");
}

struct Curve {
  int nid;
  const char* name;
  int bits;
};
constexpr std::array<Curve, 3> kCurves{{{NID_X9_62_prime256v1, "P-256", 256},
                                        {NID_secp384r1, "P-384", 384},
                                        {NID_secp521r1, "P-521", 521}}};

void DescribeEc(EVP_PKEY* key, PublicKeyInfo& info) {
  std::array<char, 80> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
    info.text = "ec:unknown";
    return;
  }
  const int nid = OBJ_txt2nid(group.data());
  for (const Curve& curve : kCurves) {
    if (nid != curve.nid) continue;
    info.text = std::string("ec:") + curve.name;
    info.spec = hsm::KeySpec{hsm::KeyAlgorithm::kEc, curve.bits};
    return;
  }
  info.text = std::string("ec:") + group.data();
}

// The decoder has checked that the point is on the curve; the point at infinity is on each.
bool IsUsablePoint(EVP_PKEY* key) {
  const std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new(key, nullptr));
  return context && EVP_PKEY_public_check_quick(context.get()) == 1;
}

Status DescribeRsa(EVP_PKEY* key, PublicKeyInfo& info) {
  const int bits = EVP_PKEY_get_bits(key);
  if (bits > kMaxRsaBits) {
    return Unsupported("an RSA modulus of " + std::to_string(bits) + " bits, at most " +
                       std::to_string(kMaxRsaBits) + " are taken");
  }
  BIGNUM* e = nullptr;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e);
  const BnPtr exponent(e);
  if (!exponent || BN_num_bits(exponent.get()) > kMaxExponentBits) {
    return Unsupported("an RSA exponent of more than " + std::to_string(kMaxExponentBits) +
                       " bits");
  }
  const bool pss = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA_PSS;
  info.text = (pss ? "rsa-pss:" : "rsa:") + std::to_string(bits);
  if (!pss && (bits == 2048 || bits == 3072 || bits == 4096)) {
    info.spec = hsm::KeySpec{hsm::KeyAlgorithm::kRsa, bits};
  }
  return Ok();
}

std::string OtherKeyText(EVP_PKEY* key) {
  const char* name = EVP_PKEY_get0_type_name(key);
  std::string text = name == nullptr ? "unknown" : name;
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_DSA || EVP_PKEY_get_base_id(key) == EVP_PKEY_DH) {
    text += ":" + std::to_string(EVP_PKEY_get_bits(key));
  }
  return text;
}

// RFC 8017 §A.1.1 in DER. OpenSSL's reader of keys also takes padded and negative numbers.
bool IsRsaKeyDer(std::string_view bits) {
  const unsigned char* p = Octets(bits);
  const SequencePtr numbers(d2i_ASN1_SEQUENCE_ANY(nullptr, &p, static_cast<long>(bits.size())));
  if (!numbers || ToDer(numbers.get(), i2d_ASN1_SEQUENCE_ANY) != bits) return false;
  bool good = sk_ASN1_TYPE_num(numbers.get()) == 2;
  for (int i = 0; good && i < 2; ++i) {
    const ASN1_TYPE* number = sk_ASN1_TYPE_value(numbers.get(), i);
    good = number->type == V_ASN1_INTEGER &&
           ASN1_STRING_type(number->value.integer) == V_ASN1_INTEGER;  // V_ASN1_NEG_INTEGER is not
  }
  return good;
}

// A SubjectPublicKeyInfo of the octets at hand.
PubkeyPtr WrapKey(int algorithm, int parameter_type, ASN1_OBJECT* parameter,
                  std::string_view bits) {
  PubkeyPtr spki(X509_PUBKEY_new());
  std::unique_ptr<unsigned char, Deleter<FreeOpenSsl>> copy(
      static_cast<unsigned char*>(OPENSSL_memdup(bits.data(), bits.size())));
  if (!spki || !copy ||
      X509_PUBKEY_set0_param(spki.get(), OBJ_nid2obj(algorithm), parameter_type, parameter,
                             copy.get(), static_cast<int>(bits.size())) != 1) {
    return nullptr;
  }
  copy.release();  // now the key's
  return spki;
}

// By OpenSSL's encoder and decoder of keys, which look through all providers each time: 0.3 ms.
PubkeyPtr EncodeKey(EVP_PKEY* key) {
  std::string der;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
    // The key belongs to a certificate that other threads may read: a copy is changed, not it.
    const PkeyPtr copy(EVP_PKEY_dup(key));
    if (!copy ||
        EVP_PKEY_set_utf8_string_param(copy.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) != 1) {
      return nullptr;
    }
    der = ToDer(copy.get(), i2d_PUBKEY);
  } else {
    der = ToDer(key, i2d_PUBKEY);
  }
  const unsigned char* p = Octets(der);
  return PubkeyPtr(d2i_X509_PUBKEY(nullptr, &p, static_cast<long>(der.size())));
}

// The SubjectPublicKeyInfo with points uncompressed, so that equal keys have equal octets. `bits`
// are those of the key as it came; those of an RSA key are known to be DER.
PubkeyPtr CanonicalSpki(EVP_PKEY* key, const PublicKeyInfo& info, std::string_view bits) {
  constexpr char kUncompressed = 0x04;  // SEC 1 §2.3.3
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_RSA) return WrapKey(NID_rsaEncryption, V_ASN1_NULL, nullptr, bits);
  if (kind == EVP_PKEY_EC && info.spec && bits.starts_with(kUncompressed)) {
    for (const Curve& curve : kCurves) {
      if (curve.bits != info.spec->bits) continue;
      return WrapKey(NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, OBJ_nid2obj(curve.nid), bits);
    }
  }
  return EncodeKey(key);
}

// RFC 5280 §4.2.1.2 method 1: the bits of subjectPublicKey.
std::string KeyIdOf(const X509_PUBKEY* key) {
  const unsigned char* bits = nullptr;
  int size = 0;
  if (X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, key) != 1) return {};
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  unsigned int digest_size = 0;
  if (EVP_Digest(bits, static_cast<std::size_t>(size), digest.data(), &digest_size, EVP_sha1(),
                 nullptr) != 1) {
    return {};
  }
  return HexEncode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

Error Malformed(std::string_view word, std::string detail) {
  ERR_clear_error();
  return MakeError(
      Kind::kRefused, std::string(word), std::move(detail),
      "Ask whoever made it for a new one, in strict DER (RFC 5280); 'openssl asn1parse' shows "
      "this one's structure.");
}

Result<PublicKeyInfo> ReadPublicKey(const X509_PUBKEY* pubkey, std::string_view word) {
  ASN1_OBJECT* algorithm = nullptr;
  const unsigned char* octets = nullptr;
  int size = 0;
  X509_ALGOR* parameters = nullptr;
  if (X509_PUBKEY_get0_param(&algorithm, &octets, &size, &parameters, pubkey) != 1) {
    return Malformed(word, "the public key can not be read");
  }
  const std::string_view bits(reinterpret_cast<const char*>(octets),
                              static_cast<std::size_t>(size));
  const int nid = OBJ_obj2nid(algorithm);
  int parameter_type = 0;
  X509_ALGOR_get0(nullptr, &parameter_type, nullptr, parameters);
  // Explicit parameters can name a curve that an attacker made (CVE-2020-0601), even those of
  // P-256.
  if (nid == NID_X9_62_id_ecPublicKey && parameter_type != V_ASN1_OBJECT) {
    return Unsupported("the EC key has explicit curve parameters");
  }
  EVP_PKEY* key = X509_PUBKEY_get0(pubkey);
  if (key == nullptr) {
    return Unsupported("the public key (" + ObjectName(algorithm) +
                       ") is of an unknown kind, or is no valid key of its kind");
  }
  PublicKeyInfo info;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      SIGNET_TRY(DescribeRsa(key, info));
      if (!IsRsaKeyDer(bits)) return Malformed(word, "the RSA public key is not in DER");
      break;
    }
    case EVP_PKEY_EC:
      if (!IsUsablePoint(key)) return Unsupported("the EC point is at infinity or out of range");
      DescribeEc(key, info);
      break;
    default:
      info.text = OtherKeyText(key);
  }
  const PubkeyPtr spki = CanonicalSpki(key, info, bits);
  if (!spki) return Unsupported("the public key can not be written in canonical form");
  info.spki_sha256 = Sha256Hex(ToDer(spki.get(), i2d_X509_PUBKEY));
  info.ski = KeyIdOf(spki.get());
  return info;
}

}  // namespace signet::keystore::x509
