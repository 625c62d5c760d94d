#include "hsm/pin_throttle.h"

#include <algorithm>

namespace signet::hsm {
namespace {

constexpr std::int64_t kLongestWait = 900;

std::int64_t Delay(std::uint64_t failures) {
  if (failures == 0) return 0;
  return failures > 10 ? kLongestWait : std::min(std::int64_t{1} << (failures - 1), kLongestWait);
}

}  // namespace

Result<PinThrottle> PinThrottle::Load(ThrottleStore& store, Clock& clock) {
  SIGNET_TRY(auto entry, store.Load());
  return PinThrottle(store, clock, entry);
}

std::int64_t PinThrottle::Wait() const {
  const std::int64_t delay = Delay(entry_.failures);
  const std::int64_t passed = (clock_->Now() - entry_.last).count();
  return std::clamp(delay - passed, std::int64_t{0}, delay);
}

Status PinThrottle::Check() const {
  const std::int64_t wait = Wait();
  if (wait == 0) return Ok();
  return MakeError(Kind::kTokenLocked, "PIN_THROTTLED",
                   std::to_string(entry_.failures) + " wrong PINs in a row; the next try is in " +
                       std::to_string(wait) + " s",
                   "Wait, and make sure that the PIN is right.");
}

Status PinThrottle::Failed() {
  ++entry_.failures;
  entry_.last = clock_->Now();
  return store_->Save(entry_);
}

Status PinThrottle::Succeeded() {
  if (entry_.failures == 0) return Ok();
  entry_ = {};
  return store_->Save(entry_);
}

}  // namespace signet::hsm
