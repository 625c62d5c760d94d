// The real signet-keyd in a folder of the test's own: a SoftHSM token, a configuration, keys made
// over the management socket, and the view that services have of them.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hsm/key_view.h"
#include "hsm/token_client.h"
#include "platform/files.h"
#include "tests/support/command.h"

namespace signet::testing {

inline constexpr char kClientModule[] = SIGNET_TEST_P11_KIT_CLIENT;  // the stock client library
inline constexpr char kKeydPin[] = "keyd-test-pin-4711";

struct KeydOptions {
  std::string module = "/usr/lib/softhsm/libsofthsm2.so";
  bool pin_file = true;   // else it waits for its PIN
  std::string user = "";  // that runs signet-keyd; empty: the test's own. Others need root
  // Of the configuration: "[service.NAME]" tables. "DIR" in it becomes the folder.
  std::string services = "";
  std::string keyd = "";  // further lines of [keyd]
  Environment environment = {};
};

class KeydWorld {
 public:
  // Makes the token and starts signet-keyd.
  explicit KeydWorld(KeydOptions options = {}, bool start = true);
  ~KeydWorld();
  KeydWorld(const KeydWorld&) = delete;
  KeydWorld& operator=(const KeydWorld&) = delete;

  // Starts it and waits for its ready line; ends the test program when it does not come.
  void Start();
  // How it is started, for those who start it in a way of their own and then call Took.
  std::vector<std::string> Command() const;
  Environment Variables() const;
  void Took(pid_t pid);
  // SIGTERM; the exit code.
  int Stop();
  void Kill();  // SIGKILL
  // SIGUSR2, and waits until the successor says that it is ready.
  void Replace();
  bool WaitReady();  // for one more ready line
  // Runs one that is expected to refuse to start.
  Outcome RunToEnd() const;
  // Starts the program from another place, so that it can be replaced on disk.
  void UseProgram(const std::string& path) { program_ = path; }
  static std::string BuiltProgram();

  pid_t pid() const { return pid_; }
  bool running() const;
  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string keys() const { return Path("keys.sock"); }  // of all services
  std::string management() const { return Path("management.sock"); }
  std::string config_file() const { return Path("signet.toml"); }
  std::string credential() const;
  std::string Log() const;
  // Of the process: resident memory in KiB, open descriptors, threads.
  std::size_t ResidentKib() const { return StatusNumber("VmRSS:"); }
  std::size_t Threads() const { return StatusNumber("Threads:"); }
  std::size_t Descriptors() const;

  // signetd's side.
  hsm::TokenClient& manager();
  std::unique_ptr<hsm::TokenClient> AnotherManager() const;
  void ForgetManager() { manager_.reset(); }
  bool WaitState(hsm::TokenState state, double seconds);

  struct KeyWish {
    std::string purpose;
    hsm::KeySpec spec = {hsm::KeyAlgorithm::kEc, 256};
    std::vector<std::string> services = {};
    std::string label = "";  // empty: the purpose
  };
  // Makes keys with certificates by a foreign CA and puts them into `view`; tells signet-keyd.
  void MakeKeys(const std::vector<KeyWish>& wishes);
  hsm::KeyView view;
  const hsm::ViewKey& Key(const std::string& label) const;
  void Show();

  // Objects on the token itself, as its owner sees them beside signet-keyd.
  std::string TokenTool(const std::vector<std::string>& arguments) const;
  std::string TokenDigest() const;  // of every file of the token

 private:
  std::size_t StatusNumber(const std::string& name) const;
  std::size_t ReadyLines() const;
  void GiveToUser() const;

  KeydOptions options_;
  ScratchFolder folder_;
  std::unique_ptr<FileSystem> files_ = MakeFileSystem();
  std::string program_;
  pid_t pid_ = 0;
  std::size_t ready_ = 0;
  std::unique_ptr<hsm::TokenClient> manager_;
};

// Tries every 10 ms until the condition holds; false when it does not within the limit.
bool Within(double seconds, const std::function<bool()>& condition);

// Runs work on a thread of its own with another user's rights: the kernel has them per thread.
// Needs root.
void AsUser(const std::string& user, const std::function<void()>& work);
// The same with a group that the user's entry does not name.
void AsUserInGroup(const std::string& user, const std::string& group,
                   const std::function<void()>& work);
bool IsRoot();

}  // namespace signet::testing
