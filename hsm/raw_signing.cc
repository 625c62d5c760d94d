#include "hsm/raw_signing.h"

#include <openssl/rsa.h>

#include <algorithm>

#include "hsm/pkcs11_error.h"

namespace signet::hsm {
namespace {

struct HashRow {
  CK_MECHANISM_TYPE type;
  CK_RSA_PKCS_MGF_TYPE mgf;
  const char* name;  // OpenSSL's
  std::size_t size;
};
constexpr HashRow kHashes[] = {{CKM_SHA256, CKG_MGF1_SHA256, "SHA256", 32},
                               {CKM_SHA384, CKG_MGF1_SHA384, "SHA384", 48},
                               {CKM_SHA512, CKG_MGF1_SHA512, "SHA512", 64}};

const HashRow* FindHash(CK_MECHANISM_TYPE type) {
  const auto* found = std::find_if(std::begin(kHashes), std::end(kHashes),
                                   [&](const HashRow& row) { return row.type == type; });
  return found == std::end(kHashes) ? nullptr : found;
}

const unsigned char* Octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::size_t Bytes(const KeySpec& spec) { return (static_cast<std::size_t>(spec.bits) + 7) / 8; }

Status CheckData(const RawMechanism& row, const KeySpec& spec, const wire::Mechanism& mechanism,
                 std::string_view data) {
  bool fits = true;
  if (row.type == CKM_RSA_PKCS) {
    fits = data.size() + 11 <= Bytes(spec);
  } else if (row.type == CKM_RSA_PKCS_PSS) {
    fits = data.size() == FindHash(mechanism.pss->hashAlg)->size;
  } else if (row.type == CKM_RSA_X_509) {
    fits = data.size() == Bytes(spec);
  } else if (row.type == CKM_ECDSA) {
    fits = data.size() >= 20 && data.size() <= 128;
  }
  if (!fits) return CkError(CKR_DATA_LEN_RANGE, "C_Sign");
  return Ok();
}

struct Free {
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
using Context = std::unique_ptr<EVP_PKEY_CTX, Free>;

// The public operation on an unpadded signature gives the block that was signed (RFC 8017 §5.2.2).
bool VerifyBlock(EVP_PKEY& key, std::string_view block, const std::string& signature) {
  const Context context(EVP_PKEY_CTX_new(&key, nullptr));
  std::string recovered(block.size(), '\0');
  std::size_t size = recovered.size();
  return context != nullptr && EVP_PKEY_encrypt_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) == 1 &&
         EVP_PKEY_encrypt(context.get(), reinterpret_cast<unsigned char*>(recovered.data()), &size,
                          Octets(signature), signature.size()) == 1 &&
         recovered == block;
}

Error WrongSignature() {
  return MakeError(Kind::kTokenFailed, "SIGNATURE_WRONG",
                   "the token made a signature that the public key does not verify",
                   "Stop using this token until its self-test passes.");
}

Status Verify(const SigningKey& key, const RawMechanism& row, const wire::Mechanism& mechanism,
              std::string_view data, const std::string& signature) {
  if (row.type == CKM_RSA_X_509) {
    if (VerifyBlock(*key.public_key, data, signature)) return Ok();
    return WrongSignature();
  }
  std::string digest(data);
  const HashRow* hash =
      FindHash(row.hash != 0 ? row.hash : (mechanism.pss ? mechanism.pss->hashAlg : 0));
  if (row.hash != 0) {
    digest.resize(hash->size);
    std::size_t size = digest.size();
    if (EVP_Q_digest(nullptr, hash->name, nullptr, data.data(), data.size(),
                     reinterpret_cast<unsigned char*>(digest.data()), &size) != 1) {
      return OpenSslError(Kind::kInternal, "INTERNAL", "hashing");
    }
  }
  const Context context(EVP_PKEY_CTX_new(key.public_key.get(), nullptr));
  bool ok = context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
            EVP_PKEY_CTX_set_rsa_padding(
                context.get(), mechanism.pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1;
  if (ok && hash != nullptr)
    ok = EVP_PKEY_CTX_set_signature_md(context.get(), EVP_get_digestbyname(hash->name)) == 1;
  if (ok && mechanism.pss) {
    ok =
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), static_cast<int>(mechanism.pss->sLen)) == 1;
  }
  ok = ok && EVP_PKEY_verify(context.get(), Octets(signature), signature.size(), Octets(digest),
                             digest.size()) == 1;
  if (ok) return Ok();
  return WrongSignature();
}

}  // namespace

