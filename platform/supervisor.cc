#include "platform/supervisor.h"

#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLines = 50;
constexpr std::size_t kLineLimit = 1024;

Error Slow(const std::string& what) {
  return MakeError(Kind::kTimeout, "PROCESS_SLOW", what,
                   "Look at its processes with 'ps' and at the machine's load; try again.");
}

// The last lines of an endless text. Thread-safe.
class Tail {
 public:
  void Add(std::string_view text) {
    const std::lock_guard lock(mutex_);
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const std::string_view piece = text.substr(0, end);
      // One more than is kept, by which EscapeLine sees that there was more.
      part_.append(piece.substr(0, kLineLimit + 1 - std::min(part_.size(), kLineLimit + 1)));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
      if (part_.ends_with('\r')) part_.pop_back();
      lines_.push_back(EscapeLine(part_, kLineLimit - kMark));
      part_.clear();
      if (lines_.size() > kLines) lines_.pop_front();
    }
  }
  std::vector<std::string> Lines() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines(lines_.begin(), lines_.end());
    if (!part_.empty()) lines.push_back(EscapeLine(part_, kLineLimit - kMark));
    if (lines.size() > kLines) lines.erase(lines.begin());
    return lines;
  }

 private:
  static constexpr std::size_t kMark = std::string_view("…").size();
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
  std::string part_;  // of a line without its end
};

}  // namespace

struct Supervisor::Run {
  Tail tail;  // before the command, whose thread writes to it
  std::shared_ptr<CommandRun> command;
};

Supervisor::Supervisor(std::string helper_path, ProcessSpec spec)
    : helper_path_(std::move(helper_path)), spec_(std::move(spec)) {}

Supervisor::~Supervisor() { static_cast<void>(Stop(milliseconds(kRunPatience))); }

std::shared_ptr<Supervisor::Run> Supervisor::Current() const {
  const std::lock_guard lock(mutex_);
  return run_;
}

Status Supervisor::Start(Duration limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  const std::lock_guard turn(turn_);
  if (const auto former = Current()) {
    if (former->command->Look().running) return Ok();
    // They may hold its port or its files still.
    if (!former->command->AwaitOver(until))
      return Slow("processes that " + EscapeLine(spec_.command.front()) + " left have not ended");
  }
  const auto run = std::make_shared<Run>();
  const auto keep = [tail = &run->tail](std::string_view text) {
    tail->Add(text);
    return true;
  };
  SIGNET_TRY(run->command, CommandRun::Spawn(helper_path_, spec_, keep));
  {
    const std::lock_guard lock(mutex_);
    run_ = run;
  }
  auto started = run->command->AwaitStart(spec_, until);
  // Nobody expects it to appear later.
  if (!started) run->command->Kill();
  return started;
}

Status Supervisor::Stop(Duration limit) {
  const std::lock_guard turn(turn_);
  const auto run = Current();
  if (!run) return Ok();
  if (run->command->Stop(limit)) return Ok();
  return Slow(EscapeLine(spec_.command.front()) + " does not end, not even by SIGKILL");
}

Status Supervisor::Reload() {
  if (spec_.reload_signal <= 0) {
    return MakeError(Kind::kRefused, "PROCESS_RELOAD_UNKNOWN",
                     EscapeLine(spec_.command.empty() ? "" : spec_.command.front()) +
                         " has no signal that makes it reload",
                     "Restart it instead.");
  }
  const auto run = Current();
  if (run && run->command->Look().running && run->command->Signal(spec_.reload_signal)) return Ok();
  return MakeError(Kind::kRefused, "PROCESS_NOT_RUNNING", "it does not run", "Start it.");
}

ProcessStatus Supervisor::Look() const {
  const auto run = Current();
  if (!run) return {};
  CommandRun::State state = run->command->Look();
  return {state.running, state.pid, state.started, std::move(state.ended), run->tail.Lines()};
}

}  // namespace signet
