#include "hsm/keyd/survival.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "platform/encoding.h"
#include "platform/service_manager.h"

namespace signet::hsm {
namespace {

constexpr char kFlags[] = "flags";

void Keep(const std::string& name, int descriptor) {
  NotifyServiceManager("FDSTORE=1\nFDNAME=" + name, descriptor);
}

void Drop(const std::string& name) { NotifyServiceManager("FDSTOREREMOVE=1\nFDNAME=" + name); }

std::string ClientName(std::size_t slot) { return Survival::kClient + std::to_string(slot); }

// A name of systemd's must not hold what a path may.
std::string ListenerName(std::string_view path) {
  return Survival::kListener + Sha256Hex(path).substr(0, 32);
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
  active_ = HasServiceManager();
  std::vector<std::pair<std::string, int>> left;
  if (!active_) return left;
  for (auto& [name, descriptor] : TakeInheritedDescriptors()) {
    if (name == kFlags && flags_ == nullptr && ftruncate(descriptor, kSlots) == 0) {
      SIGNET_TRY(Map(descriptor));
    } else {
      left.emplace_back(std::move(name), descriptor);
    }
  }
  if (flags_ == nullptr) {
    const int descriptor = memfd_create("signet-keyd flags", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, kSlots) != 0) {
      return ErrnoError(errno, "memfd_create", "the page of flags");
    }
    SIGNET_TRY(Map(descriptor));
    Keep(kFlags, descriptor);
  }
  return left;
}

Status Survival::AdoptFlags(int descriptor) {
  active_ = HasServiceManager();
  if (descriptor < 0) return Ok();
  return Map(descriptor);
}

void Survival::KeepListener(const std::string& path, int descriptor) const {
  if (active_) Keep(ListenerName(path), descriptor);
}

void Survival::DropListener(const std::string& path) const {
  if (active_) Drop(ListenerName(path));
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
  SetBusy(slot, true);  // until it is put down
  Keep(ClientName(slot), descriptor);
  return slot;
}

void Survival::TakeSlot(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  if (slot < kSlots) taken_[slot] = true;
}

void Survival::DropClient(std::size_t slot) {
  if (!active_ || slot >= kSlots) return;
  Drop(ClientName(slot));
  const std::lock_guard lock(mutex_);
  taken_[slot] = false;
}

}  // namespace signet::hsm