const std::vector<RawMechanism>& RawMechanisms() {
  static const std::vector<RawMechanism> kRows = {
      {CKM_RSA_PKCS, "CKM_RSA_PKCS", KeyAlgorithm::kRsa, 0},
      {CKM_SHA256_RSA_PKCS, "CKM_SHA256_RSA_PKCS", KeyAlgorithm::kRsa, CKM_SHA256},
      {CKM_SHA384_RSA_PKCS, "CKM_SHA384_RSA_PKCS", KeyAlgorithm::kRsa, CKM_SHA384},
      {CKM_SHA512_RSA_PKCS, "CKM_SHA512_RSA_PKCS", KeyAlgorithm::kRsa, CKM_SHA512},
      {CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS", KeyAlgorithm::kRsa, 0},
      {CKM_SHA256_RSA_PKCS_PSS, "CKM_SHA256_RSA_PKCS_PSS", KeyAlgorithm::kRsa, CKM_SHA256},
      {CKM_SHA384_RSA_PKCS_PSS, "CKM_SHA384_RSA_PKCS_PSS", KeyAlgorithm::kRsa, CKM_SHA384},
      {CKM_SHA512_RSA_PKCS_PSS, "CKM_SHA512_RSA_PKCS_PSS", KeyAlgorithm::kRsa, CKM_SHA512},
      {CKM_ECDSA, "CKM_ECDSA", KeyAlgorithm::kEc, 0},
      {CKM_RSA_X_509, "CKM_RSA_X_509", KeyAlgorithm::kRsa, 0, true},
  };
  return kRows;
}

const RawMechanism* FindRawMechanism(CK_MECHANISM_TYPE type) {
  for (const RawMechanism& row : RawMechanisms()) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

CK_RV CheckRawMechanism(const wire::Mechanism& mechanism, const KeySpec& spec, bool management) {
  const RawMechanism* row = FindRawMechanism(mechanism.type);
  if (row == nullptr || (row->management_only && !management)) return CKR_MECHANISM_INVALID;
  if (!mechanism.octets.empty()) return CKR_MECHANISM_PARAM_INVALID;
  const bool is_pss = row->type == CKM_RSA_PKCS_PSS || row->type == CKM_SHA256_RSA_PKCS_PSS ||
                      row->type == CKM_SHA384_RSA_PKCS_PSS || row->type == CKM_SHA512_RSA_PKCS_PSS;
  if (is_pss != mechanism.pss.has_value()) return CKR_MECHANISM_PARAM_INVALID;
  if (row->algorithm != spec.algorithm) return CKR_KEY_TYPE_INCONSISTENT;
  if (!is_pss) return CKR_OK;
  const HashRow* hash = FindHash(mechanism.pss->hashAlg);
  if (hash == nullptr || mechanism.pss->mgf != hash->mgf ||
      (row->hash != 0 && row->hash != hash->type) ||
      mechanism.pss->sLen > Bytes(spec) - hash->size - 2) {
    return CKR_MECHANISM_PARAM_INVALID;
  }
  return CKR_OK;
}

std::size_t RawSignatureSize(const KeySpec& spec) {
  return spec.algorithm == KeyAlgorithm::kRsa ? Bytes(spec) : 2 * Bytes(spec);
}

Result<std::string> SignRaw(Session& session, const SigningKey& key,
                            const wire::Mechanism& mechanism, std::string_view data) {
  if (const CK_RV code = CheckRawMechanism(mechanism, key.spec, true); code != CKR_OK) {
    return CkError(code, "C_SignInit");
  }
  const RawMechanism& row = *FindRawMechanism(mechanism.type);
  SIGNET_TRY(CheckData(row, key.spec, mechanism, data));
  // Only the leftmost bits count (X9.62 §7.3); tokens differ in taking more.
  if (row.algorithm == KeyAlgorithm::kEc) data = data.substr(0, Bytes(key.spec));
  wire::Mechanism own = mechanism;
  CK_MECHANISM native{row.type, nullptr, 0};
  if (own.pss) native = {row.type, &*own.pss, sizeof *own.pss};
  SIGNET_TRY(auto signature,
             CallSign(session, key.handle, native, std::string(data), RawSignatureSize(key.spec)));
  if (row.algorithm == KeyAlgorithm::kRsa) {
    const Status verified = Verify(key, row, mechanism, data, signature);
    if (!verified) {
      ++session.module().count.refused;
      return verified.error();
    }
  }
  return signature;
}

}  // namespace signet::hsm
