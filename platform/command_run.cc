#include "platform/command_run.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

using std::chrono::milliseconds;

constexpr char kPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Beyond SIGKILL: processes of a loaded machine take a while to go.
constexpr auto kKillPatience = std::chrono::seconds(5);

Error NotStarted(const std::string& why, std::string remedy) {
  return MakeError(Kind::kUnavailable, "PROCESS_NOT_STARTED", why, std::move(remedy));
}

// What signet-run says instead of kStarted.
Error FailureOf(const RunMessage& message, const ProcessSpec& spec) {
  const std::string why = std::strerror(message.number);
  if (message.word == RunWord::kNoDirectory) {
    return NotStarted("no way into the directory " + EscapeLine(spec.directory) + ": " + why,
                      "Make the directory, or name another one.");
  }
  std::string remedy = "Run it by hand as the user that signetd runs as.";
  if (message.number == EACCES)
    remedy = "Make it a file that the user whom signetd runs as may execute.";
  if (message.number == ENOENT) {
    remedy =
        "Check the command's path, and that of the interpreter in a script's first line; "
        "without a slash it is looked for in " +
        std::string(spec.environment.contains("PATH") ? spec.environment.at("PATH") : kPath);
  }
  return NotStarted("no way to run " + EscapeLine(spec.command.front()) + ": " + why, remedy);
}

Status CheckSpec(const ProcessSpec& spec) {
  const auto cut = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  bool bad = spec.command.empty() || spec.command.front().empty() || cut(spec.directory) ||
             std::any_of(spec.command.begin(), spec.command.end(), cut);
  for (const auto& [name, value] : spec.environment) {
    bad = bad || name.empty() || name.find('=') != std::string::npos || cut(name) || cut(value);
  }
  if (!bad) return Ok();
  return MakeError(Kind::kUsage, "PROCESS_SPEC_INVALID",
                   "a command has a program, and neither it nor its environment has NUL characters",
                   "Write the command as a list of words, and variables as NAME and value.");
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// signet-run with descriptors 0 for messages, 1 and 2 for output, and nothing else of this process.
Result<pid_t> SpawnHelper(const std::string& helper, const ProcessSpec& spec, int channel,
                          int output) {
  std::vector<std::string> words{"signet-run", spec.directory.empty() ? "/" : spec.directory};
  words.insert(words.end(), spec.command.begin(), spec.command.end());
  std::vector<std::string> variables;
  if (!spec.environment.contains("PATH")) variables.push_back(std::string("PATH=") + kPath);
  for (const auto& [name, value] : spec.environment) variables.push_back(name + "=" + value);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, channel, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // A session of its own: what ends signetd from a terminal does not end it before signetd does.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int problem = posix_spawn(&child, helper.c_str(), &actions, &attributes,
                                  Pointers(words).data(), Pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (problem == 0) return child;
  return MakeError(Kind::kUnavailable, "HELPER_NOT_STARTED",
                   "no way to run " + helper + ": " + std::strerror(problem),
                   "Install signet-run beside signetd, executable for signetd's user.");
}

std::string SignalName(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

}  // namespace

Result<std::shared_ptr<CommandRun>> CommandRun::Spawn(const std::string& helper,
                                                      const ProcessSpec& spec, Sink sink) {
  SIGNET_TRY(CheckSpec(spec));
  auto run = std::make_shared<CommandRun>();
  run->sink_ = std::move(sink);
  std::array<int, 2> channel{-1, -1}, output{-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel.data()) != 0)
    return ErrnoError(errno, "socketpair", helper);
  run->channel_ = channel[0];
  if (pipe2(output.data(), O_CLOEXEC) != 0) {
    const int problem = errno;
    close(channel[1]);
    return ErrnoError(problem, "pipe", helper);
  }
  run->output_ = output[0];
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  auto spawned = SpawnHelper(helper, spec, channel[1], output[1]);
  close(channel[1]);
  close(output[1]);
  SIGNET_TRY(run->helper_, std::move(spawned));
  run->thread_ = std::thread([self = run.get()] { self->Read(); });
  return run;
}

CommandRun::~CommandRun() {
  if (helper_ > 0) {
    Kill();
    thread_.join();
  }
  if (channel_ >= 0) close(channel_);
  if (output_ >= 0) close(output_);
}

