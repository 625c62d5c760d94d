#include "platform/clock.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace signet {
namespace {

using namespace std::chrono_literals;

struct Entry {
  std::function<void()> callback;
  bool queued = true;
  bool running = false;
  std::multimap<SteadyTime, std::shared_ptr<Entry>>::iterator position;
};

// What the clock, its thread and its timers share; a Timer may outlive the Clock.
struct TimerCore {
  std::mutex mutex;
  std::condition_variable wake;   // the thread: something is due earlier, or stop
  std::condition_variable ended;  // a callback has returned
  std::multimap<SteadyTime, std::shared_ptr<Entry>> queue;
  bool stop = false;
  std::thread::id thread_id;

  void Run() {
    std::unique_lock lock(mutex);
    thread_id = std::this_thread::get_id();
    while (!stop) {
      if (queue.empty()) {
        wake.wait(lock);
        continue;
      }
      const SteadyTime due = queue.begin()->first;
      if (due > std::chrono::steady_clock::now()) {
        // A wait of bounded length: wait_until with a far time point overflows in the library.
        wake.wait_until(lock, std::min(due, std::chrono::steady_clock::now() + 1h));
        continue;
      }
      const std::shared_ptr<Entry> entry = queue.begin()->second;
      queue.erase(queue.begin());
      entry->queued = false;
      entry->running = true;
      lock.unlock();
      entry->callback();
      entry->callback = nullptr;
      lock.lock();
      entry->running = false;
      ended.notify_all();
    }
  }
};

class SystemTimer final : public Timer {
 public:
  SystemTimer(std::shared_ptr<TimerCore> core, std::shared_ptr<Entry> entry)
      : core_(std::move(core)), entry_(std::move(entry)) {}
  SystemTimer(const SystemTimer&) = delete;
  SystemTimer& operator=(const SystemTimer&) = delete;
  ~SystemTimer() override {
    std::unique_lock lock(core_->mutex);
    if (entry_->queued) {
      core_->queue.erase(entry_->position);
      entry_->queued = false;
      lock.unlock();
      entry_->callback = nullptr;  // what it captured may take locks of its own
      return;
    }
    if (core_->thread_id == std::this_thread::get_id()) return;
    core_->ended.wait(lock, [&] { return !entry_->running; });
  }

 private:
  std::shared_ptr<TimerCore> core_;
  std::shared_ptr<Entry> entry_;
};

class SystemClock final : public Clock {
 public:
  SystemClock() = default;
  SystemClock(const SystemClock&) = delete;
  SystemClock& operator=(const SystemClock&) = delete;
  ~SystemClock() override {
    {
      const std::lock_guard lock(core_->mutex);
      core_->stop = true;
      core_->wake.notify_all();
    }
    if (thread_.joinable()) {
      if (thread_.get_id() == std::this_thread::get_id()) {
        thread_.detach();
      } else {
        thread_.join();
      }
    }
  }

  WallTime Now() const override {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  SteadyTime Steady() const override { return std::chrono::steady_clock::now(); }

  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override {
    // Ten years are "never" here and cannot overflow the time point.
    const SteadyTime due = std::chrono::steady_clock::now() +
                           std::clamp<Duration>(delay, Duration::zero(), 24h * 3650);
    auto entry = std::make_shared<Entry>();
    entry->callback = std::move(callback);
    {
      const std::lock_guard lock(core_->mutex);
      entry->position = core_->queue.emplace(due, entry);
      if (!thread_.joinable()) {
        thread_ = std::thread([core = core_] { core->Run(); });
        pthread_setname_np(thread_.native_handle(), "timer");
      } else if (entry->position == core_->queue.begin()) {
        core_->wake.notify_all();
      }
    }
    return std::make_unique<SystemTimer>(core_, std::move(entry));
  }

 private:
  std::shared_ptr<TimerCore> core_ = std::make_shared<TimerCore>();
  std::thread thread_;
};

Error NotATime(std::string_view problem) {
  return MakeError(Kind::kUsage, "NOT_A_TIME", "not an RFC 3339 time: " + std::string(problem),
                   "Write it like 2026-11-22T20:13:39Z.");
}

// Takes `digits` digits from the front of the text; -1 when they are not there.
int TakeNumber(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return -1;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// RFC 3339 time-offset; consumes the rest of the text.
Result<std::chrono::minutes> TakeOffset(std::string_view text) {
  if (text == "Z") return 0min;
  const bool negative = !text.empty() && text[0] == '-';
  if (!TakeChar(text, '+') && !TakeChar(text, '-')) {
    return NotATime("'Z' or an offset is missing at the end");
  }
  const int hours = TakeNumber(text, 2);
  if (hours < 0 || hours > 23 || !TakeChar(text, ':')) return NotATime("the offset is malformed");
  const int minutes = TakeNumber(text, 2);
  if (minutes < 0 || minutes > 59 || !text.empty()) return NotATime("the offset is malformed");
  const std::chrono::minutes offset(hours * 60 + minutes);
  return negative ? -offset : offset;
}

constexpr WallTime kFirst = std::chrono::sys_days(std::chrono::year(0) / 1 / 1);
constexpr WallTime kLast =
    WallTime(std::chrono::sys_days(std::chrono::year(9999) / 12 / 31)) + 23h + 59min + 59s;

}  // namespace

std::unique_ptr<Clock> MakeSystemClock() { return std::make_unique<SystemClock>(); }

std::string FormatTime(WallTime time) {
  time = std::clamp(time, kFirst, kLast);
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(time - days);
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return buffer;
}

Result<WallTime> ParseTime(std::string_view text) {
  const int year = TakeNumber(text, 4);
  const bool dash1 = TakeChar(text, '-');
  const int month = TakeNumber(text, 2);
  const bool dash2 = TakeChar(text, '-');
  const int day = TakeNumber(text, 2);
  if (year < 0 || month < 0 || day < 0 || !dash1 || !dash2) {
    return NotATime("the date is malformed");
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return NotATime("there is no such day");
  if (!TakeChar(text, 'T')) return NotATime("'T' is missing between date and time");
  const int hours = TakeNumber(text, 2);
  const bool colon1 = TakeChar(text, ':');
  const int minutes = TakeNumber(text, 2);
  const bool colon2 = TakeChar(text, ':');
  const int seconds = TakeNumber(text, 2);
  // No leap second: the wall clock of this machine cannot show one either.
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59 ||
      !colon1 || !colon2) {
    return NotATime("the time of day is malformed");
  }
  if (TakeChar(text, '.')) {
    if (TakeNumber(text, 1) < 0) return NotATime("the fraction is empty");
    while (TakeNumber(text, 1) >= 0) {
    }
  }
  SIGNET_TRY(const auto offset, TakeOffset(text));
  const WallTime time = WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hours) +
                        std::chrono::minutes(minutes) + std::chrono::seconds(seconds) - offset;
  if (time < kFirst || time > kLast) return NotATime("the year in UTC is not 0000 to 9999");
  return time;
}

}  // namespace signet
