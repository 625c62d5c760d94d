// signet-keyd: the owner of the token. signet-keyd [--check] --config FILE | signet-keyd --dev DIR
//
// SIGTERM ends it. SIGUSR2 replaces it by the program that now lies where it was started from:
// sockets, their clients and the login go over, and no client notices.
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <iostream>

#include "hsm/keyd/agent.h"
#include "platform/logging.h"
#include "platform/process.h"
#include "platform/secret.h"
#include "platform/service_manager.h"
#include "tools/dev_token.h"
#include "tools/keyd_config.h"

namespace {

using signet::Error;
using signet::Log;
using signet::LogLevel;

int Fail(const Error& error) {
  std::cerr << "signet-keyd: " << error.detail << "\n";
  if (!error.remedy.empty()) std::cerr << "  remedy: " << error.remedy << "\n";
  return signet::ExitCode(error.kind);
}

// Where this program lies, also after another one was put there.
std::string OwnProgram() {
  std::error_code ignored;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

constexpr int kCheckLimit = 10'000;  // milliseconds

// Whether a successor could start, by its own word: once it is asked to, nobody else serves.
signet::Status CheckSuccessor(std::string program, std::string config) {
  std::string name = "signet-keyd", check = "--check", option = "--config";
  char* arguments[] = {name.data(), check.data(), option.data(), config.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  pid_t child = 0;
  const int problem = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) return signet::ErrnoError(problem, "posix_spawn", program);
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  pollfd end{handle, POLLIN, 0};
  if (handle < 0 || poll(&end, 1, kCheckLimit) != 1) kill(child, SIGKILL);
  if (handle >= 0) close(handle);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return signet::Ok();
  return signet::MakeError(signet::Kind::kRefused, "SUCCESSOR_REFUSED",
                           program + " --check --config " + config + " does not end well",
                           "Run it by hand to see what it says.");
}

int Check(const std::string& config_file) {
  auto files = signet::MakeFileSystem();
  auto config = signet::tools::LoadKeydConfig(config_file, *files);
  if (!config) return Fail(config.error());
  const auto checked = signet::hsm::Agent::Check(config.value().agent, *files);
  return checked ? 0 : Fail(checked.error());
}

// Waits for SIGTERM or SIGINT, or for a SIGUSR2 that can be obeyed.
int AwaitSignal(const std::string& program, const std::string& config) {
  sigset_t awaited;
  sigemptyset(&awaited);
  for (const int one : {SIGTERM, SIGINT, SIGUSR2}) sigaddset(&awaited, one);
  while (true) {
    int signal = 0;
    sigwait(&awaited, &signal);
    if (signal != SIGUSR2) return signal;
    const auto checked = CheckSuccessor(program, config);
    if (checked) return signal;
    Log(LogLevel::kError,
        "no successor could start, so this program goes on: " + checked.error().ToString());
  }
}

int Serve(const std::string& config_file, const std::string& dev,
          const std::vector<std::string>& arguments) {
  const std::string program = OwnProgram();
  auto files = signet::MakeFileSystem();
  auto clock = signet::MakeSystemClock();
  std::string path = config_file;
  if (!dev.empty()) {
    path = dev + "/signet.toml";
    const auto prepared = signet::tools::PrepareDevToken(dev, *files);
    if (!prepared) return Fail(prepared.error());
  }
  auto config = signet::tools::LoadKeydConfig(path, *files);
  if (!config) return Fail(config.error());
  signet::InitialiseLogging(config.value().log_level);
  const std::string socket = config.value().agent.socket;
  auto agent = signet::hsm::Agent::Start(std::move(config).value().agent, *files, *clock);
  if (!agent) {
    signet::ShutDownLogging();
    return Fail(agent.error());
  }
  signet::NotifyServiceManager("READY=1");
  std::cout << boost::json::serialize(boost::json::object{{"ready", true}, {"keys", socket}})
            << std::endl;
  if (AwaitSignal(program, path) == SIGUSR2) {
    Log(LogLevel::kInfo, "giving the sockets to a successor");
    signet::NotifyServiceManager("RELOADING=1");
    const Error failed = agent.value()->BecomeSuccessor(program, arguments);
    // Nothing serves any more: the clients are better off with a process that begins anew.
    _exit(Fail(failed));
  }
  signet::NotifyServiceManager("STOPPING=1");
  const bool stopped = agent.value()->Stop();
  if (!stopped) {
    Log(LogLevel::kError, "a call into the token's module hangs; ending without waiting for it");
    signet::ShutDownLogging();
    _exit(1);
  }
  agent.value().reset();
  signet::ShutDownLogging();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  signet::ClearDangerousEnvironment();
  signet::ShareFreedMemory();
  ::signal(SIGPIPE, SIG_IGN);
  // In every thread, and over the start of a successor: they are waited for in Serve alone.
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int one : {SIGTERM, SIGINT, SIGUSR2}) sigaddset(&blocked, one);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  if (auto hardened = signet::HardenProcess(); !hardened) return Fail(hardened.error());
  signet::InitialiseSecretMemory();

  std::string config, dev;
  bool check = false;
  CLI::App app("signet-keyd: owns the token; services use their keys through its sockets");
  app.set_version_flag("--version", SIGNET_VERSION);
  auto* config_option = app.add_option("--config", config, "configuration file")
                            ->default_str("/etc/signet/signet.toml");
  app.add_option("--dev", dev, "the folder of an appliance for development (signetd --dev)")
      ->excludes(config_option);
  app.add_flag("--check", check, "say whether it could start with this configuration, and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (config.empty()) config = "/etc/signet/signet.toml";
  if (!dev.empty()) dev = std::filesystem::absolute(dev).lexically_normal().string();
  if (check) return Check(dev.empty() ? config : dev + "/signet.toml");
  return Serve(config, dev, {argv, argv + argc});
}
