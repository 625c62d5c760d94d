// Asking for what is due, and what follows: the part of Revocation that goes on by itself.
#include "keystore/node_log.h"
#include "platform/logging.h"
#include "services/joined.h"
#include "services/revocation/revocation.h"
#include "services/rounds.h"

namespace signet::services {

using keystore::DistrustRecord;
using keystore::DistrustRequest;
using keystore::x509::OcspStatus;

namespace {

constexpr Duration kNap = std::chrono::seconds(1);
constexpr Duration kRoundLimit = std::chrono::hours(6);  // ten thousand, and responders that hang
constexpr Duration kChangeLimit = std::chrono::minutes(2);
constexpr std::chrono::seconds kPatience{20};  // of who asks, for a round that is under way
constexpr auto kAfterFailure = std::chrono::minutes(1);
constexpr auto kQuiet = std::chrono::minutes(1);  // between two rounds, when nothing changed
constexpr auto kKeep = std::chrono::minutes(10);  // the book is written down, when nothing changed

}  // namespace

// Blocks. kConflict CHECK_RUNS, kUnavailable SHUTTING_DOWN.
Result<Revocation::Round> Revocation::Ask(bool anew) {
  const auto turn = TakeTurn(rounds_, anew ? kPatience : std::chrono::seconds(0), stopping_);
  if (!turn.owns_lock()) {
    return MakeError(Kind::kConflict, "CHECK_RUNS", "a revocation check is running already",
                     "'signet revocation show' tells what came of it, in a moment.");
  }
  const keystore::PlanInput in = parts_.trust.Input();
  const RevocationSettings settings = RevocationSettingsOf(in);
  const TrustMark mark = MarkOf(*in.snapshot);
  const StatusBook before = Book();
  Round round;
  std::vector<StatusQuestion> questions;
  if (settings.enabled || anew) {
    round.subjects = WhoseStatus(in.snapshot, in.now);
    for (const StatusSubject& subject : round.subjects) {
      if (anew || before.IsDue(subject.certificate.fingerprint(), settings, in.now))
        questions.push_back({subject.certificate, subject.issuer});
    }
  }
  if (anew) parts_.source.ForgetFailures();
  // What is due is asked anew: an answer as old as the interval is none.
  const std::vector<StatusAnswer> answers =
      parts_.source.AskAll(questions, RulesOf(*in.snapshot, settings, /*anew=*/true));
  if (stopping_) return ShuttingDown();
  // What follows goes by what was decided meanwhile.
  const keystore::PlanInput since = parts_.trust.Input();
  const WallTime now = since.now;
  bool keep = false;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::string& fingerprint = questions[i].certificate.fingerprint();
      const StatusRow* then = before.Find(fingerprint);
      const StatusRow* live = book_.Find(fingerprint);
      // An operator was told of it meanwhile: that is newer.
      const bool touched =
          (then == nullptr) != (live == nullptr) || (live != nullptr && live->asked != then->asked);
      if (!touched && book_.Note(fingerprint, answers[i], now)) round.changed = true;
      round.Count(book_.Find(fingerprint), answers[i]);
    }
    if (settings.enabled || anew) book_.Keep(round.subjects);
    if (round.asked > 0) book_.Checked(now);
    round.consequences = Consequences(book_, *since.snapshot, RevocationSettingsOf(since), now);
    seen_ = mark;
    next_expiry_ = NextExpiry(*in.snapshot, now);
    quiet_until_ = now + kQuiet;
    last_round_ = now;
    keep = round.changed || anew || (round.asked > 0 && (kept_ > now || now - kept_ >= kKeep));
    if (keep) kept_ = now;
  }
  if (keep) Persist();
  return round;
}

// By what holds now, which may be what was said before.
void Revocation::Round::Count(const StatusRow* row, const StatusAnswer& answer) {
  const std::string status(row == nullptr ? OcspStatusName(answer.status) : row->status);
  ++asked;
  ++(status == "good" ? good : status == "revoked" ? revoked : unknown);
  if (answer.status == OcspStatus::kUnknown && status != "unknown") ++held;
}

StatusBook Revocation::Book() const {
  const std::lock_guard lock(mutex_);
  return book_;
}

void Revocation::Persist() {
  const std::lock_guard keeping(keeping_);
  if (const auto kept = parts_.log.Remember(kRevocationMemory, Book().ToText()); !kept)
    Log(LogLevel::kError, "the status of certificates is not kept: " + kept.error().ToString());
}

