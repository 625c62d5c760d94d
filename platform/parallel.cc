#include "platform/parallel.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace signet {

void ParallelFor(std::size_t count, std::size_t batch,
                 const std::function<void(std::size_t)>& work) {
  batch = std::max<std::size_t>(batch, 1);
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t begin = next.fetch_add(batch); begin < count; begin = next.fetch_add(batch)) {
      for (std::size_t i = begin; i < std::min(begin + batch, count); ++i) work(i);
    }
  };
  const std::size_t batches = (count + batch - 1) / batch;
  const std::size_t threads =
      std::min<std::size_t>(batches, std::max(1u, std::thread::hardware_concurrency()));
  if (threads <= 1) return run();
  // Signals belong to the event loop.
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::vector<std::jthread> others;  // joined when they go out of scope
  others.reserve(threads - 1);
  try {
    while (others.size() + 1 < threads) others.emplace_back(run);
  } catch (const std::system_error&) {
    // No thread is to be had: those that are there do all of it.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  run();
}

}  // namespace signet