Status CommandRun::AwaitStart(const ProcessSpec& spec, SteadyTime until) {
  std::unique_lock lock(mutex_);
  const bool known =
      changed_.wait_until(lock, until, [this] { return state_.started || failure_ || over_; });
  if (!known) {
    return MakeError(Kind::kTimeout, "PROCESS_SLOW", "signet-run did not start the command in time",
                     "Look at its processes with 'ps' and at the machine's load; try again.");
  }
  if (failure_) return FailureOf(*failure_, spec);
  if (!state_.started) {
    return NotStarted("signet-run ended at once",
                      "Look whether something kills it, in 'dmesg' and in the audit log.");
  }
  return Ok();
}

bool CommandRun::AwaitEnd(SteadyTime until) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, until,
                             [this] { return !state_.ended.empty() || state_.unread || over_; });
}

bool CommandRun::AwaitOver(SteadyTime until) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, until, [this] { return over_; });
}

bool CommandRun::Stop(Duration patience) {
  const auto now = std::chrono::steady_clock::now();
  const auto wait =
      std::clamp<std::int64_t>(std::chrono::duration_cast<milliseconds>(patience).count(), 0,
                               std::numeric_limits<std::int32_t>::max());
  SendRunMessage(channel_, RunWord::kEnd, static_cast<int>(wait));
  if (AwaitOver(now + milliseconds(wait) + kKillPatience)) return true;
  Kill();
  return AwaitOver(std::chrono::steady_clock::now() + kKillPatience);
}

void CommandRun::Kill() {
  const std::lock_guard lock(mutex_);
  if (reaping_) return;  // its number may be another process's from now on
  if (state_.pid > 0) kill(-state_.pid, SIGKILL);
  kill(helper_, SIGKILL);
}

CommandRun::State CommandRun::Look() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void CommandRun::Read() {
  // Who learns that it ended wants to see its last words: they were written before signet-run
  // told its end, so poll, which looks in this order, reports them no later.
  std::array<pollfd, 2> events{{{channel_, POLLIN, 0}, {output_, POLLIN, 0}}};
  while (true) {
    if (poll(events.data(), events.size(), -1) < 0) continue;
    if (events[1].revents != 0 && !Drain()) events[1].fd = -1;
    if (events[0].revents == 0) continue;
    RunMessage message{};
    const int got = ReceiveRunMessage(channel_, message);
    if (got == 0 || (got < 0 && (events[0].revents & (POLLHUP | POLLERR)) != 0)) break;
    if (got > 0) Note(message);
  }
  {
    const std::lock_guard lock(mutex_);
    reaping_ = true;
  }
  while (waitpid(helper_, nullptr, 0) < 0 && errno == EINTR) {
  }
  const std::lock_guard lock(mutex_);
  if (state_.running) End("lost: signet-run was killed");
  over_ = true;
  changed_.notify_all();
}

// Takes over what a pipe holds, and no more, so that a command that never stops writing does not
// keep its own end from being seen. False at the end of the output.
bool CommandRun::Drain() {
  std::array<char, 65536> buffer;
  const ssize_t size = read(output_, buffer.data(), buffer.size());
  if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
  if (sink_({buffer.data(), static_cast<std::size_t>(size)})) return true;
  const std::lock_guard lock(mutex_);
  state_.unread = true;
  changed_.notify_all();
  return false;
}

void CommandRun::Note(const RunMessage& message) {
  const std::lock_guard lock(mutex_);
  switch (message.word) {
    case RunWord::kStarted:
      state_.running = true;
      state_.pid = message.number;
      state_.started = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
      break;
    case RunWord::kExited:
      End("exited with " + std::to_string(message.number));
      break;
    case RunWord::kKilled:
      End("killed by " + SignalName(message.number));
      break;
    case RunWord::kNoDirectory:
    case RunWord::kNoCommand:
      failure_ = message;
      break;
    case RunWord::kSignal:  // to signet-run only
    case RunWord::kEnd:
      break;
  }
  changed_.notify_all();
}

void CommandRun::End(std::string how) {
  state_.running = false;
  state_.pid = 0;
  state_.ended = std::move(how);
}

}  // namespace signet
