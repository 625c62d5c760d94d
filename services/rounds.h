// Rounds of looks: one at a time, and one after the other.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <mutex>
#include <thread>
#include <tuple>

#include "platform/clock.h"

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

// `tick()` again and again with naps between, until `stopping`. What it returns is awaited.
template <class Tick>
boost::asio::awaitable<void> Repeat(Tick tick, Duration nap, const std::atomic<bool>& stopping) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  while (!stopping) {
    co_await tick();
    timer.expires_after(nap);
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

}  // namespace signet::services
