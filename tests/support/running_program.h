// A program that runs beside the test, e.g. a server of another maker, and ends with its object.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/support/command.h"

namespace signet::testing {

struct RunOptions {
  CommandOptions command;
  // Another user, with that user's own group and these; only root may ask for it.
  std::string user = {};
  std::vector<std::string> groups = {};
  // What it starts ends with it, however it ends: a process-id namespace where those are allowed, a
  // process group where not. A program that signals its whole process group needs this, too.
  bool family = false;
  // A network of its own with a loopback that is down; only where namespaces are allowed.
  bool network = false;
};

class RunningProgram {
 public:
  // Output of both kinds goes to a file.
  explicit RunningProgram(const std::vector<std::string>& arguments,
                          const RunOptions& options = {});
  ~RunningProgram();  // kills it
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  bool Running();
  pid_t pid() const { return pid_; }  // the program's own, as seen from here
  void Signal(int number) const;
  // SIGTERM, and SIGKILL where that does not help in time, which fails the test. The exit code.
  int Stop(Seconds limit = Seconds(20));
  std::string Output() const { return ReadWhole(output_); }
  // The first group of `pattern` in the output, awaited for 20 s; the test fails without it.
  std::string Await(const std::string& pattern) const;

 private:
  void Kill();
  bool Ended();  // collects the exit code

  ScratchFolder folder_;
  std::string output_;
  bool group_ = false;  // no namespace ends what it started: its process group must be killed
  pid_t child_ = -1;    // of this process; 0 when it was collected
  pid_t pid_ = -1;
  int code_ = -1;
};

// Why this process may not make namespaces; empty when it may.
std::string WhyNoNamespaces();

}  // namespace signet::testing
