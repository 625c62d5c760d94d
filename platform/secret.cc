#include "platform/secret.h"

#include <openssl/crypto.h>

#include <cstring>
#include <new>
#include <utility>

namespace signet {

void Wipe(void* data, std::size_t size) noexcept {
  if (data != nullptr && size != 0) OPENSSL_cleanse(data, size);
}

[[gnu::noinline]] void WipeStackBelow() {
  char used[16384];
  Wipe(used, sizeof used);
}

void InitialiseSecretMemory(std::size_t bytes) {
  if (CRYPTO_secure_malloc_initialized() != 0) return;
  // 2 means "works, but not locked", 0 "no secure heap": Secrets are then wiped ordinary memory.
  CRYPTO_secure_malloc_init(bytes, 32);
}

Secret::Secret(std::string_view bytes) : size_(bytes.size()) {
  if (size_ == 0) return;
  data_ = static_cast<char*>(OPENSSL_secure_malloc(size_));
  // A full secure heap must not make a log-in impossible; OPENSSL_secure_clear_free tells the two
  // kinds apart.
  if (data_ == nullptr) data_ = static_cast<char*>(OPENSSL_malloc(size_));
  if (data_ == nullptr) throw std::bad_alloc();
  std::memcpy(data_, bytes.data(), size_);
}

Secret::~Secret() {
  if (data_ != nullptr) OPENSSL_secure_clear_free(data_, size_);
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    if (data_ != nullptr) OPENSSL_secure_clear_free(data_, size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

// Boost.JSON 1.81 gives keys back with another alignment than it asked for; below the default both
// are the same plain new and delete.
void* WipingResource::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator new(bytes);
  return ::operator new(bytes, std::align_val_t(alignment));
}

void WipingResource::do_deallocate(void* p, std::size_t bytes, std::size_t alignment) {
  Wipe(p, bytes);
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator delete(p);
  ::operator delete(p, std::align_val_t(alignment));
}

}  // namespace signet
