// What is seen without anybody asking.
#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/logging.h"
#include "services/control/control_slot.h"

namespace signet::services {

namespace {

constexpr Duration kRoundLimit = std::chrono::minutes(5);
constexpr Duration kNap = std::chrono::milliseconds(100);

}  // namespace

void ControlCenter::TellOwed(const keystore::Snapshot& now) {
  std::map<std::string, std::string> seen;
  for (const auto& [name, row] : now.owed) seen[name] = row.value.operation;
  std::map<std::string, std::string> before;
  {
    const std::lock_guard lock(told_mutex_);
    before = std::exchange(told_, seen);
  }
  for (const auto& [name, row] : now.owed) {
    const auto known = before.find(name);
    const bool is_new = known == before.end() || known->second != row.value.operation;
    if (!is_new || Find(row.value.service) == nullptr) continue;
    wanted_ = true;  // what is served is a former certificate now
    tell_("restart.owed", row.value.service + " must take up the change of " + row.value.cause,
          {{"service", row.value.service},
           {"cause", row.value.cause},
           {"operation", row.value.operation}});
  }
}

// What changed since the last look is told.
void ControlCenter::Remember(Slot& slot, std::vector<WireLook> looks) {
  std::vector<WireLook> before;
  {
    const std::lock_guard lock(slot.mutex);
    before = std::exchange(slot.looks, looks);
  }
  for (const WireLook& look : looks) {
    const auto former = std::find_if(before.begin(), before.end(), [&](const WireLook& one) {
      return one.endpoint == look.endpoint && one.purpose == look.purpose;
    });
    const bool was_good = former == before.end() || former->verdict == WireVerdict::kCurrent;
    const bool is_good = look.verdict == WireVerdict::kCurrent;
    if (former != before.end() ? former->verdict == look.verdict : is_good) continue;
    if (was_good && is_good) continue;
    tell_("drift",
          slot.config.name + " at " + look.endpoint + ", " + look.purpose + ": " +
              (is_good ? "serves the current certificate again"
                       : std::string(WireVerdictName(look.verdict)) + ", " + look.detail),
          {{"proof", ToJson(ProofOf(slot.config.name, look))}});
  }
}

// Of what a service owes, that of which anybody can see that it is done, though nobody told us: the
// process is younger, or the certificate that a reload takes up is served.
std::vector<keystore::OwedRecord> ControlCenter::Evident(
    Slot& slot, const std::vector<keystore::OwedRecord>& owed, const std::vector<WireLook>& looks) {
  std::vector<keystore::OwedRecord> done;
  const auto look = slot.driver->Look();
  if (!look || !AllCurrent(looks)) return done;
  for (const keystore::OwedRecord& record : owed) {
    // Records keep whole seconds: the change was in the one that begins with `since`.
    const bool younger =
        look.value().started && *look.value().started >= record.since + std::chrono::seconds(1);
    const bool served = std::any_of(looks.begin(), looks.end(), [&](const WireLook& one) {
      return one.purpose == record.cause;
    });
    if (younger || (served && slot.config.take_up == TakeUp::kReload)) done.push_back(record);
  }
  return done;
}

void ControlCenter::LookAt(Slot& slot) {
  // One that is on its way is looked at there; nobody who wants to act waits for a look.
  if (!std::unique_lock(slot.acting, std::try_to_lock).owns_lock()) return;
  const unsigned turn = slot.turns;
  const auto owed = OwedOf(slot);
  const std::vector<WireLook> looks = LookOnce(slot, kHandshakeLimit);
  if (slot.turns != turn) return;  // of before, or of in between
  Remember(slot, looks);
  if (!owed.empty()) std::ignore = Settle(slot, Evident(slot, owed, looks));
}

boost::asio::awaitable<void> ControlCenter::Each(std::function<void(Slot&)> work) {
  for (const auto& slot : slots_) {
    if (stopping_) break;
    auto job = [work, one = slot.get()]() -> Status {
      work(*one);
      return Ok();
    };
    std::ignore = co_await RunOn(parts_.lane, std::move(job), kRoundLimit);
  }
}

boost::asio::awaitable<void> ControlCenter::Watch(Duration interval) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  std::function<void(Slot&)> start = [this](Slot& slot) {
    if (slot.config.driver != DriverKind::kProcess) return;
    const std::unique_lock acting(slot.acting, std::try_to_lock);
    if (!acting.owns_lock()) return;  // somebody starts it already
    if (const Status started = Act(slot, ServiceVerb::kStart); !started)
      Log(LogLevel::kError, slot.config.name + " does not start: " + started.error().ToString());
  };
  co_await Each(std::move(start));
  while (!stopping_) {
    std::function<void(Slot&)> look = [this](Slot& slot) { LookAt(slot); };
    co_await Each(std::move(look));
    looked_ = true;
    // In short naps, so that Stop and what came to be owed are heard soon.
    for (Duration slept{}; slept < interval && !stopping_ && !wanted_.exchange(false);
         slept += kNap) {
      timer.expires_after(kNap);
      boost::system::error_code ignored;
      co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
  }
}

}  // namespace signet::services
