#include "services/changes.h"

#include <map>
#include <mutex>
#include <set>

#include "keystore/node_log.h"
#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/logging.h"
#include "services/events.h"

namespace signet::services {

namespace {

// A full disk or a busy lane delays these; the change itself has its own limit.
constexpr Duration kLogLimit = std::chrono::seconds(30);
constexpr Duration kAbandonedFor = std::chrono::minutes(5);  // longer than any work runs
constexpr Duration kNoteInterval = std::chrono::seconds(1);
constexpr std::size_t kNotedActors = 1024;

keystore::ChangeOrigin OriginOf(const RequestContext& context, std::string method,
                                std::string digest) {
  keystore::ChangeOrigin origin;
  origin.actor = context.actor;
  origin.role = std::string(RoleName(context.role));
  origin.origin = context.origin;
  origin.method = std::move(method);
  origin.digest = std::move(digest);
  origin.idempotency_key = context.idempotency_key;
  return origin;
}

}  // namespace

struct Changes::Impl {
  keystore::NodeLog& log;
  Lane& lane;
  Clock& clock;
  std::function<void(const std::string&)> forget;
  std::function<void(const EndedChange&)> ended;
  std::mutex mutex;
  std::set<std::pair<std::string, std::string>> running;  // (actor, idempotency key)
  std::map<std::string, SteadyTime> noted;                // by actor and outcome
  std::map<std::string, SteadyTime> left;  // journal id: from when on recovery may take it

  // False when a change with the same key of the same actor runs.
  bool Enter(const keystore::ChangeOrigin& origin) {
    std::lock_guard lock(mutex);
    return origin.idempotency_key.empty() ||
           running.emplace(origin.actor, origin.idempotency_key).second;
  }
  void LeaveForRecovery(const std::string& operation, Duration patience) {
    Log(LogLevel::kWarning, "operation " + operation + " is left for recovery");
    std::lock_guard lock(mutex);
    left.emplace(operation, clock.Steady() + patience);
  }
  void Leave(const keystore::ChangeOrigin& origin) {
    std::lock_guard lock(mutex);
    running.erase({origin.actor, origin.idempotency_key});
  }
};

namespace {

// What the repetition of an idempotency key gets: the stored answer, a refusal, or nothing when the
// key is new.
Result<std::optional<json::value>> StoredAnswer(keystore::NodeLog& log,
                                                const keystore::ChangeOrigin& origin) {
  if (origin.idempotency_key.empty()) return std::optional<json::value>();
  SIGNET_TRY(std::optional<keystore::IdempotentResult> found,
             log.FindResult(origin.actor, origin.idempotency_key));
  if (!found) return std::optional<json::value>();
  if (found->method != origin.method || found->digest != origin.digest) {
    return MakeError(Kind::kConflict, "IDEMPOTENCY_KEY_REUSED",
                     "this idempotency key was used for another request (" + found->method + ")",
                     "Use a new key for a new request.");
  }
  SIGNET_TRY(json::value answer, ParseJson(found->result));
  return std::optional<json::value>(std::move(answer));
}

struct Begun {
  std::optional<json::value> stored;
  std::optional<keystore::JournalEntry> entry;
};

Result<Begun> Begin(keystore::NodeLog& log, const keystore::ChangeOrigin& origin) {
  Begun begun;
  SIGNET_TRY(begun.stored, StoredAnswer(log, origin));
  if (!begun.stored) {
    SIGNET_TRY(keystore::JournalEntry entry, log.Begin(origin));
    Failpoint("journal.begun");
    begun.entry = std::move(entry);
  }
  return begun;
}

}  // namespace

Changes::Changes(keystore::NodeLog& log, Lane& store_lane, Clock& clock,
                 std::function<void(const std::string& operation)> forget,
                 std::function<void(const EndedChange& change)> ended)
    : impl_(new Impl{log, store_lane, clock, std::move(forget), std::move(ended), {}, {}, {}, {}}) {
}

Changes::~Changes() = default;

boost::asio::awaitable<Result<json::value>> Changes::Run(RequestContext context, std::string method,
                                                         std::string digest, Work work) {
  Impl& impl = *impl_;
  const keystore::ChangeOrigin origin = OriginOf(context, std::move(method), std::move(digest));
  if (!impl.Enter(origin)) {
    co_return MakeError(Kind::kConflict, "OPERATION_IN_PROGRESS",
                        "a change with this idempotency key is running",
                        "Repeat the request in a moment to get its answer.");
  }
  struct Leaver {
    Impl& impl;
    keystore::ChangeOrigin origin;
    ~Leaver() { impl.Leave(origin); }
  } leaver{impl, origin};

  auto begin = [&log = impl.log, origin] { return Begin(log, origin); };
  Result<Begun> begun = co_await RunOn(impl.lane, std::move(begin), kLogLimit);
  if (!begun) co_return std::move(begun).error();
  if (begun.value().stored) co_return std::move(*begun.value().stored);
  const keystore::JournalEntry entry = *begun.value().entry;

  auto operation = std::make_shared<keystore::Operation>();
  operation->id = entry.id;
  operation->actor = origin.actor;
  Result<json::value> result = co_await work(operation);
  // A wait that ended does not end the work: what it left is for recovery, which asks the store how
  // it ended.
  const bool unknown = !result && result.error().kind == Kind::kTimeout;
  if (operation->leave_for_recovery || unknown) {
    impl.LeaveForRecovery(entry.id, unknown ? kAbandonedFor : Duration::zero());
    co_return result;
  }
  const std::string outcome = result ? "done" : "failed:" + result.error().word;
  const std::string detail = result ? operation->detail : result.error().detail;
  std::optional<std::string> answer;
  if (result) answer = json::serialize(result.value());
  auto finish = [&log = impl.log, entry, outcome, detail, answer] {
    Status finished = log.Finish(entry, outcome, detail, answer);
    if (finished) Failpoint("journal.finished");
    return finished;
  };
  Status finished = co_await RunOn(impl.lane, std::move(finish), kLogLimit);
  if (!finished) {
    impl.LeaveForRecovery(entry.id, Duration::zero());
    // The journal's row stays, so the record is written when the disk allows; the caller must not
    // believe that all is well.
    Error error = std::move(finished).error();
    error.detail = "the change " + std::string(result ? "was made" : "failed") +
                   " but its audit record could not be written: " + error.detail;
    co_return error;
  }
  impl.forget(entry.id);
  if (impl.ended) impl.ended({entry.id, origin.method, origin.actor, outcome, detail});
  co_return result;
}

std::vector<std::string> Changes::Recoverable() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<std::string> ids;
  for (const auto& [id, from] : impl_->left) {
    if (impl_->clock.Steady() >= from) ids.push_back(id);
  }
  return ids;
}

