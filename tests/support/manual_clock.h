// A clock that a test drives: wall and steady time go on together, the wall clock can be set apart,
// and timers fire in Advance, on its thread.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>

#include "platform/clock.h"

namespace signet::testing {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime now) : now_(now) {}

  WallTime Now() const override {
    const std::lock_guard lock(core_->mutex);
    return now_ + std::chrono::floor<std::chrono::seconds>(core_->steady.time_since_epoch());
  }
  SteadyTime Steady() const override {
    const std::lock_guard lock(core_->mutex);
    return core_->steady;
  }
  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override {
    const std::lock_guard lock(core_->mutex);
    const auto at = core_->timers.emplace(core_->steady + std::max(delay, Duration::zero()),
                                          std::make_pair(++core_->last, std::move(callback)));
    return std::make_unique<Entry>(core_, at->second.first);
  }

  // When the next timer is due; none: there is none.
  std::optional<Duration> UntilNext() const {
    const std::lock_guard lock(core_->mutex);
    if (core_->timers.empty()) return std::nullopt;
    return core_->timers.begin()->first - core_->steady;
  }
  // Time goes by; what is due is called, each at its own time.
  void Advance(Duration by) {
    const SteadyTime end = Steady() + by;
    for (;;) {
      std::function<void()> callback;
      {
        const std::lock_guard lock(core_->mutex);
        const auto first = core_->timers.begin();
        if (first == core_->timers.end() || first->first > end) {
          core_->steady = end;
          return;
        }
        core_->steady = std::max(core_->steady, first->first);
        callback = std::move(first->second.second);
        core_->timers.erase(first);
      }
      callback();
    }
  }
  // Somebody sets the wall clock.
  void Step(std::chrono::seconds by) {
    const std::lock_guard lock(core_->mutex);
    now_ += by;
  }

 private:
  struct Core {
    mutable std::mutex mutex;
    SteadyTime steady{};
    std::multimap<SteadyTime, std::pair<std::uint64_t, std::function<void()>>> timers;
    std::uint64_t last = 0;
  };
  struct Entry final : Timer {
    Entry(std::shared_ptr<Core> core_in, std::uint64_t id_in)
        : core(std::move(core_in)), id(id_in) {}
    ~Entry() override {
      const std::lock_guard lock(core->mutex);
      std::erase_if(core->timers, [&](const auto& entry) { return entry.second.first == id; });
    }
    std::shared_ptr<Core> core;
    std::uint64_t id;
  };

  std::shared_ptr<Core> core_ = std::make_shared<Core>();
  WallTime now_;
};

}  // namespace signet::testing
