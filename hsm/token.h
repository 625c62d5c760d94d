// Keys and signatures of one token, over whatever module it is given.
//
// Every private key that Signet makes is born here by C_GenerateKeyPair with an explicit template,
// read back, proved by a signature that its public key verifies, and named: label before (the
// caller journals it), CKA_ID = SKI after.
#pragma once

#include <openssl/evp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hsm/key_types.h"
#include "platform/error.h"

namespace signet::hsm {

struct EvpPkeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, EvpPkeyFree>;

// Who proves that a private key belongs to its public key: the token, or a caller who verifies the
// first signature himself (an RSA signature takes a millisecond).
enum class Proof : std::uint8_t { kNow, kByCaller };

// Thread-safe. Each call blocks for as long as the module does. Generate, Destroy and taking up are
// serialised. Errors: kTokenLocked TOKEN_LOCKED; kTokenFailed TOKEN_GONE, TOKEN_ERROR (with the
// CK_RV as origin); kNotFound KEY_NOT_FOUND. A call that meets a dead session, a vanished handle or
// a re-initialised token rebuilds once and retries once.
class Token {
 public:
  virtual ~Token() = default;

  // A key pair that lives in the token, files synced. kConflict KEY_LABEL_TAKEN when a private key
  // has that label. When anything fails after the pair exists, it is destroyed before the error
  // returns.
  virtual Result<GeneratedKey> Generate(const std::string& label, const KeySpec& spec,
                                        KeyPolicy policy) = 0;
  // Both halves; absent is success. Files synced.
  virtual Status Destroy(const KeyId& id) = 0;
  // The pair with this label whose CKA_ID may not have been set yet (recovery); absent is success.
  virtual Status DestroyLabelled(const std::string& label) = 0;
  // What a power cut in the middle of Generate leaves on tokens that write an object step by step
  // (SoftHSM): key objects without label, id and origin, which hold no key yet (recovery).
  virtual Status DestroyUnfinished() = 0;
  // All private keys on the token, ours or not.
  virtual Result<std::vector<TokenKey>> List() = 0;
  // A key's public half: SubjectPublicKeyInfo, DER.
  virtual Result<std::string> PublicKey(const KeyId& id) = 0;

  // Signs a digest (its length must fit `hash`). RSA signatures are verified before they leave;
  // ECDSA ones come DER-encoded (ECDSA-Sig-Value, RFC 3279 §2.2.3). The hot path: a pooled session
  // and a cached, proved handle.
  virtual Result<std::string> SignDigest(const KeyId& id, SignScheme scheme, HashAlgorithm hash,
                                         std::string_view digest) = 0;

  // The key for OpenSSL (CSR, certificate, TLS), made by libp11, cached, and proved by a
  // sign-and-verify when it is taken up. An EVP_PKEY of before a rebuild fails to sign: take it up
  // again (see OnRebuild).
  virtual Result<EvpPkeyPtr> Evp(const KeyId& id, Proof proof = Proof::kNow) = 0;
};

}  // namespace signet::hsm
