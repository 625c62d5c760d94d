#include "platform/unit_manager.h"

#include <systemd/sd-journal.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "platform/encoding.h"
#include "platform/unit_bus.h"

namespace signet {
namespace {

using units::About;
using units::BusUnavailable;
using units::Conversation;
using units::Deleter;
using units::kManager;
using units::kManagerPath;
using units::Message;
using units::Properties;

constexpr char kSystemBus[] = "unix:path=/run/dbus/system_bus_socket";
constexpr std::size_t kLineLimit = 1024;

using Journal = std::unique_ptr<sd_journal, Deleter<sd_journal_close>>;

// The jobs that ended since systemd was asked to tell: a short one may end before the answer that
// names it arrives.
struct Jobs {
  std::string manager;  // systemd's own name on the bus; anybody may send us a signal
  std::string awaited;
  std::map<std::string, std::string> results;  // by path of the job
  bool done = false;

  void Await(std::string job) {
    awaited = std::move(job);
    done = results.contains(awaited);
  }

  static int OnRemoved(sd_bus_message* message, void* data, sd_bus_error* /*unused*/) {
    auto& jobs = *static_cast<Jobs*>(data);
    const char* sender = sd_bus_message_get_sender(message);
    std::uint32_t id = 0;
    const char *job = nullptr, *unit = nullptr, *result = nullptr;
    if (sender == nullptr || jobs.manager != sender) return 0;
    if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0) return 0;
    jobs.results.emplace(job, result);
    if (jobs.awaited == job) jobs.done = true;
    return 0;
  }
};

struct VerbRow {
  UnitVerb verb;
  const char* method;
  const char* done;  // "was not …"
};
constexpr std::array<VerbRow, 4> kVerbs{{
    {UnitVerb::kStart, "StartUnit", "started"},
    {UnitVerb::kStop, "StopUnit", "stopped"},
    {UnitVerb::kRestart, "RestartUnit", "restarted"},
    {UnitVerb::kReload, "ReloadUnit", "reloaded"},
}};

// Results of jobs, org.freedesktop.systemd1(5), JobRemoved.
struct JobResultRow {
  std::string_view result, meaning;
};
constexpr std::array<JobResultRow, 6> kJobResults{{
    {"failed", "it failed"},
    {"timeout", "it took longer than its unit allows"},
    {"dependency", "a unit that it needs did not start"},
    {"canceled", "another job replaced it"},
    {"skipped", "a condition of its unit does not hold"},
    {"assert", "an assertion of its unit does not hold"},
}};

Error JobFailed(const VerbRow& verb, const std::string& unit, const std::string& result) {
  const auto* row =
      std::find_if(kJobResults.begin(), kJobResults.end(),
                   [&](const JobResultRow& candidate) { return candidate.result == result; });
  const std::string meaning = row == kJobResults.end() ? "" : ": " + std::string(row->meaning);
  return MakeError(Kind::kUnavailable, "UNIT_JOB_FAILED",
                   unit + " was not " + verb.done + meaning + " (job " + EscapeLine(result) + ")",
                   About("Run 'systemctl status UNIT' and 'journalctl -u UNIT' to see why.", unit));
}

Error JobSlow(const VerbRow& verb, const std::string& unit) {
  return MakeError(Kind::kTimeout, "UNIT_JOB_SLOW",
                   unit + " was not " + verb.done + " in time; its job may still go on",
                   About("Run 'systemctl list-jobs' and 'journalctl -u UNIT'.", unit));
}

// When a unit came into its state: which timestamp says so.
struct SinceRow {
  std::string_view active;
  const char* property;
};
constexpr std::array<SinceRow, 6> kSince{{
    {"active", "ActiveEnterTimestamp"},
    {"reloading", "ActiveEnterTimestamp"},
    {"inactive", "InactiveEnterTimestamp"},
    {"failed", "InactiveEnterTimestamp"},
    {"activating", "InactiveExitTimestamp"},
    {"deactivating", "ActiveExitTimestamp"},
}};

UnitStatus StatusOf(const Properties& properties) {
  UnitStatus status;
  status.load = properties.Text("LoadState");
  status.active = properties.Text("ActiveState");
  status.sub = properties.Text("SubState");
  status.result = properties.Text("Result");
  status.invocation = properties.Text("InvocationID");
  status.main_pid = static_cast<std::int64_t>(properties.Number("MainPID"));
  status.can_reload = properties.Number("CanReload") != 0;
  status.since = properties.Time("StateChangeTimestamp");
  for (const SinceRow& row : kSince) {
    if (row.active == status.active) status.since = properties.Time(row.property);
  }
  status.started = properties.Time("ExecMainStartTimestamp");
  if (!status.started) status.started = properties.Time("ActiveEnterTimestamp");
  return status;
}

constexpr std::array<std::string_view, 11> kSuffixes{".service", ".socket",    ".target", ".device",
                                                     ".mount",   ".automount", ".swap",   ".timer",
                                                     ".path",    ".slice",     ".scope"};

constexpr std::string_view kNameCharacters =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@";
constexpr std::size_t kNameLimit = 255;

// What is wrong with a name; empty: nothing.
std::string_view NameProblem(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kNameLimit) return "is longer than 255 characters";
  if (name.find_first_not_of(kNameCharacters) != std::string_view::npos)
    return "has characters that no unit's name has";
  const std::size_t dot = name.rfind('.');
  const auto suffix = dot == std::string_view::npos ? std::string_view() : name.substr(dot);
  if (std::find(kSuffixes.begin(), kSuffixes.end(), suffix) == kSuffixes.end())
    return "does not end like a unit's name";
  const std::string_view stem = name.substr(0, dot);
  if (stem.empty() || stem.front() == '@') return "has nothing before its suffix or its '@'";
  if (stem.find('@') == stem.size() - 1) return "is a template without its instance";
  return {};
}

