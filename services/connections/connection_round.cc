// Looking at every connection, and what follows: the part of Connections that goes on by itself.
#include <algorithm>

#include "keystore/settings.h"
#include "platform/encoding.h"
#include "platform/logging.h"
#include "services/connections/connection_doors.h"
#include "services/connections/connection_rules.h"
#include "services/connections/connections.h"
#include "services/joined.h"
#include "services/revocation/revocation.h"
#include "services/rounds.h"

namespace signet::services {

namespace {

constexpr Duration kNap = std::chrono::seconds(1);
constexpr Duration kRoundLimit = std::chrono::hours(6);
constexpr Duration kClosingLimit = std::chrono::minutes(1);  // of all that one round closes
constexpr Duration kChangeLimit = std::chrono::minutes(5);
// After a round in which something was wrong; twice as long after each further one.
constexpr std::chrono::minutes kAgain{5};
constexpr unsigned kMostDoublings = 8;
constexpr char kLater[] = "not closed yet: others take their time";

// The first one: the others follow from it.
const Finding* FirstError(const Findings& findings) {
  const auto found = std::ranges::find(findings, Severity::kError, &Finding::severity);
  return found == findings.end() ? nullptr : &*found;
}

std::string RemedyFor(const Finding& error, const Connection& connection) {
  if (error.id == "STATUS_UNKNOWN") {
    return "Mend the responder of its CA; or let connections stay whose status is unknown: 'signet "
           "revocation set --unknown-connection soft'.";
  }
  if (error.id == "RECORD_DAMAGED") return "Let its service register it anew.";
  return "The peer needs another certificate; or upload the CA that it leads to: 'signet trust "
         "upload " +
         connection.registration.store + " FILE'.";
}

// What the findings mean for the connection.
void Conclude(const Findings& findings, Connection& connection) {
  connection.reason.clear();
  connection.remedy.clear();
  connection.unproved = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.id == "STATUS_UNKNOWN";
  });
  if (connection.registration.chain.empty()) {
    connection.state = "unknown";
    connection.reason = "the peer's certificate is not known";
    connection.remedy = "Let the service that holds the connection register it, with the chain.";
    return;
  }
  const Finding* error = FirstError(findings);
  connection.state = error != nullptr ? "failing" : "good";
  if (error != nullptr) {
    connection.reason = EscapeLine(error->text, 1024);
    connection.remedy = RemedyFor(*error, connection);
  } else {
    connection.closing.clear();
  }
  for (const Finding& finding : findings) {
    if (!connection.failing() && finding.id == "STATUS_UNKNOWN") connection.reason = finding.text;
  }
}

}  // namespace

// Blocks for as long as responders may take; each certificate is asked for once.
void Connections::JudgeAll(const std::vector<std::shared_ptr<Connection>>& connections,
                           bool anew) const {
  const keystore::PlanInput in = parts_.trust.Input();
  std::vector<PeerVerdict> verdicts(connections.size());
  std::map<std::string, StatusQuestion> questions;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    Connection& one = *connections[i];
    one.checked = in.now;
    if (one.registration.chain.empty()) continue;
    const auto chain = one.registration.ReadChain();
    if (!chain) {
      verdicts[i].findings.push_back(
          {Severity::kError, chain.error().word, chain.error().detail, ""});
      continue;
    }
    verdicts[i] = JudgePeer(chain.value(), one.registration.store, in.snapshot, in.now);
    if (HasErrors(verdicts[i].findings)) continue;
    for (const StatusQuestion& question : verdicts[i].questions)
      questions.try_emplace(question.certificate.fingerprint(), question);
  }
  std::vector<StatusQuestion> all;
  for (auto& [fingerprint, question] : questions) all.push_back(std::move(question));
  std::multimap<std::string, Finding> said;
  const bool hard = RevocationSettingsOf(in).connection_hard;
  for (Finding& finding : parts_.revocation.CheckNow(all, hard, anew)) {
    const std::string fingerprint = finding.certificate;
    said.emplace(fingerprint, std::move(finding));
  }
  for (std::size_t i = 0; i < connections.size(); ++i) {
    for (const StatusQuestion& question : verdicts[i].questions) {
      const auto [first, last] = said.equal_range(question.certificate.fingerprint());
      for (auto at = first; at != last; ++at) verdicts[i].findings.push_back(at->second);
    }
    Conclude(verdicts[i].findings, *connections[i]);
  }
}

