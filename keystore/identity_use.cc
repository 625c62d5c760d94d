// What is done with identities as they are: signing, listing keys, serving TLS.
#include <set>

#include "hsm/key_text.h"
#include "hsm/token.h"
#include "keystore/identities.h"
#include "platform/encoding.h"

namespace signet::keystore {

namespace {

std::string DigestOf(hsm::HashAlgorithm hash, std::string_view message) {
  const char* name = hash == hsm::HashAlgorithm::kSha256   ? "SHA256"
                     : hash == hsm::HashAlgorithm::kSha384 ? "SHA384"
                                                           : "SHA512";
  std::string digest(hsm::DigestSize(hash), '\0');
  std::size_t size = digest.size();
  EVP_Q_digest(nullptr, name, nullptr, message.data(), message.size(),
               reinterpret_cast<unsigned char*>(digest.data()), &size);
  return digest;
}

}  // namespace

Result<Signature> Identities::Sign(const SignRequest& request) {
  const auto snapshot = state_.Now();
  const IdentityVersion* current = snapshot->Current(request.purpose);
  if (current == nullptr) {
    SIGNET_TRY(const Purpose* purpose, FindPurpose(catalogue_, request.purpose));
    return MakeError(
        Kind::kNotFound, "NO_IDENTITY", purpose->name + " has no certificate and key yet",
        "Wait for the first boot to end, or generate it with 'signet certificate generate " +
            purpose->name + "'.");
  }
  const bool ec = current->key.spec.starts_with("ec:");
  auto scheme = ec ? hsm::SignScheme::kEcdsa : hsm::SignScheme::kRsaPkcs1;
  auto hash = hsm::HashAlgorithm::kSha256;
  if (request.algorithm) {
    SIGNET_TRY(scheme, hsm::ParseSignScheme(*request.algorithm));
  }
  if (request.hash) {
    SIGNET_TRY(hash, hsm::ParseHashAlgorithm(*request.hash));
  }
  if (ec != (scheme == hsm::SignScheme::kEcdsa)) {
    return MakeError(Kind::kRefused, "SCHEME_DOES_NOT_FIT",
                     request.purpose + " has the key " + current->key.spec +
                         ", which cannot make " + std::string(hsm::ToString(scheme)) +
                         " signatures",
                     ec ? "Use ecdsa." : "Use rsa-pkcs1 or rsa-pss.");
  }
  if (request.is_digest && request.input.size() != hsm::DigestSize(hash)) {
    return MakeError(Kind::kUsage, "DIGEST_LENGTH",
                     "a " + std::string(hsm::ToString(hash)) + " digest has " +
                         std::to_string(hsm::DigestSize(hash)) + " octets, not " +
                         std::to_string(request.input.size()),
                     "Send the digest of the message, or the message itself as 'data'.");
  }
  Signature signature{
      current->key.id, std::string(hsm::ToString(scheme)), std::string(hsm::ToString(hash)), {}};
  const std::string digest = request.is_digest ? request.input : DigestOf(hash, request.input);
  SIGNET_TRY(signature.bytes, token_.SignDigest(signature.key, scheme, hash, digest));
  return signature;
}

Result<std::vector<KeyRow>> Identities::Keys() {
  SIGNET_TRY(std::vector<hsm::TokenKey> on_token, token_.List());
  auto owned = state_.Now()->Keys();
  std::vector<KeyRow> rows;
  for (const hsm::TokenKey& key : on_token) {
    KeyRow row;
    row.id = key.id;
    row.label = key.label;
    row.on_token = true;
    row.spec = key.known_spec ? hsm::ToString(key.spec) : "unknown";
    const auto owner = owned.find(key.id);
    if (owner == owned.end()) {
      row.policy = key.extractable ? "unknown" : "fixed";
      row.owner = "none: no record of this appliance names it";
    } else {
      row.policy = owner->second.key.policy;
      row.owner = owner->second.owner;
      owned.erase(owner);
    }
    rows.push_back(std::move(row));
  }
  for (const auto& [id, missing] : owned) {
    rows.push_back(
        {id, missing.key.label, missing.key.spec, missing.key.policy, missing.owner, false});
  }
  return rows;
}

Result<std::vector<std::string>> Identities::MissingKeys() {
  SIGNET_TRY(std::vector<hsm::TokenKey> on_token, token_.List());
  std::set<std::string> present;
  for (const hsm::TokenKey& key : on_token) present.insert(key.id);
  const auto snapshot = state_.Now();
  std::vector<std::string> missing;
  for (const auto& [purpose, row] : snapshot->identities) {
    if (row.value.current && !present.contains(row.value.current->key.id))
      missing.push_back(purpose);
  }
  return missing;
}

Result<TlsMaterial> Identities::Tls() {
  const auto snapshot = state_.Now();
  for (const Purpose& purpose : catalogue_.purposes) {
    if (!purpose.tls_listener) continue;
    const IdentityVersion* current = snapshot->Current(purpose.name);
    if (current == nullptr) break;
    TlsMaterial material;
    std::vector<std::string> fingerprints = {current->certificate};
    fingerprints.insert(fingerprints.end(), current->chain.begin(), current->chain.end());
    for (const std::string& fingerprint : fingerprints) {
      const x509::Certificate* certificate = snapshot->Certificate(fingerprint);
      if (certificate == nullptr)
        return InternalError("certificate " + fingerprint + " of " + purpose.name +
                             " is not in the store");
      const bool anchor = !material.chain.empty() && certificate->fields().self_signed;
      if (!anchor) material.chain.push_back(certificate->der());
    }
    SIGNET_TRY(hsm::EvpPkeyPtr key, token_.Evp(current->key.id));
    material.key = std::shared_ptr<evp_pkey_st>(key.release(), EVP_PKEY_free);
    return material;
  }
  return MakeError(Kind::kNotFound, "NO_IDENTITY", "the identity that TLS presents is not made yet",
                   "Wait for the first boot to end.");
}

}  // namespace signet::keystore
