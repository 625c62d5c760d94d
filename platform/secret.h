// Memory for PINs and for bytes that may hold a private key: wiped before it is given back.
#pragma once

#include <boost/json/memory_resource.hpp>
#include <cstddef>
#include <string>
#include <string_view>

namespace signet {

// Calls OPENSSL_cleanse.
void Wipe(void* data, std::size_t size) noexcept;

// Overwrites what functions that have returned left on the caller's stack (buffers, saved
// registers): after anything that handled a PIN or bytes that may hold a private key.
void WipeStackBelow();

// Sets up OpenSSL's secure heap (locked, guarded, not dumped). Once per process, before the first
// Secret; where mlock is not permitted Secrets are wiped ordinary memory. `bytes` is a power of
// two.
void InitialiseSecretMemory(std::size_t bytes = 65536);

// A PIN or passphrase: one buffer in the secure heap, wiped when it dies; movable, not copyable,
// not printable.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view Reveal() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }
  Secret Clone() const { return Secret(Reveal()); }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// std::allocator that wipes what it frees.
template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) noexcept {
    Wipe(p, n * sizeof(T));
    ::operator delete(p);
  }
  template <class U>
  bool operator==(const WipingAllocator<U>&) const {
    return true;
  }
};

// Text that may hold a private key (uploads, request bodies). The inline (short-string) buffer is
// not wiped by the allocator, so reserve() at least 32 bytes when the content may be short and
// secret.
using WipedString = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

// boost::json storage that wipes what it frees.
class WipingResource final : public boost::json::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace signet
