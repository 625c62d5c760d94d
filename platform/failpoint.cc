#include "platform/failpoint.h"

#ifdef SIGNET_FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace signet {
namespace {

void Record(const char* file, std::string_view name) {
  const int fd = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const std::string line = std::string(name) + "\n";
  // One write, so that lines of several threads do not mix. A lost line makes the test fail, not
  // the program.
  if (::write(fd, line.data(), line.size()) < 0) std::abort();
  ::close(fd);
}

// The count in "<name>:<n>", 0 when the text speaks of another name.
int WantedCount(std::string_view plan, std::string_view name) {
  if (plan.substr(0, name.size()) != name) return 0;
  plan.remove_prefix(name.size());
  if (plan.empty()) return 1;
  if (plan[0] != ':') return 0;
  int count = 0;
  const auto [end, error] = std::from_chars(plan.data() + 1, plan.data() + plan.size(), count);
  return error == std::errc() && end == plan.data() + plan.size() ? count : 0;
}

}  // namespace

void Failpoint(const char* name) {
  static std::mutex mutex;
  static std::map<std::string, int, std::less<>> passed;
  const std::lock_guard lock(mutex);
  const int count = ++passed[name];
  if (const char* file = std::getenv("SIGNET_FAILPOINT_LOG")) Record(file, name);
  if (const char* plan = std::getenv("SIGNET_FAILPOINT")) {
    if (WantedCount(plan, name) == count) {
      ::kill(::getpid(), SIGKILL);
      for (;;) ::pause();
    }
  }
}

}  // namespace signet

#endif  // SIGNET_FAILPOINTS
