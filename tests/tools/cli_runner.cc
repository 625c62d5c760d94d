#include "tests/tools/cli_runner.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace signet::tools {
namespace {

std::string Quote(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted.append(c == '\'' ? "'\\''" : std::string(1, c));
  return quoted + "'";
}

int Shell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

CliTest::CliTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "signet-cli-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
}

CliTest::~CliTest() {
  if (daemon_ > 0) {
    ::kill(daemon_, SIGKILL);
    ::waitpid(daemon_, nullptr, 0);
  }
  std::filesystem::remove_all(folder_);
}

void CliTest::Play(std::string_view script) {
  const std::string script_file = WriteFile("script", script);
  const std::string socket = Path("sock");
  const std::string log = Path("log");
  int ready[2] = {-1, -1};
  ASSERT_EQ(::pipe(ready), 0);
  daemon_ = ::fork();
  if (daemon_ == 0) {
    ::dup2(ready[1], STDOUT_FILENO);
    ::execl("/usr/bin/python3", "python3", FAKE_DAEMON, socket.c_str(), script_file.c_str(),
            log.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ready[1]);
  char first = 0;
  ASSERT_EQ(::read(ready[0], &first, 1), 1) << "the fake daemon did not start";
  ::close(ready[0]);
}

Ran CliTest::Signet(const std::vector<std::string>& arguments, const std::string& input,
                    const std::string& environment) {
  std::string command = "cd " + Quote(folder_) + " && env -u SIGNET_URL -u SIGNET_OUTPUT ";
  command += environment.empty() ? "SIGNET_SOCKET=" + Quote(Path("sock")) : environment;
  command += " LC_ALL=C.UTF-8 " SIGNET_CLI;
  for (const std::string& argument : arguments) command += " " + Quote(argument);
  command += " <" + Quote(WriteFile("stdin", input));
  command += " >" + Quote(Path("out")) + " 2>" + Quote(Path("err"));
  Ran ran;
  ran.code = Shell(command);
  ran.out = ReadFile(Path("out"));
  ran.err = ReadFile(Path("err"));
  return ran;
}

Ran CliTest::SignetOnTerminal(const std::string& arguments, const std::string& typed) {
  const std::string inner = "stty cols 80; " SIGNET_CLI " " + arguments;
  const std::string command =
      "cd " + Quote(folder_) +
      " && SHELL=/bin/sh LC_ALL=C.UTF-8 SIGNET_SOCKET=" + Quote(Path("sock")) + " script -qec " +
      Quote(inner) + " /dev/null <" + Quote(WriteFile("typed", typed)) + " >" +
      Quote(Path("screen"));
  Ran ran;
  ran.code = Shell(command);
  ran.out = ReadFile(Path("screen"));
  return ran;
}

std::vector<json::value> CliTest::Received() const {
  std::vector<json::value> all;
  std::istringstream lines(ReadFile(Path("log")));
  for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
  return all;
}

std::string CliTest::WriteFile(const std::string& name, std::string_view content) const {
  std::ofstream(Path(name), std::ios::binary) << content;
  return Path(name);
}

}  // namespace signet::tools
