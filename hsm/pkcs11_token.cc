#include "hsm/pkcs11_token.h"

#include "hsm/key_template.h"
#include "hsm/key_text.h"
#include "hsm/objects.h"
#include "hsm/public_key.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr std::string_view kLabelCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-";

Status CheckLabel(const std::string& label) {
  if (!label.empty() && label.size() <= 128 &&
      label.find_first_not_of(kLabelCharacters) == std::string::npos) {
    return Ok();
  }
  return MakeError(Kind::kUsage, "KEY_LABEL_INVALID",
                   "a key's label has 1 to 128 letters, digits and . _ : / -",
                   "Choose such a label.");
}

Error NotFound() {
  return MakeError(Kind::kNotFound, "KEY_NOT_FOUND", "the token has no private key with this id",
                   "List the token's keys; the key may have been destroyed.");
}

Error Ambiguous(std::size_t count) {
  return MakeError(
      Kind::kConflict, "KEY_ID_AMBIGUOUS",
      std::to_string(count) + " private keys of the token have this id",
      "Remove the foreign one with the token's own tool; a signature could be by either.");
}

}  // namespace

template <class Work>
auto Pkcs11Token::Change(const Work& work) -> std::invoke_result_t<const Work&, Session&> {
  using R = std::invoke_result_t<const Work&, Session&>;
  const auto attempt = [&]() -> R {
    const std::lock_guard lock(change_mutex_);
    SIGNET_TRY(auto session, link_.Acquire());
    auto result = work(session);
    if (!result) session.Discard();
    return result;
  };
  return link_.Run(attempt);
}

template <class Work>
auto Pkcs11Token::WithKey(const KeyId& id, const Work& work)
    -> std::invoke_result_t<const Work&, Session&, Taken&> {
  using R = std::invoke_result_t<const Work&, Session&, Taken&>;
  TakenPtr taken;
  const auto attempt = [&]() -> R {
    SIGNET_TRY(auto session, link_.Acquire());
    taken = Cached(id);
    if (taken == nullptr) {
      auto up = TakeUp(session, id);
      if (!up) {
        session.Discard();
        return up.error();
      }
      taken = std::move(up.value());
    }
    auto result = work(session, *taken);
    if (!result) session.Discard();
    return result;
  };
  auto result = link_.Run(attempt);
  if (result || taken == nullptr || StalenessOf(CkCode(result.error())) != Staleness::kHandle) {
    return result;
  }
  // The handle has died. Was the object only moved, destroyed through us, or is the whole login
  // void?
  const TakenPtr dead = taken;
  Forget(id, dead->destroyed);
  result = link_.Run(attempt);
  if (result || result.error().word != "KEY_NOT_FOUND" || dead->destroyed) return result;
  SIGNET_TRY(link_.Vanished(dead->generation));
  return link_.Run(attempt);
}

void Pkcs11Token::DropCache() {
  const std::lock_guard change(change_mutex_);
  const std::lock_guard lock(cache_mutex_);
  std::erase_if(cache_,
                [&](const auto& entry) { return entry.second->generation != link_.generation(); });
}

Pkcs11Token::TakenPtr Pkcs11Token::Cached(const KeyId& id) const {
  const std::shared_lock lock(cache_mutex_);
  const auto found = cache_.find(id);
  if (found == cache_.end() || found->second->generation != link_.generation()) return nullptr;
  return found->second;
}

void Pkcs11Token::Remember(const KeyId& id, TakenPtr taken) {
  const std::lock_guard lock(cache_mutex_);
  cache_[id] = std::move(taken);
}

void Pkcs11Token::Forget(const KeyId& id, bool destroyed) {
  const std::lock_guard lock(cache_mutex_);
  const auto found = cache_.find(id);
  if (found == cache_.end()) return;
  if (destroyed) found->second->destroyed = true;
  cache_.erase(found);
}

Status Pkcs11Token::CheckTokenThere(Session&) const { return link_.CheckThere(); }

