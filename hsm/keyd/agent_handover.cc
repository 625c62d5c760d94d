// From one program of signet-keyd to the next, in one process.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "hsm/keyd/agent_impl.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr char kHandover[] = "SIGNET_KEYD_HANDOVER";  // a descriptor; set by a predecessor alone
constexpr std::uint32_t kHandoverVersion = 2;
constexpr std::size_t kMaxHandover = 256u << 20;

// The memory that a predecessor filled, whole; its descriptor is closed.
Result<WipedString> ReadHandover(int descriptor) {
  const off_t size = lseek(descriptor, 0, SEEK_END);
  if (size < 0 || static_cast<std::size_t>(size) > kMaxHandover) {
    return ErrnoError(errno, "lseek", "the hand-over");
  }
  WipedString bytes(static_cast<std::size_t>(size), '\0');
  const ssize_t got = pread(descriptor, bytes.data(), bytes.size(), 0);
  // What lies there may hold a PIN: nothing of it stays.
  const bool emptied = ftruncate(descriptor, 0) == 0;
  close(descriptor);
  if (got != size || !emptied) return ErrnoError(errno, "pread", "the hand-over");
  return bytes;
}

}  // namespace

// Everything that a successor needs, in memory that only it will see. The server has stopped.
Result<int> Agent::Impl::HandOver() {
  std::string bytes;
  wire::Writer writer(bytes);
  writer.Word(kHandoverVersion);
  writer.Word(static_cast<std::uint32_t>(lock.descriptor()));
  writer.Word(static_cast<std::uint32_t>(survival.flags_descriptor()));
  writer.Octets(json::serialize(ToJson(counters.Report(owner->count()))));
  const auto table = owner->objects().Table();
  writer.Word(static_cast<std::uint32_t>(table.size()));
  for (const auto& [number, entry] : table) {
    writer.Number(number);
    writer.Number(entry.object_class);
    writer.Octets(entry.id);
  }
  // The PIN goes through a pipe of its own: it is read once, and is in no file.
  Secret pin = owner->KeptPin();
  int ends[2] = {-1, -1};
  if (!pin.empty()) {
    if (pipe(ends) != 0) return ErrnoError(errno, "pipe", "the hand-over");
    const std::string_view text = pin.Reveal();
    const bool written =
        write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(ends[1]);
    if (!written) return ErrnoError(errno, "write", "the hand-over");
  }
  writer.Word(static_cast<std::uint32_t>(ends[0]));
  writer.Byte(owner->LockedByHand() || lock_after_start ? 1 : 0);
  server->Save(writer);
  for (const int kept : {lock.descriptor(), survival.flags_descriptor()}) {
    if (kept >= 0) fcntl(kept, F_SETFD, 0);
  }
  const int memory = memfd_create("signet-keyd hand-over", 0);
  if (memory < 0 ||
      write(memory, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return ErrnoError(errno, "memfd_create", "the hand-over");
  }
  return memory;
}

Result<bool> Agent::Impl::TakeOver(const std::vector<AgentSocket>& sockets, Clock& clock) {
  const char* handed = std::getenv(kHandover);
  if (handed == nullptr) return false;
  const int descriptor = std::atoi(handed);
  unsetenv(kHandover);
  SIGNET_TRY(auto bytes, ReadHandover(descriptor));
  SIGNET_TRY(TakeOver({bytes.data(), bytes.size()}, sockets, clock));
  return true;
}

Status Agent::Impl::TakeOver(std::string_view bytes, const std::vector<AgentSocket>& sockets,
                             Clock& clock) {
  const auto damaged = [] { return InternalError("the hand-over of the predecessor is damaged"); };
  wire::Reader reader(bytes);
  if (reader.Word() != kHandoverVersion) return damaged();
  lock = FileLock::Adopt(static_cast<int>(reader.Word()));
  SIGNET_TRY(survival.AdoptFlags(static_cast<int>(reader.Word())));
  SIGNET_TRY(auto value, ParseJson(reader.Octets().value_or("")));
  SIGNET_TRY(auto report, FromJson<UseReport>(value));
  counters.Adopt(report);
  std::unordered_map<TokenObjects::Number, TokenObjects::Entry> table;
  const std::uint32_t objects = reader.Word();
  for (std::uint32_t i = 0; i < objects && reader.ok(); ++i) {
    TokenObjects::Entry& entry = table[reader.Number()];
    entry.object_class = reader.Number();
    entry.id = reader.Octets().value_or("");
  }
  const int pin = static_cast<int>(reader.Word());
  const bool locked_by_hand = reader.Byte() != 0;
  if (!reader.ok()) return damaged();
  TokenConfig token = config.token;
  if (pin >= 0) token.pin_source = "fd:" + std::to_string(pin);
  if (locked_by_hand) token.pin_source.clear();  // it stays so until it is unlocked by hand
  SIGNET_TRY(owner, TokenOwner::Open(token, files, clock, throttle));
  lock_after_start = locked_by_hand;
  owner->objects().Adopt(std::move(table));
  if (!server->Load(reader, sockets)) return damaged();
  return Ok();
}

Error Agent::BecomeSuccessor(const std::string& program,
                             const std::vector<std::string>& arguments) {
  Stop();
  auto memory = impl_->HandOver();
  if (!memory) return std::move(memory).error();
  setenv(kHandover, std::to_string(memory.value()).c_str(), 1);
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ShutDownLogging();
  execv(program.c_str(), words.data());
  return ErrnoError(errno, "execv", program);
}

}  // namespace signet::hsm
