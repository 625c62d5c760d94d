#include <algorithm>
#include <set>
#include <thread>

#include "platform/encoding.h"
#include "platform/failpoint.h"
#include "platform/suggestion.h"
#include "services/control/control_slot.h"
#include "services/joined.h"
#include "services/paging.h"

namespace signet::services {

namespace {

constexpr Duration kBetweenLooks = std::chrono::milliseconds(200);
constexpr Duration kChangeLimit = std::chrono::hours(24);  // services have limits of their own
// A start of the daemon's own is over in a moment; a plan is not.
constexpr Duration kTurn = std::chrono::seconds(2);
constexpr Duration kSettling = std::chrono::milliseconds(1500);

Error NotConfigured(const std::string& service) {
  return MakeError(
      Kind::kRefused, "SERVICE_NOT_CONFIGURED",
      "no configuration says what stands behind " + service + " on this node",
      "Add [service.\"" + service + "\"] with 'driver' to signet.toml and restart signetd.");
}

// An error of a service says what the service said last.
Error WithLines(Error error, const std::vector<std::string>& lines) {
  if (!lines.empty()) error.detail += "; its last line: " + lines.back();
  return error;
}

Error NotRunning(const std::string& sentence, const ServiceLook& look,
                 const std::vector<std::string>& lines) {
  return WithLines(MakeError(Kind::kUnavailable, "SERVICE_NOT_RUNNING",
                             sentence + ": it is " + std::string(ServiceStatusName(look.status)) +
                                 (look.reason.empty() ? "" : " (" + look.reason + ")"),
                             "Look at what it says (journalctl, its own log), mend its "
                             "configuration, then 'signet service restart' it."),
                   lines);
}

bool SameButCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// As people type it: the whole name, regardless of case. A part of one is answered by those that it
// may be.
Result<const keystore::Service*> NamedService(const keystore::Catalogue& catalogue,
                                              const std::string& typed) {
  std::vector<std::string> names, parts;
  for (const keystore::Service& row : catalogue.services) {
    if (SameButCase(row.name, typed)) return &row;
    names.push_back(row.name);
    const auto found = std::search(
        row.name.begin(), row.name.end(), typed.begin(), typed.end(),
        [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
    if (!typed.empty() && found != row.name.end()) parts.push_back(row.name);
  }
  const std::string quoted = "'" + EscapeLine(typed, 64) + "'";
  if (parts.size() > 1) {
    std::string list;
    for (const std::string& part : parts) list += (list.empty() ? "" : ", ") + part;
    return MakeError(Kind::kUsage, "SERVICE_AMBIGUOUS", quoted + " may be several services",
                     "Give the whole name: " + list + ".");
  }
  return MakeError(
      Kind::kNotFound, "SERVICE_UNKNOWN", "there is no service " + quoted,
      (parts.empty() ? Suggestion(typed, names) : "Did you mean '" + parts.front() + "'? ") +
          "'signet service list' shows all.");
}

std::vector<std::string> CausesOf(const std::vector<keystore::OwedRecord>& owed) {
  std::vector<std::string> causes;
  for (const keystore::OwedRecord& record : owed) causes.push_back(record.cause);
  return causes;
}

}  // namespace

bool AllCurrent(const std::vector<WireLook>& looks) {
  return std::all_of(looks.begin(), looks.end(),
                     [](const WireLook& look) { return look.verdict == WireVerdict::kCurrent; });
}

api::ServiceProof ProofOf(const std::string& service, const WireLook& look) {
  return {service,      look.endpoint, look.purpose,     std::string(WireVerdictName(look.verdict)),
          look.detail,  look.remedy,   look.fingerprint, look.serial,
          look.protocol};
}

ControlCenter::ControlCenter(Parts parts, Teller tell)
    : parts_(std::move(parts)), tell_(std::move(tell)), owed_(parts_.state) {
  for (const auto& [name, row] : parts_.state.Now()->owed) told_[name] = row.value.operation;
}

ControlCenter::~ControlCenter() = default;

Result<std::unique_ptr<ControlCenter>> ControlCenter::Open(Parts parts,
                                                           std::vector<ControlledService> services,
                                                           const DriverTools& tools, Teller tell) {
  std::unique_ptr<ControlCenter> center(new ControlCenter(std::move(parts), std::move(tell)));
  for (const BuiltinService* builtin : tools.builtins) {
    ControlledService service;
    service.name = builtin->name();
    service.driver = DriverKind::kBuiltin;
    const bool named = std::any_of(services.begin(), services.end(),
                                   [&](const auto& one) { return one.name == service.name; });
    if (!named) services.push_back(std::move(service));
  }
  for (const keystore::Service& row : center->parts_.catalogue.services) {
    const auto found = std::find_if(services.begin(), services.end(),
                                    [&](const auto& one) { return one.name == row.name; });
    if (found == services.end()) continue;
    auto slot = std::make_unique<Slot>();
    slot->config = std::move(*found);
    slot->row = &row;
    SIGNET_TRY(slot->driver, MakeDriver(slot->config, tools));
    center->slots_.push_back(std::move(slot));
  }
  return center;
}

ControlCenter::Slot* ControlCenter::Find(const std::string& service) const {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const auto& slot) { return slot->config.name == service; });
  return found == slots_.end() ? nullptr : found->get();
}

const ControlledService& ControlCenter::ConfigOf(const Slot& slot) { return slot.config; }

std::vector<keystore::OwedRecord> ControlCenter::OwedOf(const Slot& slot) const {
  return keystore::Owed::Of(*parts_.state.Now(), slot.config.name);
}

std::vector<ControlCenter::Slot*> ControlCenter::Owing() const {
  std::vector<Slot*> owing;
  for (const auto& slot : slots_) {
    if (!OwedOf(*slot).empty()) owing.push_back(slot.get());
  }
  return owing;
}

std::vector<WireLook> ControlCenter::LookOnce(Slot& slot, Duration limit) {
  std::vector<WireLook> looks;
  const auto snapshot = parts_.state.Now();
  const AddressPolicy policy = parts_.policy();
  for (const Endpoint& endpoint : slot.config.endpoints) {
    for (WireLook& look :
         services::LookAt(*snapshot, parts_.catalogue, endpoint, policy, parts_.clock.Now(), limit))
      looks.push_back(std::move(look));
  }
  return looks;
}

Status ControlCenter::Act(Slot& slot, ServiceVerb verb) {
  const auto until = parts_.clock.Steady() + slot.config.limit;
  if (Status done = slot.driver->Run(verb, slot.config.limit); !done) {
    Error error = std::move(done).error();
    // The wait is over, and so is this change: to the journal a time-out is work that goes on.
    if (error.kind == Kind::kTimeout) error.kind = Kind::kUnavailable;
    return WithLines(std::move(error), slot.driver->LastLines());
  }
  if (verb == ServiceVerb::kStop) return Ok();
  while (true) {
    SIGNET_TRY(const ServiceLook look, slot.driver->Look());
    if (look.status == ServiceStatus::kRunning || look.status == ServiceStatus::kUnmanaged)
      return Ok();
    if (stopping_) {
      return MakeError(Kind::kUnavailable, "DAEMON_ENDS", "signetd was asked to end meanwhile",
                       "Look at 'signet service list' when it runs again.");
    }
    if (look.status != ServiceStatus::kStarting || parts_.clock.Steady() >= until) {
      return NotRunning(slot.config.name + " did not come back", look, slot.driver->LastLines());
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

std::vector<WireLook> ControlCenter::Prove(Slot& slot) {
  const auto until = parts_.clock.Steady() + slot.config.proof;
  while (true) {
    const Duration left = until - parts_.clock.Steady();
    std::vector<WireLook> looks = LookOnce(slot, std::clamp(left, kBetweenLooks, kHandshakeLimit));
    if (AllCurrent(looks) || parts_.clock.Steady() >= until || stopping_ || !StillRuns(slot)) {
      Remember(slot, looks);
      return looks;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

std::vector<WireLook> ControlCenter::LookNow(Slot& slot) { return LookOnce(slot, kHandshakeLimit); }

// A look that was under way meanwhile knows by the turns that it is out of date.
struct ControlCenter::Leaver {
  Slot& slot;
  ~Leaver() { ++slot.turns; }
};

Proven ControlCenter::DoAndProve(Slot& slot, ServiceVerb verb, Duration patience) {
  Proven proven;
  std::unique_lock acting(slot.acting, std::try_to_lock);
  for (const auto until = parts_.clock.Steady() + patience;
       !acting.owns_lock() && !stopping_ && parts_.clock.Steady() < until;
       std::ignore = acting.try_lock())
    std::this_thread::sleep_for(kBetweenLooks);
  if (!acting.owns_lock()) {
    proven.done = MakeError(Kind::kConflict, "SERVICE_BUSY",
                            slot.config.name + " is being started, stopped, restarted or proved",
                            "Wait for that to end ('signet events --follow').");
    return proven;
  }
  ++slot.turns;
  const Leaver leaver{slot};
  proven.done = Act(slot, verb);
  Failpoint("service.acted");
  if (!proven.done || verb == ServiceVerb::kStop) return proven;
  proven.looks = Prove(slot);
  if (AllCurrent(proven.looks)) {
    std::this_thread::sleep_for(kSettling);
    proven.looks = LookOnce(slot, kHandshakeLimit);
    Remember(slot, proven.looks);
  }
  proven.done = StillRuns(slot);
  return proven;
}

Status ControlCenter::StillRuns(Slot& slot) {
  SIGNET_TRY(const ServiceLook look, slot.driver->Look());
  if (look.status == ServiceStatus::kRunning || look.status == ServiceStatus::kUnmanaged)
    return Ok();
  return NotRunning(slot.config.name + " does not stay up", look, slot.driver->LastLines());
}

Result<ServiceLook> ControlCenter::Look(Slot& slot) { return slot.driver->Look(); }

std::vector<std::string> ControlCenter::LastLines(Slot& slot) const {
  return slot.driver->LastLines();
}

Status ControlCenter::Settle(Slot& slot, const std::vector<keystore::OwedRecord>& done) {
  // Another look may have seen a part of it before.
  SIGNET_TRY(const std::vector<keystore::OwedRecord> cleared, owed_.Clear(done));
  if (!cleared.empty()) {
    tell_("restart.done",
          slot.config.name + " has taken up the change of " + Joined(CausesOf(cleared)),
          {{"service", slot.config.name}, {"causes", ToJson(CausesOf(cleared))}});
  }
  return Ok();
}

// One service and, after a restart, those below it. What was owed before goes when it was seen.
api::ServiceChange ControlCenter::RunNow(Slot& slot, ServiceVerb verb, Status& failed) {
  api::ServiceChange change;
  change.service = slot.config.name;
  std::vector<Slot*> all = {&slot};
  if (verb == ServiceVerb::kRestart) {
    for (const std::string& name : slot.row->below) {
      Slot* below = Find(name);
      if (below == nullptr) continue;
      // One that somebody has stopped stays so.
      const auto look = below->driver->Look();
      if (!look || look.value().status != ServiceStatus::kStopped) all.push_back(below);
    }
  }
  for (Slot* one : all) {
    const auto owed = OwedOf(*one);
    Proven proven = DoAndProve(*one, verb, kTurn);
    failed = std::move(proven.done);
    if (!failed) break;
    change.restarted.push_back(one->config.name);
    tell_("service", one->config.name + ": " + std::string(ServiceVerbName(verb)) + " done",
          {{"service", one->config.name}, {"verb", ServiceVerbName(verb)}});
    if (verb == ServiceVerb::kStop) continue;
    for (const WireLook& look : proven.looks) {
      change.proofs.push_back(ProofOf(one->config.name, look));
      if (look.verdict == WireVerdict::kCurrent) continue;
      change.findings.push_back({Severity::kWarning, "NOT_SERVED",
                                 one->config.name + " at " + look.endpoint + ", " + look.purpose +
                                     ": " + look.detail + ". " + look.remedy,
                                 look.fingerprint});
    }
    if (!AllCurrent(proven.looks)) continue;
    const bool took_up = verb == ServiceVerb::kRestart ||
                         (verb == ServiceVerb::kReload && one->config.take_up == TakeUp::kReload);
    failed = Settle(*one, took_up ? owed : Evident(*one, owed, proven.looks));
    if (!failed) break;
  }
  change.owed = CausesOf(OwedOf(slot));
  return change;
}

boost::asio::awaitable<Result<api::ServiceChange>> ControlCenter::Run(
    RequestContext, std::shared_ptr<keystore::Operation> operation, ServiceVerb verb,
    api::ServiceRequest request) {
  SIGNET_CO_TRY(const keystore::Service* row, NamedService(parts_.catalogue, request.service));
  Slot* slot = Find(row->name);
  if (slot == nullptr) co_return NotConfigured(row->name);
  operation->detail = std::string(ServiceVerbName(verb)) + " " + row->name;
  auto job = [this, slot, verb, operation]() -> Result<api::ServiceChange> {
    Status failed = Ok();
    api::ServiceChange change = RunNow(*slot, verb, failed);
    if (!failed) return std::move(failed).error();
    change.changed = true;
    change.operation = operation->id;
    if (auto look = slot->driver->Look())
      change.status = std::string(ServiceStatusName(look.value().status));
    return change;
  };
  // However long the caller waits: it goes on, and its end is audited.
  co_return co_await RunOn(parts_.lane, std::move(job), kChangeLimit);
}

api::ServiceInfo ControlCenter::Describe(const keystore::Service& row) const {
  api::ServiceInfo info;
  info.service = row.name;
  info.node = parts_.names.node;
  info.group = row.group == keystore::ServiceGroup::kFeature ? "feature" : "network";
  info.status = std::string(ServiceStatusName(ServiceStatus::kNotConfigured));
  Slot* slot = Find(row.name);
  if (slot == nullptr) return info;
  static constexpr const char* kDrivers[] = {"systemd", "process", "builtin", "unmanaged"};
  info.driver = kDrivers[static_cast<std::size_t>(slot->config.driver)];
  const auto look = slot->driver->Look();
  if (look) {
    info.status = std::string(ServiceStatusName(look.value().status));
    info.reason = EscapeLine(look.value().reason);
    info.since = look.value().since;
  } else {
    info.status = std::string(ServiceStatusName(ServiceStatus::kFailed));
    info.reason = EscapeLine(look.error().detail);
  }
  info.causes = CausesOf(OwedOf(*slot));
  info.owed = !info.causes.empty();
  const std::lock_guard lock(slot->mutex);
  std::vector<std::string> serials;
  WireVerdict worst = WireVerdict::kCurrent;
  for (const WireLook& one : slot->looks) {
    if (!one.serial.empty() &&
        std::find(serials.begin(), serials.end(), one.serial) == serials.end())
      serials.push_back(one.serial);
    worst = std::max(worst, one.verdict);
  }
  info.serving = Joined(serials);
  if (!slot->looks.empty()) info.wire = std::string(WireVerdictName(worst));
  return info;
}

boost::asio::awaitable<Result<api::Page<api::ServiceInfo>>> ControlCenter::List(
    RequestContext context, api::PageRequest request) {
  auto job = [this, request = std::move(request)]() -> Result<api::Page<api::ServiceInfo>> {
    std::map<std::string, const keystore::Service*> rows;
    for (const keystore::Service& row : parts_.catalogue.services)
      rows[std::to_string(1000 + rows.size())] = &row;
    const auto describe = [this](const keystore::Service* row) { return Describe(*row); };
    return MakePage<api::Page<api::ServiceInfo>>(rows, request.limit, request.cursor, describe);
  };
  co_return co_await RunOn(parts_.lane, std::move(job), context.limit);
}

ControlFigures ControlCenter::Figures() const {
  ControlFigures figures;
  for (const auto& slot : slots_) {
    ServiceFigures& one = figures[slot->config.name];
    one.owed = OwedOf(*slot).size();
    const std::lock_guard lock(slot->mutex);
    one.looks = slot->looks;
  }
  return figures;
}

std::vector<Finding> ControlCenter::Warnings() const {
  std::vector<Finding> warnings;
  for (const auto& slot : slots_) {
    if (const auto causes = CausesOf(OwedOf(*slot)); !causes.empty()) {
      warnings.push_back({Severity::kWarning, "RESTART_OWED",
                          slot->config.name + " must take up the change of " + Joined(causes) +
                              ": signet service apply",
                          ""});
    }
    const std::lock_guard lock(slot->mutex);
    for (const WireLook& look : slot->looks) {
      if (look.verdict == WireVerdict::kCurrent) continue;
      warnings.push_back({Severity::kWarning, "DRIFT",
                          slot->config.name + " at " + look.endpoint + ", " + look.purpose + ": " +
                              look.detail + ". " + look.remedy,
                          look.fingerprint});
    }
  }
  return warnings;
}

}  // namespace signet::services
