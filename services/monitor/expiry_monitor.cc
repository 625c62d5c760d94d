#include "services/monitor/expiry_monitor.h"

#include <algorithm>
#include <mutex>

#include "keystore/node_log.h"
#include "keystore/snapshot.h"
#include "platform/logging.h"

namespace signet::services {
namespace {

constexpr char kMemory[] = "expiry-monitor";
// Timers run by the steady clock, certificates end by the wall clock, and new ones come: so often
// is the plan brought up to date. The look also refreshes what the status warns of.
constexpr Duration kGlance = std::chrono::minutes(10);
constexpr Duration kRetry = std::chrono::seconds(10);  // when the lane is full
constexpr std::size_t kToldFindings = 20;              // in an event

std::optional<ExpirySchedule> Recalled(keystore::NodeLog& log) {
  Result<std::optional<std::string>> text = log.Recall(kMemory);
  if (!text) {
    Log(LogLevel::kError, "the expiry monitor's plan cannot be read: " + text.error().ToString());
    return std::nullopt;
  }
  if (!text.value()) return std::nullopt;
  const Result<json::value> parsed = ParseJson(*text.value());
  if (!parsed) return std::nullopt;
  Result<ExpirySchedule> schedule = FromJson<ExpirySchedule>(parsed.value());
  if (!schedule) {
    Log(LogLevel::kError, "the expiry monitor's plan is damaged: " + schedule.error().ToString());
    return std::nullopt;
  }
  return std::move(schedule).value();
}

std::string Hours(std::chrono::seconds span) {
  return std::to_string(std::chrono::floor<std::chrono::hours>(span).count()) + " h";
}

}  // namespace

struct ExpiryMonitor::Impl : std::enable_shared_from_this<ExpiryMonitor::Impl> {
  explicit Impl(Parts given) : parts(given) {}

  void Start();
  void Stop();
  void Tick();
  void Arm(Duration delay);
  void Persist();
  std::string TellRun(const ExpiryLook& look, WallTime now, WallTime next);
  ExpiryLook LookNow(WallTime now) const {
    const auto snapshot = parts.state.Now();
    return LookAtExpiry({parts.catalogue, parts.names, *snapshot, parts.start(), now,
                         parts.others ? parts.others(now) : OtherPlaces()});
  }

  const Parts parts;
  mutable std::mutex mutex;  // guards what follows
  bool running = false;
  WallTime since{};
  std::optional<ExpirySchedule> schedule;  // none: it never ran
  ExpiryLook look;
  std::unique_ptr<Timer> timer;
};

// Of what is begun under the mutex nothing is destroyed under it: the end of a timer waits for its
// callback, which may wait for the mutex.
void ExpiryMonitor::Impl::Arm(Duration delay) {
  std::unique_ptr<Timer> former;
  const std::lock_guard lock(mutex);
  if (!running) return;
  former = std::exchange(timer, nullptr);
  timer = parts.clock.After(delay, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->parts.lane.TryPost([self] { self->Tick(); })) self->Arm(kRetry);
  });
}

void ExpiryMonitor::Impl::Start() {
  const WallTime now = parts.clock.Now();
  ExpiryLook first = LookNow(now);
  ExpirySchedule planned;
  {
    const std::lock_guard lock(mutex);
    if (running) return;
    running = true;
    since = now;
    schedule = StartSchedule(schedule, now, first.earliest);
    look = std::move(first);
    planned = *schedule;
  }
  json::object details;
  details["state"] = "running";
  details["nextRun"] = FormatTime(planned.next_run);
  std::string text =
      std::string(kExpiryMonitorName) + " started; it runs next at " + FormatTime(planned.next_run);
  if (const auto overdue = Overdue(planned, now)) {
    text += "; a run has been owed for " + Hours(*overdue);
    details["overdueSeconds"] = overdue->count();
  }
  parts.events.Tell("monitor", std::move(text), std::move(details));
  // At once on the lane: that writes the plan down, and sets the timer.
  if (!parts.lane.TryPost([self = shared_from_this()] {
        self->Persist();
        self->Tick();
      }))
    Arm(kRetry);
}

void ExpiryMonitor::Impl::Stop() {
  std::unique_ptr<Timer> former;
  {
    const std::lock_guard lock(mutex);
    if (!running) return;
    running = false;
    since = parts.clock.Now();
    former = std::exchange(timer, nullptr);
  }
  json::object details;
  details["state"] = "stopped";
  parts.events.Tell("monitor", std::string(kExpiryMonitorName) + " stopped", std::move(details));
}

