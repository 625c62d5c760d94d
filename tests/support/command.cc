#include "tests/support/command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace signet::testing {

namespace {

std::vector<std::string> Variables(const Environment& added) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const std::string name = text.substr(0, text.find('='));
    if (!name.starts_with("SIGNET_") && !added.contains(name)) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// An unnamed file, so that no pipe can fill up.
int Memory(const std::string& content) {
  const int file = ::memfd_create("signet-test", MFD_CLOEXEC);
  if (file < 0 || ::write(file, content.data(), content.size()) < 0) std::abort();
  ::lseek(file, 0, SEEK_SET);
  return file;
}

std::string Drain(int file) {
  std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  if (::pread(file, text.data(), text.size(), 0) < 0) std::abort();
  ::close(file);
  return text;
}

}  // namespace

pid_t Spawn(const std::vector<std::string>& arguments, const CommandOptions& options, int in,
            int out, int err) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables = Variables(options.environment);
  const std::vector<char*> argv = Pointers(words), envp = Pointers(variables);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(127);
  ::execvpe(argv[0], argv.data(), envp.data());
  ::_exit(127);
}

Outcome RunProgram(const std::vector<std::string>& arguments, const CommandOptions& options) {
  const int in = Memory(options.input), out = Memory(""), err = Memory("");
  const pid_t child = Spawn(arguments, options, in, out, err);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  ::close(in);
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = Drain(out);
  outcome.err = Drain(err);
  return outcome;
}

std::string MustRun(const std::vector<std::string>& arguments, const CommandOptions& options) {
  Outcome outcome = RunProgram(arguments, options);
  if (outcome.code != 0) {
    std::string line;
    for (const std::string& word : arguments) line += word + " ";
    ADD_FAILURE() << line << "ended with " << outcome.code << "\n" << outcome.out << outcome.err;
  }
  return std::move(outcome.out);
}

bool Eventually(const std::function<bool()>& condition, Seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void WriteWhole(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::vector<std::string> CertificatesIn(const std::string& text) {
  static const std::string kBegin = "-----BEGIN CERTIFICATE-----";
  static const std::string kEnd = "-----END CERTIFICATE-----";
  std::vector<std::string> blocks;
  for (std::size_t at = 0; (at = text.find(kBegin, at)) != std::string::npos;) {
    const std::size_t end = text.find(kEnd, at);
    if (end == std::string::npos) break;
    blocks.push_back(text.substr(at, end + kEnd.size() - at) + "\n");
    at = end;
  }
  return blocks;
}

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "sgt-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  if (std::getenv("SIGNET_E2E_KEEP") != nullptr) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace signet::testing
