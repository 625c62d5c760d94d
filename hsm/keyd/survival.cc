#include "hsm/keyd/survival.h"

#include <sys/mman.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace signet::hsm {
namespace {

constexpr char kFlags[] = "flags";

void Notify(const std::string& state, int descriptor) {
  const int descriptors[1] = {descriptor};
  sd_pid_notify_with_fds(0, 0, state.c_str(), descriptor >= 0 ? descriptors : nullptr,
                         descriptor >= 0 ? 1 : 0);
}

}  // namespace

Survival::~Survival() {
  if (flags_ != nullptr) munmap(const_cast<std::uint8_t*>(flags_), kSlots);
  if (descriptor_ >= 0) close(descriptor_);
}

Status Survival::Map(int descriptor) {
  void* page = mmap(nullptr, kSlots, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (page == MAP_FAILED) return ErrnoError(errno, "mmap", "the page of flags");
  flags_ = static_cast<std::uint8_t*>(page);
  descriptor_ = descriptor;
  return Ok();
}

Result<std::vector<std::pair<std::string, int>>> Survival::Open() {
  active_ = std::getenv("NOTIFY_SOCKET") != nullptr;
  std::vector<std::pair<std::string, int>> left;
  if (!active_) return left;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    const int descriptor = SD_LISTEN_FDS_START + i;
    const std::string name = names != nullptr && names[i] != nullptr ? names[i] : "";
    if (name == kFlags && flags_ == nullptr && ftruncate(descriptor, kSlots) == 0) {
      SIGNET_TRY(Map(descriptor));
    } else {
      left.emplace_back(name, descriptor);
    }
    if (names != nullptr) std::free(names[i]);
  }
  std::free(names);
  if (flags_ == nullptr) {
    const int descriptor = memfd_create("signet-keyd flags", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, kSlots) != 0) {
      return ErrnoError(errno, "memfd_create", "the page of flags");
    }
    SIGNET_TRY(Map(descriptor));
    Notify(std::string("FDSTORE=1\nFDNAME=") + kFlags, descriptor);
  }
  return left;
}

Status Survival::AdoptFlags(int descriptor) {
  active_ = std::getenv("NOTIFY_SOCKET") != nullptr;
  if (descriptor < 0) return Ok();
  return Map(descriptor);
}

void Survival::KeepListener(int descriptor) {
  if (active_) Notify(std::string("FDSTORE=1\nFDNAME=") + kListener, descriptor);
}

std::size_t Survival::KeepClient(int descriptor) {
  if (!active_) return kSlots;
  std::size_t slot = kSlots;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < kSlots && slot == kSlots; ++i) {
      const std::size_t candidate = (next_ + i) % kSlots;
      if (!taken_[candidate]) slot = candidate;
    }
    if (slot == kSlots) return slot;
    taken_[slot] = true;
    next_ = slot + 1;
  }
  SetBusy(slot, true);  // until its C_Initialize is answered
  Notify(std::string("FDSTORE=1\nFDNAME=") + kClient + std::to_string(slot), descriptor);
  return slot;
}

void Survival::TakeSlot(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  if (slot < kSlots) taken_[slot] = true;
}

void Survival::DropClient(std::size_t slot) {
  if (!active_ || slot >= kSlots) return;
  Notify(std::string("FDSTOREREMOVE=1\nFDNAME=") + kClient + std::to_string(slot), -1);
  const std::lock_guard lock(mutex_);
  taken_[slot] = false;
}

}  // namespace signet::hsm