// On the lane, so one at a time.
void ExpiryMonitor::Impl::Tick() {
  const WallTime now = parts.clock.Now();
  ExpiryLook fresh = LookNow(now);
  bool ran = false;
  WallTime next{};
  {
    const std::lock_guard lock(mutex);
    if (!running) return;
    schedule = Reschedule(*schedule, now, fresh.earliest);
    ran = IsDue(*schedule, now);
    if (ran) schedule = AfterRun(*schedule, now, fresh.earliest);
    next = schedule->next_run;
    look = fresh;
  }
  if (ran) {
    Persist();
    TellRun(fresh, now, next);
  }
  Arm(std::clamp<Duration>(next - now, std::chrono::seconds(1), kGlance));
}

// The newest plan, whoever calls: all calls are on the lane.
void ExpiryMonitor::Impl::Persist() {
  std::string text;
  {
    const std::lock_guard lock(mutex);
    text = json::serialize(ToJson(*schedule));
  }
  const signet::Status kept = parts.log.Remember(kMemory, text);
  if (!kept) {
    Log(LogLevel::kError, "the expiry monitor's plan is not kept: " + kept.error().ToString());
  }
}

std::string ExpiryMonitor::Impl::TellRun(const ExpiryLook& found, WallTime now, WallTime next) {
  std::string came = parts.ran ? parts.ran(found, now) : std::string();
  json::object details;
  details["state"] = "ran";
  details["run"] = FormatTime(now);
  details["nextRun"] = FormatTime(next);
  details["checked"] = found.checked;
  details["expired"] = found.expired;
  details["expiresSoon"] = found.soon;
  details["unknown"] = found.unknown;
  if (!came.empty()) details["mail"] = came;
  json::array findings;
  for (const Finding& finding : found.findings) {
    if (findings.size() == kToldFindings) break;
    findings.push_back({{"id", finding.id},
                        {"severity", SeverityName(finding.severity)},
                        {"text", finding.text},
                        {"certificate", finding.certificate}});
  }
  details["findings"] = std::move(findings);
  parts.events.Tell(
      "monitor",
      std::string(kExpiryMonitorName) + " looked at " + std::to_string(found.checked) +
          " certificates: " + std::to_string(found.expired) + " expired, " +
          std::to_string(found.soon) + " expire soon" + (came.empty() ? "" : "; " + came),
      std::move(details));
  return came;
}

ExpiryMonitor::ExpiryMonitor(Parts parts) : impl_(std::make_shared<Impl>(parts)) {
  impl_->since = parts.clock.Now();
  impl_->schedule = Recalled(parts.log);
}

ExpiryMonitor::~ExpiryMonitor() { Stop(); }

void ExpiryMonitor::Start() { impl_->Start(); }

Result<ExpiryMonitor::RunReport> ExpiryMonitor::RunNow() {
  const WallTime now = impl_->parts.clock.Now();
  RunReport report;
  report.look = impl_->LookNow(now);
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->running) {
      return MakeError(Kind::kConflict, "MONITOR_STOPPED",
                       std::string(kExpiryMonitorName) + " is stopped",
                       "signet service start " + std::string(kExpiryMonitorName));
    }
    impl_->schedule = AfterRun(*impl_->schedule, now, report.look.earliest);
    report.next_run = impl_->schedule->next_run;
    impl_->look = report.look;
  }
  impl_->Persist();
  report.came = impl_->TellRun(report.look, now, report.next_run);
  impl_->Arm(std::clamp<Duration>(report.next_run - now, std::chrono::seconds(1), kGlance));
  return report;
}

void ExpiryMonitor::Stop() { impl_->Stop(); }
void ExpiryMonitor::Restart() {
  Stop();
  Start();
}

ExpiryMonitor::Status ExpiryMonitor::Look() const {
  const WallTime now = impl_->parts.clock.Now();
  const std::lock_guard lock(impl_->mutex);
  Status status;
  status.running = impl_->running;
  status.since = impl_->since;
  if (impl_->schedule) {
    status.last_run = impl_->schedule->last_run;
    if (impl_->running) status.next_run = impl_->schedule->next_run;
    status.overdue = Overdue(*impl_->schedule, now);
  }
  status.checked = impl_->look.checked;
  status.expired = impl_->look.expired;
  status.unknown = impl_->look.unknown;
  status.levels = impl_->look.levels;
  status.lscs = impl_->look.lscs;
  status.warnings = impl_->look.findings;
  if (!impl_->running) {
    status.warnings.push_back({Severity::kWarning, "MONITOR_STOPPED",
                               std::string(kExpiryMonitorName) + " is stopped since " +
                                   FormatTime(impl_->since) +
                                   ": nobody is told when certificates expire; start it",
                               ""});
  }
  if (status.overdue) {
    status.warnings.push_back({Severity::kWarning, "MONITOR_OVERDUE",
                               "a run of " + std::string(kExpiryMonitorName) +
                                   " has been owed for " + Hours(*status.overdue) +
                                   (status.next_run ? ", since it was started anew; it runs at " +
                                                          FormatTime(*status.next_run)
                                                    : std::string()),
                               ""});
  }
  return status;
}

}  // namespace signet::services