// The present entry's text.
std::string JournalMessage(sd_journal* journal) {
  constexpr std::string_view kField = "MESSAGE=";
  const void* data = nullptr;
  std::size_t size = 0;
  if (sd_journal_get_data(journal, "MESSAGE", &data, &size) < 0) return {};
  std::string_view text(static_cast<const char*>(data), size);
  if (text.starts_with(kField)) text.remove_prefix(kField.size());
  return EscapeLine(text, kLineLimit);
}

}  // namespace

Status CheckUnitName(const std::string& name) {
  const std::string_view problem = NameProblem(name);
  if (problem.empty()) return Ok();
  return MakeError(
      Kind::kUsage, "UNIT_NAME_INVALID",
      "the unit's name '" + EscapeLine(name, 80) + "' " + std::string(problem),
      "Name one unit of this machine with its suffix, as 'systemctl list-units' prints "
      "it: nginx.service");
}

UnitManager::UnitManager(std::string bus_address, std::string journal_directory)
    : bus_address_(bus_address.empty() ? kSystemBus : std::move(bus_address)),
      journal_directory_(std::move(journal_directory)) {}

Result<UnitStatus> UnitManager::Look(const std::string& unit, Duration limit) const {
  SIGNET_TRY(CheckUnitName(unit));
  SIGNET_TRY(auto talk, Conversation::Open(bus_address_, unit, limit));
  // GetUnit knows only what is loaded, and systemd drops a stopped unit from memory.
  SIGNET_TRY(const Message loaded,
             talk.Call(kManagerPath, kManager, "LoadUnit", "s", unit.c_str()));
  const char* path = nullptr;
  if (sd_bus_message_read(loaded.get(), "o", &path) < 0)
    return BusUnavailable("an answer of another form");
  // No interface: those of Unit and of its kind at once.
  SIGNET_TRY(const Message all, talk.Call(path, units::kProperties, "GetAll", "s", ""));
  SIGNET_TRY(const Properties properties, units::ReadProperties(all.get()));
  UnitStatus status = StatusOf(properties);
  if (status.load == "not-found") return units::UnitUnknown(unit);
  return status;
}

Status UnitManager::Run(UnitVerb verb, const std::string& unit, Duration limit) const {
  SIGNET_TRY(CheckUnitName(unit));
  const VerbRow& row = kVerbs.at(static_cast<std::size_t>(verb));
  Jobs jobs;  // outlives the connection, which holds a pointer to it
  SIGNET_TRY(auto talk, Conversation::Open(bus_address_, unit, limit));
  SIGNET_TRY(talk.Watch("JobRemoved", &Jobs::OnRemoved, &jobs));
  // Without a subscriber systemd sends no signals at all.
  SIGNET_TRY(const Message subscribed, talk.Call(kManagerPath, kManager, "Subscribe", ""));
  const char* manager = sd_bus_message_get_sender(subscribed.get());
  jobs.manager = manager != nullptr ? manager : "";
  auto queued = talk.Call(kManagerPath, kManager, row.method, "ss", unit.c_str(), "replace");
  if (!queued && talk.late()) return JobSlow(row, unit);
  if (!queued) return std::move(queued).error();
  const char* job = nullptr;
  if (sd_bus_message_read(queued.value().get(), "o", &job) < 0)
    return BusUnavailable("an answer of another form");
  jobs.Await(job);
  SIGNET_TRY(const bool ended, talk.Await(jobs.done));
  if (!ended) return JobSlow(row, unit);
  const std::string& result = jobs.results.at(jobs.awaited);
  if (result != "done") return JobFailed(row, unit, result);
  return Ok();
}

std::vector<std::string> UnitManager::LastLines(const std::string& unit, std::size_t count) const {
  if (!CheckUnitName(unit)) return {};
  sd_journal* opened = nullptr;
  const int code = journal_directory_.empty()
                       ? sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM)
                       : sd_journal_open_directory(&opened, journal_directory_.c_str(), 0);
  if (code < 0) return {};
  const Journal journal(opened);
  sd_journal_set_data_threshold(opened, 4 * kLineLimit);
  const std::string by = "_SYSTEMD_UNIT=" + unit, about = "UNIT=" + unit;
  const bool matched = sd_journal_add_match(opened, by.data(), by.size()) >= 0 &&
                       sd_journal_add_disjunction(opened) >= 0 &&
                       sd_journal_add_match(opened, about.data(), about.size()) >= 0 &&
                       // Anybody may write a field UNIT; process 1 is systemd.
                       sd_journal_add_match(opened, "_PID=1", 0) >= 0;
  if (!matched || sd_journal_seek_tail(opened) < 0) return {};
  std::vector<std::string> lines;
  while (lines.size() < count && sd_journal_previous(opened) > 0) {
    lines.push_back(JournalMessage(opened));
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace signet
