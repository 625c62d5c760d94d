// Blocking work off the event loops: named lanes of threads with bounded queues, and the one hop
// that brings a coroutine to a lane and back. Nothing else in Signet changes threads.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "platform/clock.h"
#include "platform/error.h"

namespace signet {

// Thread-safe. The destructor runs what is queued, then joins. Jobs must not throw. A lane dies
// before the io_context whose coroutines wait for it.
class Lane {
 public:
  Lane(std::string name, std::size_t threads, std::size_t capacity);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Queues a job; false when `capacity` jobs wait already.
  bool TryPost(std::function<void()> job);
  std::size_t Waiting() const;
  const std::string& name() const { return name_; }
  std::size_t threads() const { return threads_; }
  std::size_t capacity() const { return capacity_; }
  // No new jobs from now on; waits up to `grace` for running and queued ones. True when all ended.
  // A thread that hangs in a token module is then left behind (the destructor does not join it) and
  // what is queued is dropped. Not from a job of this lane.
  bool Stop(Duration grace);

 private:
  struct Shared;
  std::string name_;
  std::size_t threads_;
  std::size_t capacity_;
  std::shared_ptr<Shared> shared_;
};

namespace lanes_internal {
// Completes once: with the job's end or with the deadline, whichever is first. Cancellation does
// not end the wait (the work goes on anyway, and its outcome matters); it is noticed at the
// coroutine's next co_await.
boost::asio::awaitable<bool> Hop(Lane& lane, std::function<void()> job, Duration limit, bool& full);
}  // namespace lanes_internal

// Runs `job` (returns Result<T>) on `lane` and resumes on the coroutine's own executor with what it
// returned; kExhausted LANE_FULL when the queue is full, kTimeout OPERATION_TIMED_OUT after
// `limit`. A time-out abandons the wait, not the work: the job must own what it touches (or refer
// to what outlives the lane). Name the job and std::move it: g++ 12 destroys a lambda temporary
// inside a co_await expression twice.
template <class Job>
boost::asio::awaitable<std::invoke_result_t<Job&>> RunOn(Lane& lane, Job job, Duration limit) {
  using R = std::invoke_result_t<Job&>;
  struct State {
    explicit State(Job j) : job(std::move(j)) {}
    Job job;
    std::optional<R> result;
  };
  auto state = std::make_shared<State>(std::move(job));
  std::function<void()> run = [state] { state->result.emplace(state->job()); };
  bool full = false;
  const bool done = co_await lanes_internal::Hop(lane, std::move(run), limit, full);
  if (full) {
    co_return MakeError(Kind::kExhausted, "LANE_FULL",
                        "too many requests wait for lane '" + lane.name() + "'",
                        "Try again in a moment.");
  }
  if (!done) {
    co_return MakeError(
        Kind::kTimeout, "OPERATION_TIMED_OUT",
        "lane '" + lane.name() + "' did not finish in time; the work may still end",
        "Look at 'signet status'; repeat the request with the same idempotency key.");
  }
  if (!state->result)
    co_return InternalError("a job on lane '" + lane.name() + "' ended by an exception");
  co_return std::move(*state->result);
}

}  // namespace signet
