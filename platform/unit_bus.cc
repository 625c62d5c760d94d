#include "platform/unit_bus.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/encoding.h"

namespace signet::units {
namespace {

constexpr std::string_view kUnknownRemedy =
    "Run 'systemctl list-unit-files' for the names there are; install the service, or run "
    "'systemctl daemon-reload' after its file was written.";
constexpr std::string_view kDeniedRemedy =
    "Allow signetd's user the action org.freedesktop.systemd1.manage-units for UNIT by a rule in "
    "/etc/polkit-1/rules.d, or run 'systemctl' for UNIT as root.";

// What systemd, polkit and the bus answer instead of a result, by the error's name.
struct Answer {
  std::string_view name;
  Kind kind;
  std::string_view word, remedy;
};
constexpr std::array<Answer, 9> kAnswers{{
    {"org.freedesktop.systemd1.NoSuchUnit", Kind::kNotFound, "UNIT_UNKNOWN", kUnknownRemedy},
    {"org.freedesktop.systemd1.UnitMasked", Kind::kRefused, "UNIT_MASKED",
     "Run 'systemctl unmask UNIT' if it should run."},
    {"org.freedesktop.systemd1.LoadFailed", Kind::kUnavailable, "UNIT_BROKEN",
     "Run 'systemd-analyze verify UNIT'."},
    {"org.freedesktop.systemd1.BadUnitSetting", Kind::kUnavailable, "UNIT_BROKEN",
     "Run 'systemd-analyze verify UNIT'."},
    {"org.freedesktop.systemd1.JobTypeNotApplicable", Kind::kRefused, "UNIT_VERB_REFUSED",
     "Restart it instead; only a unit with ExecReload= can be reloaded."},
    {"org.freedesktop.systemd1.OnlyByDependency", Kind::kRefused, "UNIT_VERB_REFUSED",
     "Name the unit that pulls it in: 'systemctl list-dependencies --reverse UNIT'."},
    {SD_BUS_ERROR_ACCESS_DENIED, Kind::kDenied, "UNIT_DENIED", kDeniedRemedy},
    {SD_BUS_ERROR_AUTH_FAILED, Kind::kDenied, "UNIT_DENIED", kDeniedRemedy},
    {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, Kind::kDenied, "UNIT_DENIED", kDeniedRemedy},
}};
// Those that say that nobody is there.
constexpr std::array<std::string_view, 4> kNobody{SD_BUS_ERROR_SERVICE_UNKNOWN,
                                                  SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                                  SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_DISCONNECTED};

Error ErrorOf(const sd_bus_error& said, const std::string& unit) {
  const std::string name = said.name != nullptr ? said.name : "";
  const std::string text = EscapeLine(said.message != nullptr ? said.message : name);
  for (const std::string_view nobody : kNobody) {
    if (nobody == name) return BusUnavailable(text);
  }
  for (const Answer& answer : kAnswers) {
    if (answer.name != name) continue;
    return MakeError(answer.kind, std::string(answer.word), unit + ": " + text,
                     About(answer.remedy, unit));
  }
  return MakeError(Kind::kUnavailable, "UNIT_CALL_FAILED",
                   unit + ": systemd says: " + text + " (" + EscapeLine(name) + ")",
                   About("Run 'systemctl status UNIT' and 'journalctl -u UNIT'.", unit));
}

// The value of a variant whose content has signature `type`.
int ReadValue(sd_bus_message* message, const std::string& name, const std::string& type,
              Properties& into) {
  int code = sd_bus_message_enter_container(message, 'v', type.c_str());
  if (code < 0) return code;
  if (type == "s") {
    const char* text = nullptr;
    code = sd_bus_message_read(message, "s", &text);
    if (code >= 0) into.texts[name] = text;
  } else if (type == "ay") {
    const void* octets = nullptr;
    std::size_t size = 0;
    code = sd_bus_message_read_array(message, 'y', &octets, &size);
    if (code >= 0)
      into.texts[name] = HexEncode(std::string_view(static_cast<const char*>(octets), size));
  } else if (type == "t") {
    code = sd_bus_message_read(message, "t", &into.numbers[name]);
  } else {  // u, b: 32 bits each
    std::uint32_t number = 0;
    code = sd_bus_message_read(message, type.c_str(), &number);
    into.numbers[name] = number;
  }
  return code < 0 ? code : sd_bus_message_exit_container(message);
}

// One entry {sv}.
int ReadEntry(sd_bus_message* message, Properties& into) {
  const char *name = nullptr, *content = nullptr;
  int code = sd_bus_message_read(message, "s", &name);
  if (code >= 0) code = sd_bus_message_peek_type(message, nullptr, &content);
  if (code < 0) return code;
  const std::string type = content != nullptr ? content : "";
  const bool known = type == "s" || type == "ay" || type == "t" || type == "u" || type == "b";
  return known ? ReadValue(message, name, type, into) : sd_bus_message_skip(message, "v");
}

}  // namespace

std::string About(std::string_view text, const std::string& unit) {
  constexpr std::string_view kPlace = "UNIT";
  std::string out(text);
  for (std::size_t at = 0; (at = out.find(kPlace, at)) != std::string::npos; at += unit.size()) {
    out.replace(at, kPlace.size(), unit);
  }
  return out;
}

Error BusUnavailable(const std::string& why) {
  return MakeError(Kind::kUnavailable, "BUS_UNAVAILABLE",
                   "systemd cannot be asked over D-Bus: " + why,
                   "Run 'systemctl status dbus'; where there is no systemd, as in a container, let "
                   "signetd run the service itself.");
}

Error UnitUnknown(const std::string& unit) {
  return MakeError(Kind::kNotFound, "UNIT_UNKNOWN", "there is no unit " + unit,
                   std::string(kUnknownRemedy));
}

Result<Conversation> Conversation::Open(const std::string& address, std::string unit,
                                        Duration limit) {
  Conversation talk;
  talk.unit_ = std::move(unit);
  talk.until_ = std::chrono::steady_clock::now() + limit;
  sd_bus* bus = nullptr;
  int code = sd_bus_new(&bus);
  if (code < 0) return Lost(code);
  talk.bus_.reset(bus);
  code = sd_bus_set_address(bus, address.c_str());
  if (code >= 0) code = sd_bus_set_bus_client(bus, 1);
  if (code >= 0) code = sd_bus_set_method_call_timeout(bus, UINT64_MAX);  // the deadline ends them
  if (code >= 0) code = sd_bus_start(bus);
  if (code < 0) return Lost(code);
  return talk;
}

Status Conversation::Watch(const char* member, sd_bus_message_handler_t callback, void* data) {
  const int code = sd_bus_match_signal_async(bus_.get(), nullptr, kSystemd, kManagerPath, kManager,
                                             member, callback, nullptr, data);
  if (code < 0) return Lost(code);
  return Ok();
}

Result<bool> Conversation::Await(const bool& done) {
  while (!done) {
    const auto left = until_ - std::chrono::steady_clock::now();
    late_ = left <= Duration::zero();
    if (late_) return false;
    int code = sd_bus_process(bus_.get(), nullptr);
    if (code == 0) {
      const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(left).count();
      code = sd_bus_wait(bus_.get(), static_cast<std::uint64_t>(wait) + 1);
    }
    if (code < 0 && code != -EINTR) return Lost(code);
  }
  return true;
}

int Conversation::OnReply(sd_bus_message* message, void* data, sd_bus_error* /*unused*/) {
  auto& pending = *static_cast<Pending*>(data);
  pending.reply.reset(sd_bus_message_ref(message));
  pending.done = true;
  return 1;
}

Result<Message> Conversation::Reply(Pending& pending, const char* member) {
  SIGNET_TRY(const bool answered, Await(pending.done));
  if (!answered) return BusUnavailable("no answer to " + std::string(member) + " in time");
  const sd_bus_error* said = sd_bus_message_get_error(pending.reply.get());
  if (said != nullptr) return ErrorOf(*said, unit_);
  return std::move(pending.reply);
}

Error Conversation::Lost(int code) {
  Error error = BusUnavailable(std::strerror(-code));
  error.origin = {"errno", static_cast<std::uint64_t>(-code)};
  return error;
}

std::string Properties::Text(const std::string& name) const {
  const auto found = texts.find(name);
  return found == texts.end() ? "" : found->second;
}

std::uint64_t Properties::Number(const std::string& name) const {
  const auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

std::optional<WallTime> Properties::Time(const std::string& name) const {
  const auto value = std::chrono::microseconds(static_cast<std::int64_t>(Number(name)));
  if (value.count() <= 0) return std::nullopt;
  return WallTime(std::chrono::floor<std::chrono::seconds>(value));
}

Result<Properties> ReadProperties(sd_bus_message* message) {
  Properties properties;
  int code = sd_bus_message_enter_container(message, 'a', "{sv}");
  while (code >= 0 && (code = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
    code = ReadEntry(message, properties);
    if (code >= 0) code = sd_bus_message_exit_container(message);
  }
  if (code < 0)
    return BusUnavailable("an answer of another form: " + std::string(std::strerror(-code)));
  return properties;
}

}  // namespace signet::units