// What the probes of the configuration see now; findings about those that see nothing.
Findings Connections::FindProbed(const Held& before, Found& found) const {
  Findings failed;
  for (const WatchedConnection& watched : parts_.watched) {
    if (stopping_) break;
    if (!watched.endpoint && !watched.ike) continue;
    auto probed = Probe(watched, parts_.policy(), parts_.helper, parts_.clock.Now());
    if (!probed) {
      failed.push_back({Severity::kWarning, "PROBE_FAILED",
                        "connection " + watched.name + ": " + probed.error().detail + ". " +
                            probed.error().remedy,
                        ""});
      continue;
    }
    for (Connection& one : probed.value()) {
      const std::string id = one.registration.id;
      const auto known = before.find(id);
      if (known != before.end() && known->second->watched != nullptr) {
        one.registration.since = known->second->registration.since;
        one.closing = known->second->closing;
      }
      found[id] = std::make_shared<Connection>(std::move(one));
    }
  }
  return failed;
}

// The verdicts, before anything is done about them. What was registered, or registered anew,
// meanwhile is newer.
void Connections::Publish(const Held& before, const Found& found, Findings failed, TrustMark mark,
                          Due why) {
  const std::lock_guard lock(mutex_);
  Held after;
  for (const auto& [id, connection] : held_) {
    const auto old = before.find(id);
    const auto judged = found.find(id);
    const bool same = old != before.end() && old->second == connection && judged != found.end();
    if (connection->watched == nullptr) after[id] = same ? judged->second : connection;
  }
  std::set<std::string> troubled;
  for (const Finding& finding : failed) troubled.insert(finding.text);
  for (const auto& [id, connection] : found) {
    if (connection->watched != nullptr) after[id] = connection;
    if (connection->failing() || connection->unproved) troubled.insert(id);
  }
  if (troubled != troubled_) {
    again_ = 0;
  } else if (why == Due::kAgain) {
    again_ = std::min(again_ + 1, kMostDoublings);
  }
  troubled_ = std::move(troubled);
  held_ = std::move(after);
  probes_ = std::move(failed);
  checked_ = parts_.clock.Now();
  seen_ = mark;
}

Result<Connections::Round> Connections::CheckAll(Due why, std::chrono::seconds patience) {
  const auto turn = TakeTurn(rounds_, patience, stopping_);
  if (!turn.owns_lock()) {
    return MakeError(Kind::kConflict, "CHECK_RUNS", "a check of the connections is running already",
                     "'signet connection list' tells what came of it, in a moment.");
  }
  const TrustMark mark = MarkOf(*parts_.state.Now());
  const Held before = Now();
  Found found;
  for (const auto& [id, connection] : before) {
    if (connection->watched == nullptr) found[id] = std::make_shared<Connection>(*connection);
  }
  Findings failed = FindProbed(before, found);
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [id, connection] : found) all.push_back(connection);
  JudgeAll(all, why == Due::kTime);
  if (stopping_) return ShuttingDown();
  Publish(before, found, std::move(failed), mark, why);
  Round round;
  for (const auto& [id, connection] : found) {
    round.failing += connection->failing() ? 1 : 0;
    round.unknown += connection->state == "unknown" ? 1 : 0;
    round.found[id] = connection;
  }
  return round;
}

// What came of it, for people.
std::string Connections::Close(const Connection& connection, SteadyTime until, Round& round) const {
  const WatchedConnection* row = connection.watched;
  for (const WatchedConnection& one : parts_.watched) {
    const bool of_kind = !one.endpoint && !one.ike && one.kind == connection.registration.kind;
    if (row == nullptr && of_kind) row = &one;
  }
  const bool possible = !connection.ike_sa.empty() || (row != nullptr && !row->close.empty());
  if (possible && parts_.clock.Steady() >= until) return kLater;
  const auto closed = CloseConnection(connection, row, parts_.helper);
  if (!closed) return "not closed: " + closed.error().detail;
  if (closed.value().empty()) return "its service is told by this event";
  ++round.closed;
  return closed.value();
}

