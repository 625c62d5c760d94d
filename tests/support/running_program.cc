#include "tests/support/running_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>

namespace signet::testing {
namespace {

// The words before a program that make what `options` ask for; each replaces itself by the next
// one, but for unshare, which stays as the parent.
std::vector<std::string> Wrapping(const RunOptions& options, bool namespaces) {
  std::vector<std::string> words;
  if (namespaces) {
    words = {"unshare", "--pid", "--fork", "--kill-child=SIGKILL"};
    if (options.network) words.emplace_back("--net");
  }
  // Inside of the namespace as well: its signals are for its own group alone.
  if (options.family) words.emplace_back("setsid");
  if (!options.user.empty()) {
    const std::string group = MustRun({"id", "-gn", options.user});
    words.insert(words.end(), {"setpriv", "--reuid", options.user, "--regid",
                               group.substr(0, group.find('\n')), "--pdeathsig", "KILL"});
    std::string groups;
    for (const std::string& name : options.groups) groups += (groups.empty() ? "" : ",") + name;
    words.push_back(groups.empty() ? "--clear-groups" : "--groups=" + groups);
  }
  return words;
}

// The only child of a process, 0 while it has none.
pid_t ChildOf(pid_t parent) {
  const std::string id = std::to_string(parent);
  return std::atoi(ReadWhole("/proc/" + id + "/task/" + id + "/children").c_str());
}

}  // namespace

std::string WhyNoNamespaces() {
  static const std::string reason = [] {
    const Outcome tried = RunProgram({"unshare", "--pid", "--net", "--fork", "true"});
    return tried.code == 0 ? "" : "no namespaces here: " + tried.err;
  }();
  return reason;
}

RunningProgram::RunningProgram(const std::vector<std::string>& arguments, const RunOptions& options)
    : output_(folder_ / "output") {
  const bool namespaces = options.network || (options.family && WhyNoNamespaces().empty());
  std::vector<std::string> words = Wrapping(options, namespaces);
  words.insert(words.end(), arguments.begin(), arguments.end());
  const int out = ::open(output_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = child_ = Spawn(words, options.command, in, out, out);
  ::close(in);
  ::close(out);
  group_ = options.family && !namespaces;
  if (!namespaces) return;
  pid_ = 0;
  EXPECT_TRUE(Eventually([this] { return (pid_ = ChildOf(child_)) > 0 || Ended(); }, Seconds(10)))
      << Output();
}

RunningProgram::~RunningProgram() { Kill(); }

bool RunningProgram::Ended() {
  int status = 0;
  if (child_ > 0 && ::waitpid(child_, &status, WNOHANG) == child_) {
    child_ = 0;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return child_ <= 0;
}

bool RunningProgram::Running() { return !Ended(); }

void RunningProgram::Signal(int number) const {
  if (child_ > 0 && pid_ > 0) ::kill(pid_, number);
}

int RunningProgram::Stop(Seconds limit) {
  Signal(SIGTERM);
  if (!Eventually([this] { return Ended(); }, limit)) {
    ADD_FAILURE() << "does not end on SIGTERM: " << Output();
  }
  Kill();
  return code_;
}

void RunningProgram::Kill() {
  if (group_) ::kill(-pid_, SIGKILL);
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }
}

std::string RunningProgram::Await(const std::string& pattern) const {
  const std::regex regex(pattern);
  std::string found;
  const bool there = Eventually(
      [&] {
        const std::string text = Output();
        std::smatch match;
        if (!std::regex_search(text, match, regex)) return false;
        found = match[1];
        return true;
      },
      Seconds(20));
  EXPECT_TRUE(there) << "no " << pattern << " in: " << Output();
  return found;
}

}  // namespace signet::testing