Result<Pkcs11Token::TakenPtr> Pkcs11Token::TakeUp(Session& session, const KeyId& id) {
  SIGNET_TRY(auto octets, KeyIdBytes(id));
  const std::lock_guard lock(change_mutex_);
  if (auto taken = Cached(id)) return taken;
  SIGNET_TRY(auto found, FindKeysById(session, CKO_PRIVATE_KEY, octets));
  if (found.empty()) {
    SIGNET_TRY(CheckTokenThere(session));
    return NotFound();
  }
  if (found.size() > 1) return Ambiguous(found.size());
  auto taken = std::make_shared<Taken>();
  taken->generation = link_.generation();
  taken->key.handle = found.front();
  SIGNET_TRY(auto spec, ReadKeySpec(session, taken->key.handle));
  if (!spec) {
    return MakeError(Kind::kRefused, "KEY_SPEC_UNKNOWN",
                     "the key is of an algorithm or size that Signet does not use",
                     "Use a key that Signet made.");
  }
  taken->key.spec = *spec;
  SIGNET_TRY(auto halves, FindKeysById(session, CKO_PUBLIC_KEY, octets));
  if (halves.empty() && spec->algorithm == KeyAlgorithm::kEc) {
    return MakeError(Kind::kTokenFailed, "KEY_PUBLIC_MISSING",
                     "the token has no public-key object for this EC key",
                     "Restore the public key on the token with its own tool, or make a new key.");
  }
  const CK_OBJECT_HANDLE half = halves.empty() ? taken->key.handle : halves.front();
  SIGNET_TRY(taken->key.public_key, ReadPublicKey(session, half, *spec));
  // The owner of a remote token has proved it before its first signature.
  if (!link_.remote()) {
    SIGNET_TRY(ProveKey(session, link_.mechanisms(), taken->key));
  }
  SIGNET_TRY(taken->spki, Spki(*taken->key.public_key));
  Remember(id, taken);
  return taken;
}

Result<GeneratedKey> Pkcs11Token::Generate(const std::string& label, const KeySpec& spec,
                                           KeyPolicy policy) {
  SIGNET_TRY(CheckLabel(label));
  bool made = false;
  auto result = Change([&](Session& session) -> Result<GeneratedKey> {
    // A second attempt starts from where the first one did.
    if (made) {
      SIGNET_TRY(DestroyMatching(session, CKA_LABEL, label));
    }
    made = false;
    return GenerateInside(session, label, spec, policy, made);
  });
  if (!result && made) {
    const Status destroyed = DestroyLabelled(label);
    if (!destroyed) {
      Log(LogLevel::kError, "a key pair that was half made stays on the token, label " + label +
                                ": " + destroyed.error().ToString());
      result.error().detail += "; the pair labelled " + label + " could not be destroyed";
    }
  }
  return result;
}

Result<GeneratedKey> Pkcs11Token::GenerateInside(Session& session, const std::string& label,
                                                 const KeySpec& spec, KeyPolicy policy,
                                                 bool& made) {
  SIGNET_TRY(auto pair, MakeKeyPairTemplate(label, spec, policy));
  Template same;
  same.Number(CKA_CLASS, CKO_PRIVATE_KEY).Flag(CKA_TOKEN, true).Bytes(CKA_LABEL, label);
  SIGNET_TRY(auto taken_label, FindObjects(session, std::move(same)));
  if (!taken_label.empty()) {
    return MakeError(Kind::kConflict, "KEY_LABEL_TAKEN",
                     "a private key of the token has the label " + label, "Choose another label.");
  }
  const auto start = Durability::Mark();
  CK_MECHANISM mechanism{pair.mechanism, nullptr, 0};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  Failpoint("hsm.generate.before");
  made = true;  // even when the call fails: the answer may be what was lost
  const auto begun = std::chrono::steady_clock::now();
  SIGNET_CK("C_GenerateKeyPair",
            session.module()->C_GenerateKeyPair(
                session.handle(), &mechanism, pair.public_part.data(), pair.public_part.size(),
                pair.private_part.data(), pair.private_part.size(), &public_key, &private_key));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  Log(LogLevel::kDebug,
      "C_GenerateKeyPair of " + ToString(spec) + " took " + std::to_string(took.count()) + " ms");
  Failpoint("hsm.generate.made");
  SIGNET_TRY(CheckKeyAttributes(session, private_key, policy));
  GeneratedKey key{{}, label, spec, {}};
  SIGNET_TRY(auto taken, NameAndProve(session, public_key, private_key, spec, key.id));
  Failpoint("hsm.generate.named");
  SIGNET_TRY(durability_.Sync(start));
  key.spki = taken->spki;
  Remember(key.id, std::move(taken));
  return key;
}

