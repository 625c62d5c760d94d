#include "services/caretaker.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "platform/logging.h"
#include "services/keys.h"

namespace signet::services {

namespace {

constexpr Duration kProbeInterval = std::chrono::seconds(2);
constexpr std::uint64_t kRetireRounds =
    300;  // former certificates whose days are over: every ten minutes
constexpr std::uint64_t kReconcileRounds = 30;  // tokens are compared with records once a minute
constexpr Duration kPollInterval = std::chrono::milliseconds(100);
constexpr std::chrono::minutes kClockTolerance(5);
constexpr Duration kProbeLimit = std::chrono::seconds(5);
constexpr Duration kWorkLimit = std::chrono::minutes(5);

// Methods that ask something of others, or of what is no record: it was done, or was not, and stays
// so. What a change of Signet's own records left is finished or undone.
constexpr std::string_view kElsewhere[] = {
    "service.", "lsc.", "connection.", "monitor.run", "monitor.testMail", "revocation.check"};
std::string OutcomeOf(const keystore::JournalEntry& entry,
                      const keystore::Identities::Recovered& recovered) {
  if (recovered.committed) return "recovered";
  const std::string& method = entry.origin.method;
  const bool elsewhere =
      std::any_of(std::begin(kElsewhere), std::end(kElsewhere),
                  [&](std::string_view beginning) { return method.starts_with(beginning); });
  return elsewhere ? "interrupted" : "undone";
}

}  // namespace

std::vector<const keystore::Purpose*> Caretaker::Wanted() const {
  std::vector<const keystore::Purpose*> wanted;
  for (const keystore::Purpose& purpose : parts_.catalogue.purposes) {
    if (!purpose.publisher_only || parts_.names.publisher) wanted.push_back(&purpose);
  }
  return wanted;
}

Caretaker::Report Caretaker::Progress() const {
  Report report;
  const auto snapshot = parts_.state.Now();
  for (const keystore::Purpose* purpose : Wanted()) {
    ++report.wanted;
    if (snapshot->Current(purpose->name) != nullptr) ++report.made;
  }
  std::lock_guard lock(mutex_);
  report.progress = progress_;
  report.recovered = recovered_;
  report.warnings = state_warnings_;
  report.warnings.insert(report.warnings.end(), warnings_.begin(), warnings_.end());
  return report;
}

bool Caretaker::Ready() const {
  std::lock_guard lock(mutex_);
  return settled_;
}

void Caretaker::Stop() { stopping_ = true; }

boost::asio::awaitable<void> Caretaker::Run() {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  bool state_checked = false;
  std::uint64_t rounds = 0, naps = 0;
  while (!stopping_) {
    if (++naps % kReconcileRounds == 0) co_await PublishAgain();
    if (parts_.token.Info().state == hsm::TokenState::kOperational) {
      const std::int64_t recovered = Progress().recovered;
      co_await RecoverLeftovers();
      co_await MakeMissing();
      // What was recovered may have been warned of.
      const bool moved = Progress().recovered != recovered;
      if (rounds % kRetireRounds == 0) co_await Retire();
      if (!Ready() || moved || rounds++ % kReconcileRounds == 0) co_await Reconcile();
    }
    if (!std::exchange(state_checked, true)) co_await CheckState();
    // In short naps, so that Stop is heard soon.
    for (Duration slept{}; slept < kProbeInterval && !stopping_; slept += kPollInterval) {
      TellTokenState();
      timer.expires_after(kPollInterval);
      boost::system::error_code ignored;
      co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    if (!stopping_) co_await Probe();
  }
}

// SPEC A6, what concerns the state: is the audit log whole, and can the clock be right? Damage of
// the databases is seen when they are opened, and the token tests itself when it is unlocked.
boost::asio::awaitable<void> Caretaker::CheckState() {
  auto verify = [&log = parts_.log] { return log.VerifyAudit(); };
  Result<keystore::AuditVerdict> verdict =
      co_await RunOn(parts_.store_lane, std::move(verify), kWorkLimit);
  std::vector<Finding> warnings;
  if (!verdict) {
    warnings.push_back({Severity::kError, "AUDIT_UNREADABLE", verdict.error().detail, ""});
  } else {
    const keystore::AuditVerdict& found = verdict.value();
    if (!found.problem.empty()) {
      warnings.push_back({Severity::kError, "AUDIT_BROKEN",
                          "audit record " + std::to_string(found.first_bad) + " does not verify (" +
                              found.problem +
                              "): somebody changed the log outside Signet; keep a copy of the "
                              "state and investigate",
                          ""});
    }
    if (parts_.clock.Now() + kClockTolerance < found.newest) {
      warnings.push_back({Severity::kWarning, "CLOCK_BEHIND",
                          "the clock says " + FormatTime(parts_.clock.Now()) +
                              ", but the audit log has a record of " + FormatTime(found.newest) +
                              ": set the clock, dates of certificates depend on it",
                          ""});
    }
  }
  for (const Finding& warning : warnings) Log(LogLevel::kWarning, warning.id + ": " + warning.text);
  std::lock_guard lock(mutex_);
  state_warnings_ = std::move(warnings);
}

// The first one of a process too: who was away while it restarted knows the state then.
void Caretaker::TellTokenState() {
  const hsm::TokenInfo info = parts_.token.Info();
  if (told_ == info.state) return;
  const std::string name(TokenStateName(info.state));
  json::object details;
  details["state"] = name;
  if (told_) details["before"] = std::string(TokenStateName(*told_));
  details["reason"] = info.reason;
  told_ = info.state;
  std::string text = "the token is " + name;
  if (!info.reason.empty()) text += ": " + info.reason;
  parts_.events.Tell("token", std::move(text), std::move(details));
}

boost::asio::awaitable<void> Caretaker::PublishAgain() {
  auto publish = [&publisher = parts_.publisher] { return publisher.PublishNow(); };
  // What fails is a warning of the publisher's own.
  std::ignore = co_await RunOn(parts_.trust_lane, std::move(publish), kWorkLimit);
}

boost::asio::awaitable<void> Caretaker::Probe() {
  auto job = [&token = parts_.token] { return token.Probe(); };
  Status probed = co_await RunOn(parts_.probe_lane, std::move(job), kProbeLimit);
  if (!probed && (probed.error().kind == Kind::kTimeout || probed.error().kind == Kind::kExhausted))
    parts_.token.ReportHang();
}

boost::asio::awaitable<void> Caretaker::RecoverLeftovers() {
  std::set<std::string>& left = leftovers_;
  for (std::string& id : parts_.changes.Recoverable()) left.insert(std::move(id));
  if (left.empty()) co_return;
  auto pending = [&log = parts_.log] { return log.Pending(); };
  Result<std::vector<keystore::JournalEntry>> entries =
      co_await RunOn(parts_.store_lane, std::move(pending), kWorkLimit);
  if (!entries) {
    Log(LogLevel::kError, "the journal cannot be read: " + entries.error().ToString());
    co_return;
  }
  DropEnded(entries.value());
  for (const keystore::JournalEntry& entry : entries.value()) {
    if (!left.contains(entry.id)) continue;
    keystore::JournalEntry copy = entry;
    Status recovered = co_await RecoverOne(std::move(copy));
    if (!recovered) {
      Log(LogLevel::kError,
          "operation " + entry.id + " could not be recovered: " + recovered.error().ToString());
      continue;
    }
    left.erase(entry.id);
    parts_.changes.Recovered(entry.id);
    std::lock_guard lock(mutex_);
    ++recovered_;
  }
}

// Some came to their end late, but by themselves.
void Caretaker::DropEnded(const std::vector<keystore::JournalEntry>& entries) {
  std::set<std::string> ended = std::exchange(leftovers_, {});
  for (const keystore::JournalEntry& entry : entries) {
    if (ended.erase(entry.id) != 0) leftovers_.insert(entry.id);
  }
  for (const std::string& id : ended) {
    parts_.changes.Recovered(id);
    parts_.committer.Forget(id);
  }
}

boost::asio::awaitable<Status> Caretaker::RecoverOne(keystore::JournalEntry entry) {
  // Behind an upload that still runs, if there is one: what it committed has no mark any more.
  auto undo = [&trust = parts_.trust, id = entry.id] { return trust.Undo(id); };
  SIGNET_CO_TRY(co_await RunOn(parts_.trust_lane, std::move(undo), kWorkLimit));
  auto recover = [&identities = parts_.identities, id = entry.id] {
    return identities.Recover(id);
  };
  SIGNET_CO_TRY(keystore::Identities::Recovered recovered,
                co_await RunOn(parts_.change_lane, std::move(recover), kWorkLimit));
  const std::string outcome = OutcomeOf(entry, recovered);
  auto finish = [&log = parts_.log, entry, recovered, outcome] {
    return log.Finish(entry, outcome, recovered.detail, recovered.result);
  };
  SIGNET_CO_TRY(co_await RunOn(parts_.store_lane, std::move(finish), kWorkLimit));
  parts_.committer.Forget(entry.id);
  TellEnd(parts_.events,
          {entry.id, entry.origin.method, entry.origin.actor, outcome, recovered.detail});
  Log(LogLevel::kInfo,
      "operation " + entry.id + " (" + entry.origin.method + ") of before a crash: " + outcome);
  co_return Ok();
}

boost::asio::awaitable<void> Caretaker::MakeMissing() {
  const std::vector<const keystore::Purpose*> wanted = Wanted();
  for (std::size_t i = 0; i < wanted.size() && !stopping_; ++i) {
    if (parts_.state.Now()->Current(wanted[i]->name) != nullptr) continue;
    {
      std::lock_guard lock(mutex_);
      progress_ = "generating " + wanted[i]->name + " (" + std::to_string(i + 1) + " of " +
                  std::to_string(wanted.size()) + ")";
    }
    keystore::IdentityRequest request;
    request.purpose = wanted[i]->name;
    request.internal = true;
    Changes::Work work = [this, request](std::shared_ptr<keystore::Operation> operation)
        -> boost::asio::awaitable<Result<json::value>> {
      auto job = [&identities = parts_.identities, operation, request] {
        return identities.GenerateSelfSigned(*operation, request);
      };
      Result<keystore::ChangeResult> made =
          co_await RunOn(parts_.change_lane, std::move(job), kWorkLimit);
      if (!made) co_return std::move(made).error();
      co_return ToJson(made.value());
    };
    RequestContext context = SystemContext("boot", kWorkLimit);
    Result<json::value> made = co_await parts_.changes.Run(
        std::move(context), "certificate.generate", std::string(), std::move(work));
    if (!made) {
      Log(LogLevel::kError, wanted[i]->name + " could not be made: " + made.error().ToString());
      break;  // the next round tries again
    }
  }
  std::lock_guard lock(mutex_);
  progress_.clear();
}

boost::asio::awaitable<void> Caretaker::Retire() {
  if (keystore::PlanRetire(parts_.identities.Input()).purposes.empty()) co_return;
  Changes::Work work = [this](std::shared_ptr<keystore::Operation> operation)
      -> boost::asio::awaitable<Result<json::value>> {
    auto job = [&identities = parts_.identities, operation] {
      return identities.Retire(*operation);
    };
    Result<keystore::ChangeResult> retired =
        co_await RunOn(parts_.change_lane, std::move(job), kWorkLimit);
    if (!retired) co_return std::move(retired).error();
    co_return ToJson(retired.value());
  };
  RequestContext context = SystemContext("boot", kWorkLimit);
  Result<json::value> retired = co_await parts_.changes.Run(
      std::move(context), "certificate.retire", std::string(), std::move(work));
  if (!retired) {
    Log(LogLevel::kError,
        "former certificates could not be retired: " + retired.error().ToString());
  }
}

boost::asio::awaitable<void> Caretaker::Reconcile() {
  auto compare = [&identities = parts_.identities] { return identities.Keys(); };
  Result<std::vector<keystore::KeyRow>> rows =
      co_await RunOn(parts_.change_lane, std::move(compare), kWorkLimit);
  if (!rows) co_return;
  std::vector<Finding> warnings;
  for (const keystore::KeyRow& row : rows.value()) {
    if (!row.on_token) {
      warnings.push_back(
          {Severity::kError, "KEY_MISSING",
           "the key of " + row.owner +
               " is not on the token: restore the token, or generate the identity anew",
           ""});
    } else if (row.owner.starts_with("none")) {
      warnings.push_back(
          {Severity::kWarning, "KEY_WITHOUT_OWNER",
           "private key " + row.id + " on the token belongs to no record; it is left alone", ""});
    }
  }
  const Report report = Progress();
  std::lock_guard lock(mutex_);
  warnings_ = std::move(warnings);
  settled_ = report.made == report.wanted && leftovers_.empty();
}

}  // namespace signet::services
