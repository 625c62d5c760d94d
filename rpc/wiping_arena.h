// Memory of one request's JSON: bumped from an inline block, freed and wiped as a whole.
#pragma once

#include <boost/json/memory_resource.hpp>
#include <cstddef>
#include <vector>

namespace signet::rpc {

// One request's thread at a time. Make it with json::make_shared_resource, so that values which
// outlive the request (a change that goes on) keep it alive.
class WipingArena final : public boost::json::memory_resource {
 public:
  WipingArena() = default;
  ~WipingArena();
  WipingArena(const WipingArena&) = delete;
  WipingArena& operator=(const WipingArena&) = delete;

 private:
  static constexpr std::size_t kInline = 2048;
  static constexpr std::size_t kBlock = 16384;
  struct Block {
    void* data;
    std::size_t size;
  };

  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  alignas(std::max_align_t) unsigned char inline_[kInline];
  unsigned char* next_ = inline_;
  std::size_t left_ = kInline;
  std::vector<Block> blocks_;
};

}  // namespace signet::rpc

template <>
struct boost::json::is_deallocate_trivial<signet::rpc::WipingArena> {
  static constexpr bool value = true;
};