Result<Pkcs11Token::TakenPtr> Pkcs11Token::NameAndProve(Session& session,
                                                        CK_OBJECT_HANDLE public_key,
                                                        CK_OBJECT_HANDLE private_key,
                                                        const KeySpec& spec, KeyId& id) {
  SIGNET_TRY(auto made_spec, ReadKeySpec(session, private_key));
  if (made_spec != std::optional(spec)) {
    return MakeError(Kind::kTokenFailed, "KEY_ATTRIBUTES_WRONG",
                     "the token made another kind of key than " + ToString(spec),
                     "Check the token's module.");
  }
  auto taken = std::make_shared<Taken>();
  taken->generation = link_.generation();
  taken->key.handle = private_key;
  taken->key.spec = spec;
  SIGNET_TRY(taken->key.public_key, ReadPublicKey(session, public_key, spec));
  SIGNET_TRY(taken->spki, Spki(*taken->key.public_key));
  SIGNET_TRY(auto octets, Ski(*taken->key.public_key));
  for (const CK_OBJECT_HANDLE half : {private_key, public_key}) {
    Template name;
    name.Bytes(CKA_ID, octets);
    SIGNET_CK("C_SetAttributeValue", session.module()->C_SetAttributeValue(
                                         session.handle(), half, name.data(), name.size()));
  }
  // One search for all: each costs a millisecond on a token that keeps its objects in files.
  Template by_id;
  by_id.Flag(CKA_TOKEN, true).Bytes(CKA_ID, octets);
  SIGNET_TRY(auto named, FindObjects(session, std::move(by_id)));
  if (named.size() > 2) {
    return MakeError(Kind::kConflict, "KEY_ID_TAKEN",
                     "another object of the token has the id of the new key",
                     "Try again; when it stays so, the token's random generator is broken.");
  }
  if (named.size() < 2) {
    return MakeError(Kind::kTokenFailed, "KEY_ATTRIBUTES_WRONG",
                     "the new key is not found by its id",
                     "Check the token; no other program may make keys on it.");
  }
  SIGNET_TRY(ProveKey(session, link_.mechanisms(), taken->key));
  id = HexEncode(octets);
  return taken;
}

Status Pkcs11Token::Destroy(const KeyId& id) {
  SIGNET_TRY(auto octets, KeyIdBytes(id));
  return Change([&](Session& session) -> Status {
    SIGNET_TRY(auto found, FindKeysById(session, CKO_PRIVATE_KEY, octets));
    if (found.size() > 1) return Ambiguous(found.size());
    Forget(id, /*destroyed=*/true);
    return DestroyMatching(session, CKA_ID, octets);
  });
}

Status Pkcs11Token::DestroyLabelled(const std::string& label) {
  SIGNET_TRY(CheckLabel(label));
  return Change([&](Session& session) -> Status {
    Template match;
    match.Number(CKA_CLASS, CKO_PRIVATE_KEY).Flag(CKA_TOKEN, true).Bytes(CKA_LABEL, label);
    SIGNET_TRY(auto found, FindObjects(session, std::move(match)));
    for (const CK_OBJECT_HANDLE key : found) {
      SIGNET_TRY(auto id, ReadOptional(session, key, CKA_ID));
      if (!id.empty()) Forget(HexEncode(id), /*destroyed=*/true);
    }
    return DestroyMatching(session, CKA_LABEL, label);
  });
}

Status Pkcs11Token::DestroyUnfinished() {
  return Change([&](Session& session) -> Status {
    const auto start = Durability::Mark();
    for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
      // SoftHSM writes its defaults first, and CKA_TOKEN is false among them. Session objects of
      // ours have an origin: CKA_LOCAL.
      Template match;
      match.Number(CKA_CLASS, object_class).Flag(CKA_TOKEN, false);
      SIGNET_TRY(auto found, FindObjects(session, std::move(match)));
      for (const CK_OBJECT_HANDLE object : found) {
        SIGNET_TRY(auto label, ReadOptional(session, object, CKA_LABEL));
        SIGNET_TRY(auto id, ReadOptional(session, object, CKA_ID));
        SIGNET_TRY(auto local, ReadOptional(session, object, CKA_LOCAL));
        const bool has_origin = !local.empty() && local[0] != CK_FALSE;
        if (!label.empty() || !id.empty() || has_origin) continue;
        SIGNET_CK("C_DestroyObject", session.module()->C_DestroyObject(session.handle(), object));
        Log(LogLevel::kInfo, "an unfinished key object of before a crash was destroyed");
      }
    }
    return durability_.Sync(start);
  });
}

