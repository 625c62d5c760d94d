#include "services/revocation/responders.h"

#include <algorithm>
#include <random>

#include "platform/encoding.h"
#include "services/monitor/mail_queue.h"

namespace signet::services {
namespace {

constexpr std::size_t kMostSick = 10'000;
constexpr auto kMostRetryAfter = std::chrono::hours(1);

double Dice() {
  static thread_local std::mt19937 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace

std::chrono::seconds WaitAfter(std::int64_t failures) {
  return std::chrono::ceil<std::chrono::seconds>(BackOff(failures, Dice()));
}

WallTime Responders::WallOf(SteadyTime time) const {
  const auto wait = std::chrono::ceil<std::chrono::seconds>(time - clock_.Steady());
  return clock_.Now() + std::max(wait, std::chrono::seconds(0));
}

Result<Responders::Turn> Responders::Begin(const std::string& place) const {
  const std::lock_guard lock(mutex_);
  const auto sick = sick_.find(place);
  if (sick == sick_.end()) return Turn{place, 0};
  if (clock_.Steady() >= sick->second.next_try) return Turn{place, sick->second.generation};
  return MakeError(Kind::kUnavailable, "RESPONDER_BACKS_OFF",
                   EscapeLine(place, 200) + " is asked again at " +
                       FormatTime(WallOf(sick->second.next_try)) +
                       "; the last failure: " + sick->second.failure,
                   "Mend what failed; it is asked again by itself.");
}

void Responders::Succeeded(const Turn& turn) {
  const std::lock_guard lock(mutex_);
  sick_.erase(turn.place);
}

void Responders::Failed(const Turn& turn, const std::string& failure,
                        std::optional<std::chrono::seconds> retry_after) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.Steady();
  const auto found = sick_.find(turn.place);
  const std::uint64_t generation = found == sick_.end() ? 0 : found->second.generation;
  const Duration asked_for =
      std::min<Duration>(retry_after.value_or(std::chrono::seconds(0)), kMostRetryAfter);
  if (generation != turn.generation) {  // another one was first
    if (found == sick_.end()) return;
    found->second.next_try = std::max(found->second.next_try, now + asked_for);
    return;
  }
  if (found == sick_.end() && sick_.size() >= kMostSick) {
    std::erase_if(sick_, [now](const auto& entry) { return entry.second.next_try <= now; });
    if (sick_.size() >= kMostSick) return;
  }
  Sick& sick = sick_[turn.place];
  sick.generation = ++generations_;
  ++sick.failures;
  sick.failure = failure;
  sick.next_try = now + std::max<Duration>(WaitAfter(sick.failures), asked_for);
}

void Responders::Forget() {
  const std::lock_guard lock(mutex_);
  sick_.clear();
}

WallTime Responders::NextTry(const std::string& place) const {
  const std::lock_guard lock(mutex_);
  const auto sick = sick_.find(place);
  return sick == sick_.end() ? clock_.Now() : WallOf(sick->second.next_try);
}

std::vector<StatusFigures::BackingOff> Responders::BackingOff() const {
  const std::lock_guard lock(mutex_);
  std::vector<StatusFigures::BackingOff> out;
  for (const auto& [place, sick] : sick_) {
    if (sick.next_try <= clock_.Steady()) continue;
    out.push_back({place, sick.failures, WallOf(sick.next_try), sick.failure});
  }
  return out;
}

}  // namespace signet::services
