#include "platform/parallel.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace signet {
namespace {

TEST(ParallelFor, DoesEachPieceOnceWhateverTheBatch) {
  for (const std::size_t batch : {0u, 1u, 7u, 1000u, 5000u}) {
    std::vector<int> done(1000);
    ParallelFor(done.size(), batch, [&](std::size_t i) { ++done[i]; });
    EXPECT_EQ(done, std::vector<int>(1000, 1)) << batch;
  }
}

TEST(ParallelFor, NothingToDoIsDoneAtOnce) {
  ParallelFor(0, 1, [](std::size_t) { FAIL(); });
}

TEST(ParallelFor, WhatFitsInOneBatchStaysOnTheCallersThread) {
  ParallelFor(16, 16, [caller = std::this_thread::get_id()](std::size_t) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(ParallelFor, UsesAllProcessorsAndKeepsSignalsFromItsThreads) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor";
  std::mutex mutex;
  std::set<std::thread::id> threads;
  const auto caller = std::this_thread::get_id();
  std::atomic<std::size_t> waiting{0};
  ParallelFor(2, 1, [&](std::size_t) {
    // Each waits for the other: this ends only if both run at the same time.
    for (++waiting; waiting < 2;) std::this_thread::yield();
    sigset_t blocked{};
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, SIGTERM), std::this_thread::get_id() == caller ? 0 : 1);
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 2u);
}

}  // namespace
}  // namespace signet