bool Revocation::SomethingIsDue() const {
  const keystore::PlanInput in = parts_.trust.Input();
  const std::lock_guard lock(mutex_);
  if (in.now < not_before_ && not_before_ - in.now <= kAfterFailure) return false;
  // A clock that was set back gives back what it took.
  if (in.now < last_round_ || seen_ != MarkOf(*in.snapshot)) return true;
  // Certificates come due one after another; they are asked for together.
  if (in.now < quiet_until_ && quiet_until_ - in.now <= kQuiet) return false;
  if (next_expiry_ && *next_expiry_ <= in.now) return true;
  const RevocationSettings settings = RevocationSettingsOf(in);
  const auto next = settings.enabled ? book_.NextDue(settings, in.now) : std::nullopt;
  return next && *next <= in.now;
}

boost::asio::awaitable<Status> Revocation::CarryOut(DistrustRequest request) {
  if (request.distrusted.empty() && request.reinstated.empty()) co_return Ok();
  ChangeRunner::Work work = [this, &request](std::shared_ptr<keystore::Operation> operation)
      -> boost::asio::awaitable<Result<json::value>> {
    auto job = [this, operation, request] { return Apply(*operation, request, std::nullopt); };
    Result<keystore::ChangeResult> done =
        co_await RunOn(parts_.trust_lane, std::move(job), kChangeLimit);
    if (!done) co_return std::move(done).error();
    co_return ToJson(done.value());
  };
  RequestContext context = SystemContext("revocation", kChangeLimit);
  Result<json::value> done =
      co_await parts_.changes.Run(std::move(context), "revocation.apply", "", std::move(work));
  if (!done) co_return std::move(done).error();
  co_return Ok();
}

// Told by who did it: nobody may wait for it any more.
Result<keystore::ChangeResult> Revocation::Apply(keystore::Operation& operation,
                                                 const DistrustRequest& request,
                                                 const std::optional<std::string>& plan) {
  SIGNET_TRY(keystore::ChangeResult done, parts_.trust.Distrust(operation, request, plan));
  if (done.changed) Tell(request);
  return done;
}

void Revocation::Tell(const DistrustRequest& request) {
  const auto snapshot = parts_.state.Now();
  const auto tell = [&](const std::string& fingerprint, const std::string& state,
                        const std::string& why) {
    const auto* row = snapshot->certificates->Find(fingerprint);
    const std::vector<std::string> places = PlacesOf(*snapshot, fingerprint);
    json::object details;
    details["state"] = state;
    details["certificate"] = fingerprint;
    if (row != nullptr) details["serial"] = row->serial();
    json::array where;
    for (const std::string& place : places) where.emplace_back(place);
    details["places"] = std::move(where);
    std::string text = (row == nullptr ? fingerprint : std::string(row->subject())) + " (" +
                       Joined(places) + ") is " + why;
    Log(LogLevel::kWarning, text);
    parts_.events.Tell("revocation", std::move(text), std::move(details));
  };
  for (const DistrustRecord& record : request.distrusted)
    tell(record.certificate, record.cause, keystore::WhyDistrusted(record) + ": out of trust");
  for (const std::string& fingerprint : request.reinstated)
    tell(fingerprint, "trusted", "back in trust");
  if (parts_.changed) parts_.changed();
}

void Revocation::TellRound(const Round& round) {
  json::object details;
  details["state"] = "checked";
  details["asked"] = round.asked;
  details["good"] = round.good;
  details["revoked"] = round.revoked;
  details["unknown"] = round.unknown;
  parts_.events.Tell("revocation",
                     "the status of " + std::to_string(round.asked) + " certificates was asked: " +
                         std::to_string(round.good) + " good, " + std::to_string(round.revoked) +
                         " revoked, " + std::to_string(round.unknown) + " unknown",
                     std::move(details));
}

boost::asio::awaitable<void> Revocation::Tick() {
  if (!SomethingIsDue()) co_return;
  auto job = [this] { return Ask(false); };
  Result<Round> round = co_await RunOn(parts_.lane, std::move(job), kRoundLimit);
  Status carried = Ok();
  if (round) {
    if (round.value().changed) TellRound(round.value());
    carried = co_await CarryOut(std::move(round.value().consequences));
  } else if (!stopping_ && round.error().word != "CHECK_RUNS") {
    carried = std::move(round).error();
  }
  if (carried) co_return;
  Log(LogLevel::kError,
      "the revocation check is repeated in a minute: " + carried.error().ToString());
  const std::lock_guard lock(mutex_);
  not_before_ = parts_.clock.Now() + kAfterFailure;
  seen_ = 0;
}

boost::asio::awaitable<void> Revocation::Watch() {
  return Repeat([this] { return Tick(); }, kNap, stopping_);
}

}  // namespace signet::services
