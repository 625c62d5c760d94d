#include "platform/run_once.h"

#include <mutex>
#include <string_view>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

// Between SIGTERM and SIGKILL.
constexpr auto kPatience = std::chrono::seconds(1);

// What one run wrote: filled by its thread, taken by the one that waits.
class Collector {
 public:
  explicit Collector(std::size_t most) : most_(most) {}
  bool Add(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (text.size() > most_ - output_.size()) return false;
    output_ += text;
    return true;
  }
  std::string Take() {
    const std::lock_guard lock(mutex_);
    return std::move(output_);
  }

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::string output_;
};

Error TooSlow(const std::string& program, Duration limit) {
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  return MakeError(Kind::kTimeout, "COMMAND_SLOW",
                   program + " did not end within " + std::to_string(took) + " ms",
                   "Run it by hand to see what it waits for; look at the machine's load.");
}

Error TooLarge(const std::string& program, std::size_t most) {
  return MakeError(Kind::kRefused, "OUTPUT_TOO_LARGE",
                   program + " wrote more than " + std::to_string(most) + " octets",
                   "Run it by hand to see what it writes.");
}

}  // namespace

Result<RunOutput> RunOnce(const std::string& helper_path, const ProcessSpec& spec, Duration limit,
                          std::size_t most) {
  const auto until = std::chrono::steady_clock::now() + limit;
  Collector collector(most);  // outlives the run
  SIGNET_TRY(const auto run,
             CommandRun::Spawn(helper_path, spec, [&collector](std::string_view text) {
               return collector.Add(text);
             }));
  SIGNET_TRY(run->AwaitStart(spec, until));
  const bool in_time = run->AwaitEnd(until);
  if (!run->Stop(kPatience)) run->Kill();
  const CommandRun::State state = run->Look();
  const std::string program = EscapeLine(spec.command.front());
  if (state.unread) return TooLarge(program, most);
  if (!in_time) return TooSlow(program, limit);
  return RunOutput{collector.Take(), state.ended == "exited with 0" ? "" : state.ended};
}

}  // namespace signet
