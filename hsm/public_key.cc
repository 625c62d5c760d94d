#include "hsm/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "hsm/objects.h"
#include "hsm/pkcs11_error.h"

namespace signet::hsm {
namespace {

struct Free {
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(OSSL_PARAM_BLD* p) const { OSSL_PARAM_BLD_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(ASN1_OCTET_STRING* p) const { ASN1_OCTET_STRING_free(p); }
  void operator()(ASN1_OBJECT* p) const { ASN1_OBJECT_free(p); }
  void operator()(X509_PUBKEY* p) const { X509_PUBKEY_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* Octets(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Error BadKey(std::string_view what) {
  return OpenSslError(Kind::kTokenFailed, "KEY_UNREADABLE", what);
}

Result<EvpPkeyPtr> FromParams(const char* type, OSSL_PARAM_BLD& builder) {
  const Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(&builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return BadKey("the token's public key is not one that OpenSSL takes");
  }
  return EvpPkeyPtr(key);
}

Result<EvpPkeyPtr> ReadRsa(Session& session, CK_OBJECT_HANDLE object) {
  SIGNET_TRY(auto modulus, ReadBytes(session, object, CKA_MODULUS));
  SIGNET_TRY(auto exponent, ReadBytes(session, object, CKA_PUBLIC_EXPONENT));
  const Owned<BIGNUM> n(BN_bin2bn(Octets(modulus), static_cast<int>(modulus.size()), nullptr));
  const Owned<BIGNUM> e(BN_bin2bn(Octets(exponent), static_cast<int>(exponent.size()), nullptr));
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (n == nullptr || e == nullptr || builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return BadKey("reading an RSA public key");
  }
  return FromParams("RSA", *builder);
}

Result<EvpPkeyPtr> ReadEc(Session& session, CK_OBJECT_HANDLE object, int bits) {
  SIGNET_TRY(auto wrapped, ReadBytes(session, object, CKA_EC_POINT));
  // v2.40 §2.3.3: the DER of an OCTET STRING; some tokens give the bare point.
  std::string point = wrapped;
  const unsigned char* cursor = Octets(wrapped);
  const Owned<ASN1_OCTET_STRING> octets(
      d2i_ASN1_OCTET_STRING(nullptr, &cursor, static_cast<long>(wrapped.size())));
  if (octets != nullptr && cursor == Octets(wrapped) + wrapped.size()) {
    point.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(octets.get())),
                 static_cast<std::size_t>(ASN1_STRING_length(octets.get())));
  }
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                      OBJ_nid2sn(CurveNid(bits)), 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return BadKey("reading an EC public key");
  }
  return FromParams("EC", *builder);
}

}  // namespace

Result<std::optional<KeySpec>> ReadKeySpec(Session& session, CK_OBJECT_HANDLE object) {
  SIGNET_TRY(auto type, ReadNumber(session, object, CKA_KEY_TYPE));
  if (type == CKK_RSA) {
    SIGNET_TRY(auto modulus, ReadOptional(session, object, CKA_MODULUS));
    const std::size_t lead = modulus.find_first_not_of('\0');
    const auto octets = lead == std::string::npos ? 0 : modulus.size() - lead;
    for (const int bits : {2048, 3072, 4096}) {
      if (octets == static_cast<std::size_t>(bits) / 8) return KeySpec{KeyAlgorithm::kRsa, bits};
    }
    return std::optional<KeySpec>();
  }
  if (type == CKK_EC) {
    SIGNET_TRY(auto parameters, ReadOptional(session, object, CKA_EC_PARAMS));
    for (const int bits : {256, 384, 521}) {
      SIGNET_TRY(auto ours, EcParams(bits));
      if (parameters == ours) return KeySpec{KeyAlgorithm::kEc, bits};
    }
  }
  return std::optional<KeySpec>();
}

Result<EvpPkeyPtr> ReadPublicKey(Session& session, CK_OBJECT_HANDLE object, const KeySpec& spec) {
  return spec.algorithm == KeyAlgorithm::kRsa ? ReadRsa(session, object)
                                              : ReadEc(session, object, spec.bits);
}

Result<std::string> Spki(EVP_PKEY& key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(&key, &der);
  if (size <= 0) return BadKey("encoding a public key");
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

Result<std::string> Ski(EVP_PKEY& key) {
  X509_PUBKEY* raw = nullptr;
  const int made = X509_PUBKEY_set(&raw, &key);
  const Owned<X509_PUBKEY> info(raw);
  const unsigned char* bits = nullptr;
  int size = 0;
  if (made != 1 || X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, info.get()) != 1) {
    return BadKey("encoding a public key");
  }
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(bits, static_cast<std::size_t>(size), digest);
  return std::string(reinterpret_cast<char*>(digest), sizeof digest);
}

int CurveNid(int bits) {
  switch (bits) {
    case 256:
      return NID_X9_62_prime256v1;
    case 384:
      return NID_secp384r1;
    case 521:
      return NID_secp521r1;
    default:
      return NID_undef;
  }
}

Result<std::string> EcParams(int bits) {
  unsigned char* der = nullptr;
  const int size = i2d_ASN1_OBJECT(OBJ_nid2obj(CurveNid(bits)), &der);
  if (size <= 0) return BadKey("encoding a curve's name");
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

}  // namespace signet::hsm