// What fails is told, and closed where that can be done; again at each check until it is gone.
void Connections::CloseFailing(Round& round) {
  const SteadyTime until = parts_.clock.Steady() + kClosingLimit;
  // Those first that nobody has tried to close: what does not obey takes its time in each round.
  std::vector<std::string> order;
  for (const bool tried : {false, true}) {
    for (const auto& [id, one] : round.found) {
      const bool was_tried = !one->closing.empty() && one->closing != kLater;
      if (one->failing() && was_tried == tried) order.push_back(id);
    }
  }
  for (const std::string& id : order) {
    std::shared_ptr<const Connection>& judged = round.found[id];
    if (stopping_) return;
    {
      // Its service may have closed it, and made another one.
      const std::lock_guard lock(mutex_);
      const auto present = held_.find(id);
      if (present == held_.end() || present->second != judged) continue;
    }
    auto closed = std::make_shared<Connection>(*judged);
    closed->closing = Close(*judged, until, round);
    {
      const std::lock_guard lock(mutex_);
      const auto present = held_.find(id);
      if (present != held_.end() && present->second == judged) present->second = closed;
    }
    judged = closed;
    const api::ConnectionInfo info = Describe(*judged);
    json::object details;
    details["state"] = "close";
    details["id"] = info.id;
    details["kind"] = info.kind;
    details["peer"] = info.peer;
    details["by"] = info.by;
    details["certificate"] = info.fingerprint;
    details["reason"] = info.reason;
    details["closing"] = info.closing;
    std::string text = "the " + info.kind + " connection " + info.id + " to " + info.peer +
                       " must be closed: " + info.reason + " (" + info.closing + ")";
    Log(LogLevel::kWarning, text);
    round.told.push_back(info.id + " to " + info.peer + ": " + info.closing);
    parts_.events.Tell("connection", std::move(text), std::move(details));
  }
}

Connections::Due Connections::IsDue() const {
  const keystore::PlanInput in = parts_.trust.Input();
  if (keystore::SettingValue(in, keystore::kValidityCheck) != "true") return Due::kNo;
  // SPEC R4: the revocation check's interval wins.
  const RevocationSettings revocation = RevocationSettingsOf(in);
  std::chrono::seconds every =
      revocation.enabled
          ? revocation.every
          : keystore::IntervalOf(keystore::SettingValue(in, keystore::kValidityFrequency));
  const std::lock_guard lock(mutex_);
  const bool nothing = held_.empty() && parts_.watched.empty();
  if (nothing) return Due::kNo;
  if (!checked_ || *checked_ > in.now || in.now - *checked_ >= every) return Due::kTime;
  if (seen_ != MarkOf(*in.snapshot)) return Due::kChanged;
  const bool again = !troubled_.empty() && in.now - *checked_ >= kAgain * (1u << again_);
  return again ? Due::kAgain : Due::kNo;
}

boost::asio::awaitable<void> Connections::Tick() {
  const Due due = IsDue();
  if (due == Due::kNo) co_return;
  auto job = [this, due] { return CheckAll(due, std::chrono::seconds(0)); };
  Result<Round> round = co_await RunOn(parts_.lane, std::move(job), kRoundLimit);
  if (!round || round.value().failing == 0) co_return;
  // What cannot be audited is not done.
  ChangeRunner::Work work = [this, found = std::make_shared<Round>(std::move(round).value())](
                                std::shared_ptr<keystore::Operation> operation)
      -> boost::asio::awaitable<Result<json::value>> {
    auto close = [this, operation, found]() -> Result<json::value> {
      CloseFailing(*found);
      operation->detail = EscapeLine(Joined(found->told), 2048);
      return json::value(json::object());
    };
    co_return co_await RunOn(parts_.lane, std::move(close), kChangeLimit);
  };
  RequestContext context = SystemContext("connection", kChangeLimit);
  const Result<json::value> closed =
      co_await parts_.changes.Run(std::move(context), "connection.close", "", std::move(work));
  if (!closed) {
    Log(LogLevel::kError,
        "connections that fail could not be closed: " + closed.error().ToString());
  }
}

boost::asio::awaitable<void> Connections::Watch() {
  return Repeat([this] { return Tick(); }, kNap, stopping_);
}

}  // namespace signet::services
