#include "tests/support/installation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/printed_snippet.h"

namespace signet::testing {
namespace {

namespace fs = std::filesystem;

// With one owner, of whom alone they are, or for everybody to pass.
void MakeFolder(const std::string& path, const std::string& owner, int mode) {
  fs::create_directories(path);
  fs::permissions(path, fs::perms(mode));
  MustRun({"chown", "-R", owner + ":", path});
}

}  // namespace

std::string Installation::WhyNot() {
  return ::geteuid() == 0 ? "" : "only root can start programs as other users";
}

Installation::Installation(std::string folder, const Programs& programs, const std::string& config)
    : folder_(std::move(folder)) {
  // Where they were built may be closed to other users.
  fs::create_directory(folder_ + "/bin");
  fs::copy_file(programs.daemon, folder_ + "/bin/signetd");
  fs::copy_file(programs.keyd, folder_ + "/bin/signet-keyd");
  WriteConfig(config);
  GiveAway();
}

void Installation::WriteConfig(const std::string& config) const {
  const std::string file = folder_ + "/signet.toml";
  std::string text = ReadWhole(file);
  text = Replaced(text, "\"file:pin\"", "\"credential:pin\"");
  text = Replaced(text, "socket = \"keys\\.sock\"", "socket = \"run/keys.sock\"");
  text = Replaced(text, "management-socket = \"keyd\\.sock\"",
                  "management-socket = \"run/keyd.sock\"\nmanagement-user = \"" +
                      std::string(kDaemonUser) + "\"");
  text = Replaced(text, "\"file:keyd-credential\"", "\"credential:management\"");
  text = Replaced(text, "\"signetd\\.sock\"", "\"run-signet/signetd.sock\"");
  WriteWhole(file, text + "\n" + config);
  WriteWhole(folder_ + "/softhsm2.conf", "directories.tokendir = " + folder_ +
                                             "/token\nobjectstore.backend = file\nlog.level = "
                                             "ERROR\n");
  for (const std::string& open : {file, folder_ + "/softhsm2.conf"})
    fs::permissions(open, fs::perms(0644));
}

void Installation::GiveAway() const {
  fs::permissions(folder_, fs::perms(0755));
  const std::string credentials = folder_ + "/credentials/";
  for (const std::string to : {"signetd", "keyd"}) {
    fs::create_directories(credentials + to);
    fs::copy_file(folder_ + "/keyd-credential", credentials + to + "/management");
  }
  fs::copy_file(folder_ + "/pin", credentials + "keyd/pin");
  MakeFolder(credentials + "signetd", kDaemonUser, 0700);
  MakeFolder(folder_ + "/state", kDaemonUser, 0700);
  MakeFolder(folder_ + "/run-signet", kDaemonUser, 0755);
  MakeFolder(folder_ + "/published", kDaemonUser, 0755);
  MakeFolder(credentials + "keyd", kKeydUser, 0700);
  MakeFolder(folder_ + "/keyd", kKeydUser, 0700);
  MakeFolder(folder_ + "/token", kKeydUser, 0700);
  MakeFolder(folder_ + "/run", kKeydUser, 0755);
}

std::vector<std::string> Installation::DaemonCommand() const {
  return {"setpriv",
          "--reuid",
          kDaemonUser,
          "--regid",
          kDaemonUser,
          "--clear-groups",
          "--inh-caps",
          "+chown,+fowner",
          "--ambient-caps",
          "+chown,+fowner",
          "--pdeathsig",
          "KILL",
          folder_ + "/bin/signetd",
          "--config",
          folder_ + "/signet.toml"};
}

Environment Installation::DaemonEnvironment() const {
  return {{"CREDENTIALS_DIRECTORY", folder_ + "/credentials/signetd"}};
}

void Installation::StartKeyd() {
  if (keyd_ != nullptr && keyd_->Running()) return;
  RunOptions options;
  options.user = kKeydUser;
  options.groups = {kServiceGroup};
  options.command.environment = {{"CREDENTIALS_DIRECTORY", folder_ + "/credentials/keyd"}};
  const std::vector<std::string> command = {folder_ + "/bin/signet-keyd", "--config",
                                            folder_ + "/signet.toml"};
  keyd_ = std::make_unique<RunningProgram>(command, options);
  const auto ready = [this] { return KeydStarts() > 0; };
  EXPECT_TRUE(Eventually([&] { return ready() || !keyd_->Running(); }, Seconds(60)) && ready());
}

std::size_t Installation::KeydStarts() const {
  const std::string log = KeydLog(), word = "\"ready\":true";
  std::size_t starts = 0;
  for (std::size_t at = 0; (at = log.find(word, at)) != std::string::npos; ++at) ++starts;
  return starts;
}

int Installation::StopKeyd() { return keyd_ == nullptr ? -1 : keyd_->Stop(); }

void Installation::KillKeyd() { keyd_.reset(); }

}  // namespace signet::testing
