#include "hsm/signing.h"

#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "hsm/key_text.h"
#include "hsm/pkcs11_error.h"
#include "platform/encoding.h"

namespace signet::hsm {
namespace {

struct HashRow {
  HashAlgorithm hash;
  int nid;
  CK_MECHANISM_TYPE mechanism;
  CK_RSA_PKCS_MGF_TYPE mgf;
};
constexpr HashRow kHashes[] = {
    {HashAlgorithm::kSha256, NID_sha256, CKM_SHA256, CKG_MGF1_SHA256},
    {HashAlgorithm::kSha384, NID_sha384, CKM_SHA384, CKG_MGF1_SHA384},
    {HashAlgorithm::kSha512, NID_sha512, CKM_SHA512, CKG_MGF1_SHA512},
};

const HashRow& RowOf(HashAlgorithm hash) { return kHashes[static_cast<std::size_t>(hash)]; }

const EVP_MD* Digest(HashAlgorithm hash) { return EVP_get_digestbynid(RowOf(hash).nid); }

struct Free {
  void operator()(X509_SIG* p) const { X509_SIG_free(p); }
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* Octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// DigestInfo of EMSA-PKCS1-v1_5 (RFC 8017 §9.2): the same structure as X509_SIG.
Result<std::string> DigestInfo(HashAlgorithm hash, std::string_view digest) {
  const Owned<X509_SIG> info(X509_SIG_new());
  X509_ALGOR* algorithm = nullptr;
  ASN1_OCTET_STRING* octets = nullptr;
  if (info != nullptr) X509_SIG_getm(info.get(), &algorithm, &octets);
  unsigned char* der = nullptr;
  int size = 0;
  if (info == nullptr ||
      X509_ALGOR_set0(algorithm, OBJ_nid2obj(RowOf(hash).nid), V_ASN1_NULL, nullptr) != 1 ||
      ASN1_OCTET_STRING_set(octets, Octets(digest), static_cast<int>(digest.size())) != 1 ||
      (size = i2d_X509_SIG(info.get(), &der)) <= 0) {
    return OpenSslError(Kind::kInternal, "INTERNAL", "encoding a DigestInfo");
  }
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

Result<std::string> PadPss(EVP_PKEY& key, HashAlgorithm hash, std::string_view digest) {
  std::string padded(static_cast<std::size_t>(EVP_PKEY_get_size(&key)), '\0');
  // Only the deprecated RSA interface gives the padding apart from the private operation.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const int padded_ok = RSA_padding_add_PKCS1_PSS_mgf1(
      const_cast<RSA*>(EVP_PKEY_get0_RSA(&key)), reinterpret_cast<unsigned char*>(padded.data()),
      Octets(digest), Digest(hash), Digest(hash), RSA_PSS_SALTLEN_DIGEST);
#pragma GCC diagnostic pop
  if (padded_ok != 1) return OpenSslError(Kind::kInternal, "INTERNAL", "PSS padding");
  return padded;
}

Result<std::string> SignRsa(Session& session, const Mechanisms& mechanisms, const SigningKey& key,
                            SignScheme scheme, HashAlgorithm hash, std::string_view digest) {
  const std::size_t size = static_cast<std::size_t>(key.spec.bits) / 8;
  if (scheme == SignScheme::kRsaPkcs1) {
    SIGNET_TRY(auto info, DigestInfo(hash, digest));
    return CallSign(session, key.handle, {CKM_RSA_PKCS, nullptr, 0}, std::move(info), size);
  }
  if (mechanisms.contains(CKM_RSA_PKCS_PSS) || !mechanisms.contains(CKM_RSA_X_509)) {
    const HashRow& row = RowOf(hash);
    CK_RSA_PKCS_PSS_PARAMS parameters{row.mechanism, row.mgf, digest.size()};
    return CallSign(session, key.handle, {CKM_RSA_PKCS_PSS, &parameters, sizeof parameters},
                    std::string(digest), size);
  }
  SIGNET_TRY(auto padded, PadPss(*key.public_key, hash, digest));
  return CallSign(session, key.handle, {CKM_RSA_X_509, nullptr, 0}, std::move(padded), size);
}

Result<std::string> SignEc(Session& session, const SigningKey& key, std::string_view digest) {
  const std::size_t field = (static_cast<std::size_t>(key.spec.bits) + 7) / 8;
  // Only the leftmost bits count (X9.62 §7.3); tokens differ in taking more.
  const std::string data(digest.substr(0, field));
  SIGNET_TRY(auto raw, CallSign(session, key.handle, {CKM_ECDSA, nullptr, 0}, data, 2 * field));
  const Owned<ECDSA_SIG> signature(ECDSA_SIG_new());
  Owned<BIGNUM> r(BN_bin2bn(Octets(raw), static_cast<int>(field), nullptr));
  Owned<BIGNUM> s(BN_bin2bn(Octets(raw) + field, static_cast<int>(field), nullptr));
  if (signature == nullptr || r == nullptr || s == nullptr ||
      ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return OpenSslError(Kind::kInternal, "INTERNAL", "encoding an ECDSA signature");
  }
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char der[160];
  unsigned char* cursor = der;
  const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
  if (size <= 0 || static_cast<std::size_t>(size) > sizeof der) {
    return OpenSslError(Kind::kInternal, "INTERNAL", "encoding an ECDSA signature");
  }
  i2d_ECDSA_SIG(signature.get(), &cursor);
  return std::string(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
}

}  // namespace

Result<std::string> CallSign(Session& session, CK_OBJECT_HANDLE key, CK_MECHANISM mechanism,
                             std::string data, std::size_t expected) {
  Module& module = session.module();
  CK_RV code = module->C_SignInit(session.handle(), &mechanism, key);
  if (code != CKR_OK) {
    session.Discard();
    return CkError(code, "C_SignInit");
  }
  std::string signature(expected, '\0');
  CK_ULONG size = signature.size();
  code = module->C_Sign(session.handle(), reinterpret_cast<CK_BYTE*>(data.data()), data.size(),
                        reinterpret_cast<CK_BYTE*>(signature.data()), &size);
  if (code != CKR_OK) {
    session.Discard();
    return CkError(code, "C_Sign");
  }
  ++module.count.made;
  if (size != expected) {
    session.Discard();
    ++module.count.refused;
    return MakeError(Kind::kTokenFailed, "SIGNATURE_WRONG",
                     "the token gave a signature of " + std::to_string(size) + " instead of " +
                         std::to_string(expected) + " octets",
                     "Run the self-test; check the token and its module.");
  }
  return signature;
}

Result<std::string> SignDigestWith(Session& session, const Mechanisms& mechanisms,
                                   const SigningKey& key, SignScheme scheme, HashAlgorithm hash,
                                   std::string_view digest) {
  if (digest.size() != DigestSize(hash)) {
    return MakeError(Kind::kUsage, "DIGEST_LENGTH",
                     "a " + std::string(ToString(hash)) + " digest has " +
                         std::to_string(DigestSize(hash)) + " octets, this one " +
                         std::to_string(digest.size()),
                     "Give the digest itself, not the message.");
  }
  const bool ec_scheme = scheme == SignScheme::kEcdsa;
  const bool ec_key = key.spec.algorithm == KeyAlgorithm::kEc;
  if (ec_scheme != ec_key) {
    return MakeError(
        Kind::kRefused, "SCHEME_MISMATCH",
        std::string(ToString(scheme)) + " does not fit a key of kind " + ToString(key.spec),
        ec_key ? "Use ecdsa with this key." : "Use rsa-pkcs1 or rsa-pss with this key.");
  }
  if (ec_key) return SignEc(session, key, digest);
  SIGNET_TRY(auto signature, SignRsa(session, mechanisms, key, scheme, hash, digest));
  // A single faulty RSA signature gives the private key away, so none leaves unverified.
  // signet-keyd has seen to that already (raw_signing.h).
  if (!session.module().remote() &&
      !VerifyDigest(*key.public_key, scheme, hash, digest, signature)) {
    ++session.module().count.refused;
    return MakeError(Kind::kTokenFailed, "SIGNATURE_WRONG",
                     "the token made a signature that the public key does not verify",
                     "Stop using this token until its self-test passes.");
  }
  return signature;
}

bool VerifyDigest(EVP_PKEY& key, SignScheme scheme, HashAlgorithm hash, std::string_view digest,
                  std::string_view signature) {
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(&key, nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1) return false;
  if (scheme != SignScheme::kEcdsa) {
    const int padding = scheme == SignScheme::kRsaPss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
    if (EVP_PKEY_CTX_set_rsa_padding(context.get(), padding) != 1) return false;
    if (scheme == SignScheme::kRsaPss &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1) {
      return false;
    }
  }
  return EVP_PKEY_CTX_set_signature_md(context.get(), Digest(hash)) == 1 &&
         EVP_PKEY_verify(context.get(), Octets(signature), signature.size(), Octets(digest),
                         digest.size()) == 1;
}

namespace {

Error Mismatch() {
  return MakeError(Kind::kTokenFailed, "KEY_MISMATCH",
                   "the private key and the public key with the same id do not belong together",
                   "Find out with the token's own tool which program made the second key.");
}

SignScheme SchemeOf(const SigningKey& key) {
  return key.spec.algorithm == KeyAlgorithm::kEc ? SignScheme::kEcdsa : SignScheme::kRsaPkcs1;
}

}  // namespace

Status ProveKey(Session& session, const Mechanisms& mechanisms, const SigningKey& key) {
  constexpr HashAlgorithm kHash = HashAlgorithm::kSha256;
  const std::string digest = RandomBytes(DigestSize(kHash));
  SIGNET_TRY(auto signature,
             SignDigestWith(session, mechanisms, key, SchemeOf(key), kHash, digest));
  ++session.module().count.own;
  if (!VerifyDigest(*key.public_key, SchemeOf(key), kHash, digest, signature)) return Mismatch();
  return Ok();
}

Status ProveEvp(EVP_PKEY& private_key, const SigningKey& key) {
  constexpr HashAlgorithm kHash = HashAlgorithm::kSha256;
  const std::string digest = RandomBytes(DigestSize(kHash));
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(&private_key)), '\0');
  std::size_t size = signature.size();
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(&private_key, nullptr));
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      (key.spec.algorithm == KeyAlgorithm::kRsa &&
       EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) ||
      EVP_PKEY_CTX_set_signature_md(context.get(), Digest(kHash)) != 1 ||
      EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                    Octets(digest), digest.size()) != 1) {
    return OpenSslError(Kind::kTokenFailed, "TOKEN_ERROR", "signing through libp11");
  }
  signature.resize(size);
  if (!VerifyDigest(*key.public_key, SchemeOf(key), kHash, digest, signature)) return Mismatch();
  return Ok();
}

}  // namespace signet::hsm
