// signet-run DIRECTORY COMMAND [WORD...]: runs a service for signetd (platform/supervisor.h), which
// starts it and talks to it on descriptor 0 (platform/run_message.h). signetd holds secrets and has
// threads, so it does not fork services itself; and what it would start would outlive its kill.
//
// The command leads a session of its own, writes to descriptor 1 and 2 of this program, reads
// nothing, and has this program's environment. When it ends, when signetd says so or is gone, or on
// SIGTERM, everything that the command started gets SIGTERM and, later, SIGKILL; this program ends
// when all of it has.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "platform/run_message.h"

namespace {

using signet::ReceiveRunMessage;
using signet::RunMessage;
using signet::RunWord;
using signet::SendRunMessage;
using SteadyClock = std::chrono::steady_clock;

constexpr int kChannel = 0;

// In the child, between fork and exec; returns only when exec failed.
void Become(char** command, pid_t parent, const sigset_t& signals) {
  setsid();
  // This program has one thread, whose end is its end: also SIGKILL on it ends the command.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &signals, nullptr);
  execvp(command[0], command);
}

// The command's process, or a negative errno of exec.
pid_t Launch(char** command, const sigset_t& signals) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  const pid_t self = getpid(), child = fork();
  if (child == 0) {
    Become(command, self, signals);
    const int problem = errno;
    if (write(report[1], &problem, sizeof problem) < 0) _exit(126);
    _exit(127);
  }
  const int fork_problem = errno;
  close(report[1]);
  int problem = child < 0 ? fork_problem : 0;
  // Nothing to read: exec closed the other end.
  if (child > 0 && read(report[0], &problem, sizeof problem) > 0) waitpid(child, nullptr, 0);
  close(report[0]);
  return problem != 0 ? -problem : child;
}

// The command and all its descendants: as a subreaper this program becomes the parent of those
// whose own parent ends, also where they left the session.
class Family {
 public:
  explicit Family(pid_t head) : head_(head) {}

  // Sends what is due; true when all have ended.
  bool Tend() {
    siginfo_t end{};
    // The head is only looked at, and collected last: its number, which is also its group's, must
    // not become another process's while it is signalled.
    if (!head_ended_ &&
        waitid(P_PID, static_cast<id_t>(head_), &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        end.si_pid == head_) {
      head_ended_ = true;
      const bool exited = end.si_code == CLD_EXITED;
      SendRunMessage(kChannel, exited ? RunWord::kExited : RunWord::kKilled, end.si_status);
      End(signet::kRunPatience);
    }
    const std::vector<pid_t> others = Others();
    if (kill_at_) SignalAll(others);
    if (!head_ended_ || !others.empty()) return false;
    waitpid(head_, nullptr, 0);
    return true;
  }

  void Signal(int number) const {
    if (!head_ended_) kill(head_, number);
  }

  void End(int patience) {
    const auto at = SteadyClock::now() + std::chrono::milliseconds(std::max(patience, 0));
    kill_at_ = kill_at_ ? std::min(*kill_at_, at) : at;
  }

  // Milliseconds until Tend is due without an event; -1: not at all.
  int Due() const {
    if (!kill_at_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*kill_at_ - SteadyClock::now());
    // After SIGKILL their ends wake this program; looking again costs little.
    return static_cast<int>(std::max<std::int64_t>(left.count(), kKillAgain));
  }

 private:
  static constexpr std::int64_t kKillAgain = 50;  // milliseconds

  // Children that are not the head; those that ended are collected.
  std::vector<pid_t> Others() {
    std::ifstream file("/proc/thread-self/children");
    // Read to its end first: the list is exact as long as nobody collects.
    const std::vector<pid_t> all{std::istream_iterator<pid_t>(file), {}};
    std::vector<pid_t> living;
    for (const pid_t child : all) {
      if (child == head_) continue;
      if (waitpid(child, nullptr, WNOHANG) == child) {
        asked_.erase(child);
      } else {
        living.push_back(child);
      }
    }
    return living;
  }

  void SignalAll(const std::vector<pid_t>& others) {
    const bool late = SteadyClock::now() >= *kill_at_;
    if (late || asked_.insert(head_).second) kill(-head_, late ? SIGKILL : SIGTERM);
    for (const pid_t child : others) {
      const bool in_group = getpgid(child) == head_;
      if (late || (asked_.insert(child).second && !in_group)) kill(child, late ? SIGKILL : SIGTERM);
    }
  }

  pid_t head_;
  bool head_ended_ = false;
  std::optional<SteadyClock::time_point> kill_at_;  // set: the end has begun
  std::set<pid_t> asked_;                           // got SIGTERM
};

void Obey(Family& family, pollfd& channel) {
  RunMessage message{};
  const int got = ReceiveRunMessage(kChannel, message);
  if (got < 0 && (channel.revents & (POLLHUP | POLLERR)) == 0) return;
  if (got <= 0) {
    channel.fd = -1;  // signetd is gone
    family.End(signet::kRunPatience);
  } else if (message.word == RunWord::kSignal) {
    family.Signal(message.number);
  } else if (message.word == RunWord::kEnd) {
    family.End(message.number);
  }
}

void Watch(Family& family, int signals) {
  pollfd events[2] = {{kChannel, POLLIN, 0}, {signals, POLLIN, 0}};
  while (!family.Tend()) {
    if (poll(events, 2, family.Due()) < 0) continue;
    if (events[0].revents != 0) Obey(family, events[0]);
    signalfd_siginfo info{};
    if (events[1].revents != 0 && read(signals, &info, sizeof info) == sizeof info &&
        info.ssi_signo != SIGCHLD) {
      family.End(signet::kRunPatience);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("signet-run is started by signetd: signet-run DIRECTORY COMMAND [WORD...]\n",
               stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  sigset_t awaited, before;
  sigemptyset(&awaited);
  for (const int one : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&awaited, one);
  sigprocmask(SIG_BLOCK, &awaited, &before);
  const int signals = signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return 1;
  if (chdir(argv[1]) != 0) {
    SendRunMessage(kChannel, RunWord::kNoDirectory, errno);
    return 1;
  }
  const pid_t child = Launch(argv + 2, before);
  if (child < 0) {
    SendRunMessage(kChannel, RunWord::kNoCommand, -child);
    return 1;
  }
  SendRunMessage(kChannel, RunWord::kStarted, child);
  Family family(child);
  Watch(family, signals);
  return 0;
}
