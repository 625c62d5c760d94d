#include "platform/lanes.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "platform/logging.h"

namespace signet {

namespace asio = boost::asio;

// Owned by the Lane and by each of its threads, so that a thread left behind still has ground to
// stand on.
struct Lane::Shared {
  explicit Shared(std::size_t limit) : capacity(limit) {}

  const std::size_t capacity;
  mutable std::mutex mutex;
  std::condition_variable work;   // the threads: a job came, or stop
  std::condition_variable ended;  // Stop: a thread has ended
  std::deque<std::function<void()>> queue;
  std::size_t idle = 0;
  std::size_t alive = 0;
  bool stopping = false;
  std::vector<std::thread> threads;  // touched by the Lane's owner only

  void Run() {
    std::unique_lock lock(mutex);
    for (;;) {
      while (queue.empty() && !stopping) {
        ++idle;
        work.wait(lock);
        --idle;
      }
      if (queue.empty()) break;
      std::function<void()> job = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      try {
        job();
      } catch (...) {
        Log(LogLevel::kError, "a job on a lane ended by an exception");
      }
      job = nullptr;  // captures die here, outside the lock
      lock.lock();
    }
    --alive;
    ended.notify_all();
  }
};

Lane::Lane(std::string name, std::size_t threads, std::size_t capacity)
    : name_(std::move(name)),
      threads_(std::max<std::size_t>(threads, 1)),
      capacity_(capacity),
      shared_(std::make_shared<Shared>(capacity)) {
  // Signals belong to the event loop: a token module must not be interrupted by them.
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const std::string thread_name = name_.substr(0, 15);  // the kernel's limit
  shared_->alive = threads_;
  for (std::size_t i = 0; i < shared_->alive; ++i) {
    shared_->threads.emplace_back([shared = shared_, thread_name] {
      pthread_setname_np(pthread_self(), thread_name.c_str());
      shared->Run();
    });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Lane::~Lane() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
    shared_->work.notify_all();
  }
  for (std::thread& thread : shared_->threads) thread.join();
}

bool Lane::TryPost(std::function<void()> job) {
  std::unique_lock lock(shared_->mutex);
  if (shared_->stopping || shared_->queue.size() >= shared_->capacity) return false;
  shared_->queue.push_back(std::move(job));
  const bool wake = shared_->idle > 0;
  lock.unlock();  // first, or the thread that wakes only runs into the lock
  if (wake) shared_->work.notify_one();
  return true;
}

std::size_t Lane::Waiting() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->queue.size();
}

bool Lane::Stop(Duration grace) {
  std::deque<std::function<void()>> dropped;  // dies after the lock
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->work.notify_all();
  // Days are "for ever" here and cannot overflow the time point.
  const auto until = std::chrono::steady_clock::now() +
                     std::clamp<Duration>(grace, Duration::zero(), std::chrono::hours(24));
  const bool all_ended =
      shared_->ended.wait_until(lock, until, [&] { return shared_->alive == 0; });
  if (!all_ended) dropped.swap(shared_->queue);
  lock.unlock();
  for (std::thread& thread : shared_->threads) {
    if (all_ended) {
      thread.join();
    } else {
      thread.detach();
    }
  }
  shared_->threads.clear();
  return all_ended;
}

namespace lanes_internal {
namespace {

enum class Outcome { kDone, kDeadline, kFull };

// One wait for one job. Owned by the timer's handler; the lane's thread has a weak reference, so
// that a job which ends after its deadline (or after the io_context) finds nothing to complete.
template <class Handler>
class Hopping : public std::enable_shared_from_this<Hopping<Handler>> {
 public:
  Hopping(Handler handler, bool& full)
      : handler_(std::move(handler)),
        executor_(asio::get_associated_executor(handler_)),
        timer_(executor_),
        full_(full) {}

  // On the coroutine's executor. The pending timer is the work guard that keeps the io_context
  // running. Once it waits, another thread of the io_context may complete and free the coroutine:
  // nothing of it is touched below.
  void Start(Lane& lane, std::function<void()> job, Duration limit) {
    timer_.expires_after(
        std::clamp<Duration>(limit, Duration::zero(), std::chrono::hours(24 * 365)));
    timer_.async_wait([self = this->shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->Complete(Outcome::kDeadline);
    });
    const bool posted =
        lane.TryPost([job = std::move(job), waiting = this->weak_from_this()]() mutable {
          Run(job);
          if (auto self = waiting.lock()) {
            const auto executor = self->executor_;
            asio::post(executor, [self = std::move(self)] { self->Complete(Outcome::kDone); });
          }
        });
    if (!posted) {
      asio::post(executor_, [self = this->shared_from_this()] { self->Complete(Outcome::kFull); });
    }
  }

 private:
  static void Run(std::function<void()>& job) {
    try {
      job();
    } catch (...) {
      // RunOn sees that there is no result and reports a defect.
    }
    job = nullptr;  // what the job holds dies before its waiter goes on, or with it
  }

  // On the coroutine's executor, twice at most. The first wins; it alone touches the timer and the
  // coroutine.
  void Complete(Outcome outcome) {
    if (completed_.exchange(true)) return;
    timer_.cancel();
    full_ = outcome == Outcome::kFull;
    Handler handler = std::move(handler_);
    std::move(handler)(outcome == Outcome::kDone);
  }

  Handler handler_;
  const asio::associated_executor_t<Handler> executor_;
  asio::steady_timer timer_;
  bool& full_;  // in the coroutine's frame
  std::atomic<bool> completed_ = false;
};

}  // namespace

asio::awaitable<bool> Hop(Lane& lane, std::function<void()> job, Duration limit, bool& full) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
      [&lane, job = std::move(job), limit, &full](auto handler) mutable {
        using Wait = Hopping<decltype(handler)>;
        std::make_shared<Wait>(std::move(handler), full)->Start(lane, std::move(job), limit);
      },
      asio::use_awaitable);
}

}  // namespace lanes_internal
}  // namespace signet