Status Pkcs11Token::DestroyMatching(Session& session, CK_ATTRIBUTE_TYPE type,
                                    std::string_view value) {
  const auto start = Durability::Mark();
  std::size_t count = 0;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    Template match;
    match.Number(CKA_CLASS, object_class).Flag(CKA_TOKEN, true).Bytes(type, value);
    SIGNET_TRY(auto found, FindObjects(session, std::move(match)));
    for (const CK_OBJECT_HANDLE object : found) {
      ++count;
      const CK_RV code = session.module()->C_DestroyObject(session.handle(), object);
      if (code != CKR_OK && code != CKR_OBJECT_HANDLE_INVALID) {
        return CkError(code, "C_DestroyObject");
      }
      Failpoint("hsm.destroy.half");
    }
  }
  if (count == 0) {
    SIGNET_TRY(CheckTokenThere(session));
  }
  return durability_.Sync(start);
}

Result<std::vector<TokenKey>> Pkcs11Token::List() {
  const auto attempt = [&]() -> Result<std::vector<TokenKey>> {
    // A search re-reads SoftHSM's directory, and a key that is just being made fails then.
    const std::lock_guard lock(change_mutex_);
    SIGNET_TRY(auto session, link_.Acquire());
    Template match;
    match.Number(CKA_CLASS, CKO_PRIVATE_KEY).Flag(CKA_TOKEN, true);
    auto found = FindObjects(session, std::move(match));
    if (!found) {
      session.Discard();
      return found.error();
    }
    if (found.value().empty()) {
      SIGNET_TRY(CheckTokenThere(session));
    }
    std::vector<TokenKey> keys;
    for (const CK_OBJECT_HANDLE object : found.value()) {
      auto key = ReadTokenKey(session, object);
      if (key) {
        keys.push_back(std::move(key.value()));
      } else if (StalenessOf(CkCode(key.error())) != Staleness::kHandle) {
        session.Discard();
        return key.error();
      }  // else destroyed since it was found
    }
    if (keys.empty() && !found.value().empty()) {
      SIGNET_TRY(CheckTokenThere(session));
    }
    return keys;
  };
  return link_.Run(attempt);
}

Result<std::string> Pkcs11Token::PublicKey(const KeyId& id) {
  return WithKey(id, [](Session&, Taken& taken) -> Result<std::string> { return taken.spki; });
}

Result<std::string> Pkcs11Token::SignDigest(const KeyId& id, SignScheme scheme, HashAlgorithm hash,
                                            std::string_view digest) {
  return WithKey(id, [&](Session& session, Taken& taken) {
    return SignDigestWith(session, link_.mechanisms(), taken.key, scheme, hash, digest);
  });
}

Result<std::string> Pkcs11Token::SignRaw(const KeyId& id, const wire::Mechanism& mechanism,
                                         std::string_view data) {
  return WithKey(id, [&](Session& session, Taken& taken) {
    return hsm::SignRaw(session, taken.key, mechanism, data);
  });
}

Result<KeySpec> Pkcs11Token::Spec(const KeyId& id) {
  return WithKey(id, [](Session&, Taken& taken) -> Result<KeySpec> { return taken.key.spec; });
}

Status Pkcs11Token::ChangeObjects(const std::function<Status(Session&)>& work) {
  return Change(work);
}

Result<EvpPkeyPtr> Pkcs11Token::Evp(const KeyId& id, Proof proof) {
  return WithKey(id, [&](Session& session, Taken& taken) -> Result<EvpPkeyPtr> {
    // Nobody would notice through OpenSSL that session or key have died, so ask first.
    CK_SESSION_INFO info{};
    SIGNET_CK("C_GetSessionInfo", session.module()->C_GetSessionInfo(session.handle(), &info));
    SIGNET_TRY(ReadNumber(session, taken.key.handle, CKA_CLASS));
    return EvpInside(id, taken, proof);
  });
}

Result<EvpPkeyPtr> Pkcs11Token::EvpInside(const KeyId& id, Taken& taken, Proof proof) {
  const std::lock_guard lock(change_mutex_);
  if (taken.evp == nullptr) {
    SIGNET_TRY(auto octets, KeyIdBytes(id));
    SIGNET_TRY(taken.evp, link_.Evp(octets));
  }
  if (!taken.evp_proved && proof == Proof::kNow) {
    auto proved = ProveEvp(*taken.evp, taken.key);
    if (!proved) {
      taken.evp.reset();  // the next one takes it up anew
      return proved.error();
    }
    taken.evp_proved = true;
  }
  EVP_PKEY_up_ref(taken.evp.get());
  return EvpPkeyPtr(taken.evp.get());
}

}  // namespace signet::hsm
