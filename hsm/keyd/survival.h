// Descriptors in systemd's keeping (sd_notify, FDSTORE=1): after a crash the next process takes the
// sockets up. Only sockets at rest can go on; which were not is in a page of shared memory.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "platform/error.h"

namespace signet::hsm {

// Thread-safe but for Open. Without systemd ($NOTIFY_SOCKET) it keeps nothing and costs nothing.
class Survival {
 public:
  static constexpr std::size_t kSlots = 8192;
  static constexpr char kListener[] = "listener-";
  static constexpr char kClient[] = "client-";

  Survival() = default;
  ~Survival();
  Survival(const Survival&) = delete;
  Survival& operator=(const Survival&) = delete;

  // What a former process left: names and descriptors. Takes over its page of flags; makes one when
  // there is none.
  Result<std::vector<std::pair<std::string, int>>> Open();
  // For a successor by exec, which goes on with this page.
  bool active() const { return active_; }
  int flags_descriptor() const { return descriptor_; }
  Status AdoptFlags(int descriptor);

  void KeepListener(const std::string& path, int descriptor) const;
  void DropListener(const std::string& path) const;
  // A slot for a client's socket, kept under kClient and its number; kSlots when all are taken.
  std::size_t KeepClient(int descriptor);
  void TakeSlot(std::size_t slot);  // one that a predecessor gave
  void DropClient(std::size_t slot);
  // Between the first octet of a request and the last of its answer.
  void SetBusy(std::size_t slot, bool busy) {
    if (flags_ != nullptr && slot < kSlots) flags_[slot] = busy ? 1 : 0;
  }
  bool IsBusy(std::size_t slot) const {
    return flags_ == nullptr || slot >= kSlots || flags_[slot] != 0;
  }

 private:
  Status Map(int descriptor);

  bool active_ = false;
  int descriptor_ = -1;
  volatile std::uint8_t* flags_ = nullptr;
  std::mutex mutex_;
  std::vector<bool> taken_ = std::vector<bool>(kSlots);
  std::size_t next_ = 0;
};

}  // namespace signet::hsm