void Changes::Recovered(const std::string& operation) {
  std::lock_guard lock(impl_->mutex);
  impl_->left.erase(operation);
}

boost::asio::awaitable<void> Changes::NoteRefused(RequestContext context, std::string method,
                                                  std::string digest, Error error) {
  Impl& impl = *impl_;
  const std::string outcome = (error.kind == Kind::kDenied ? "denied:" : "refused:") + error.word;
  {
    std::lock_guard lock(impl.mutex);
    const SteadyTime now = impl.clock.Steady();
    if (impl.noted.size() >= kNotedActors) impl.noted.clear();
    auto [last, fresh] = impl.noted.try_emplace(context.actor + " " + outcome, now);
    if (!fresh && now - last->second < kNoteInterval) co_return;
    last->second = now;
  }
  const keystore::ChangeOrigin origin = OriginOf(context, std::move(method), std::move(digest));
  auto note = [&log = impl.log, origin, outcome, detail = error.detail] {
    return log.Note(origin, outcome, detail);
  };
  Status noted = co_await RunOn(impl.lane, std::move(note), kLogLimit);
  if (!noted)
    Log(LogLevel::kError, "a refused request could not be audited: " + noted.error().ToString());
}

void TellEnd(Events& events, const EndedChange& change) {
  json::object details;
  details["operation"] = change.operation;
  details["method"] = change.method;
  details["actor"] = change.actor;
  details["outcome"] = change.outcome;
  details["detail"] = change.detail;
  events.Tell("operation", change.method + " by " + change.actor + ": " + change.outcome,
              std::move(details));
}

}  // namespace signet::services
