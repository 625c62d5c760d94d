// Runs other programs for tests: the CLI, openssl, pkcs11-tool.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace signet::testing {

using Seconds = std::chrono::duration<double>;
using Environment = std::map<std::string, std::string>;

struct Outcome {
  int code = -1;  // exit code; 128 + signal; 127 when the program could not be started
  std::string out, err;
};

struct CommandOptions {
  std::string input = {};
  std::string directory = {};    // where it runs, empty: here
  Environment environment = {};  // added to this process's own; SIGNET_* of it are never inherited
};

// Starts a program, which dies with this process. Descriptors become its 0, 1 and 2.
pid_t Spawn(const std::vector<std::string>& arguments, const CommandOptions& options, int in,
            int out, int err);

Outcome RunProgram(const std::vector<std::string>& arguments, const CommandOptions& options = {});

// Standard output of a program that must succeed; otherwise the test fails and shows why.
std::string MustRun(const std::vector<std::string>& arguments, const CommandOptions& options = {});

std::string ReadWhole(const std::string& path);
void WriteWhole(const std::string& path, const std::string& content);

// Tries again every 20 ms until the condition holds; false when it does not within the limit.
bool Eventually(const std::function<bool()>& condition, Seconds limit);

// The CERTIFICATE blocks of a text, each with its newline.
std::vector<std::string> CertificatesIn(const std::string& text);

// A folder of the test's own with a short path (socket paths have 107 octets at most).
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace signet::testing
