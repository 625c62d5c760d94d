#include "hsm/evp_key.h"

#include <libp11.h>
#include <openssl/err.h>

#include <mutex>

namespace signet::hsm {

struct EvpKeys::Impl {
  std::mutex mutex;
  PKCS11_CTX* context = nullptr;
  bool loaded = false;
  PKCS11_SLOT* slots = nullptr;
  unsigned int slot_count = 0;
  CK_SLOT_ID slot_id = 0;

  PKCS11_TOKEN* Token() const {
    for (unsigned int i = 0; i < slot_count; ++i) {
      if (PKCS11_get_slotid_from_slot(&slots[i]) == slot_id) return slots[i].token;
    }
    return nullptr;
  }
};

EvpKeys::EvpKeys(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<EvpKeys>> EvpKeys::Open(const std::string& module, CK_SLOT_ID slot,
                                               const std::string& credential) {
  std::unique_ptr<EvpKeys> keys(new EvpKeys(std::make_unique<Impl>()));
  Impl& impl = *keys->impl_;
  impl.slot_id = slot;
  impl.context = PKCS11_CTX_new();
  if (impl.context != nullptr && !credential.empty())
    PKCS11_CTX_init_args(impl.context, credential.c_str());
  if (impl.context == nullptr || PKCS11_CTX_load(impl.context, module.c_str()) != 0) {
    return OpenSslError(Kind::kTokenFailed, "TOKEN_ERROR", "libp11 cannot load the module");
  }
  impl.loaded = true;
  if (PKCS11_enumerate_slots(impl.context, &impl.slots, &impl.slot_count) != 0) {
    return OpenSslError(Kind::kTokenFailed, "TOKEN_ERROR", "libp11 cannot list the slots");
  }
  return keys;
}

void EvpKeys::Release() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->slots != nullptr) {
    PKCS11_release_all_slots(impl_->context, impl_->slots, impl_->slot_count);
  }
  impl_->slots = nullptr;
  impl_->slot_count = 0;
}

void EvpKeys::NoticeEnd() {
  const std::lock_guard lock(impl_->mutex);
  unsigned char octet = 0;
  // signet-keyd gives no random octets: nothing comes of it either way.
  if (impl_->slot_count > 0) PKCS11_generate_random(&impl_->slots[0], &octet, 1);
  ERR_clear_error();
}

EvpKeys::~EvpKeys() {
  Release();
  if (impl_->loaded) PKCS11_CTX_unload(impl_->context);
  if (impl_->context != nullptr) PKCS11_CTX_free(impl_->context);
}

Result<EvpPkeyPtr> EvpKeys::Get(std::string_view id) {
  const std::lock_guard lock(impl_->mutex);
  // Enumerating adds what is new and never forgets what was deleted: harmless, for ids do not come
  // back. (PKCS11_update_slots, which would forget, crashes in 0.4.12 as soon as there are two
  // slots.)
  PKCS11_TOKEN* token = impl_->Token();
  PKCS11_KEY* keys = nullptr;
  unsigned int count = 0;
  if (token == nullptr || PKCS11_enumerate_keys(token, &keys, &count) != 0) {
    return OpenSslError(Kind::kTokenFailed, "TOKEN_ERROR", "libp11 cannot list the keys");
  }
  for (unsigned int i = 0; i < count; ++i) {
    if (std::string_view(reinterpret_cast<const char*>(keys[i].id), keys[i].id_len) != id) continue;
    EvpPkeyPtr key(PKCS11_get_private_key(&keys[i]));
    if (key == nullptr) {
      return OpenSslError(Kind::kTokenFailed, "TOKEN_ERROR", "libp11 cannot take up the key");
    }
    return key;
  }
  return MakeError(Kind::kNotFound, "KEY_NOT_FOUND", "the token has no private key with this id",
                   "List the token's keys; the key may have been destroyed.");
}

}  // namespace signet::hsm
