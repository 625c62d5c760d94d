#include "rpc/wiping_arena.h"

#include <new>

#include "platform/secret.h"

namespace signet::rpc {

WipingArena::~WipingArena() {
  const bool inline_only = blocks_.empty();
  Wipe(inline_, inline_only ? static_cast<std::size_t>(next_ - inline_) : kInline);
  for (const Block& block : blocks_) {
    Wipe(block.data, block.size);
    ::operator delete(block.data);
  }
}

void* WipingArena::do_allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t skip =
      (alignment - reinterpret_cast<std::uintptr_t>(next_) % alignment) % alignment;
  if (skip + bytes <= left_) {
    unsigned char* result = next_ + skip;
    next_ = result + bytes;
    left_ -= skip + bytes;
    return result;
  }
  blocks_.reserve(blocks_.size() + 1);
  const std::size_t size = bytes > kBlock / 4 ? bytes : kBlock;
  auto* data = static_cast<unsigned char*>(::operator new(size));
  blocks_.push_back({data, size});
  if (size == kBlock && size - bytes > left_) {
    next_ = data + bytes;
    left_ = size - bytes;
  }
  return data;
}

}  // namespace signet::rpc
