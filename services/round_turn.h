// One round of looks at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <tuple>

namespace signet::services {

// The turn, which somebody else may have: waited for as long as `patience`, or until `stopping`.
inline std::unique_lock<std::mutex> TakeTurn(std::mutex& rounds, std::chrono::seconds patience,
                                             const std::atomic<bool>& stopping) {
  using std::chrono::steady_clock;
  std::unique_lock turn(rounds, std::try_to_lock);
  const auto until = steady_clock::now() + patience;
  while (!turn.owns_lock() && !stopping && steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::ignore = turn.try_lock();
  }
  return turn;
}

}  // namespace signet::services
