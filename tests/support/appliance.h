// The real daemon, `signetd --dev` or as it is installed, in a folder of the test's own, driven
// from outside: by the real CLI, by raw JSON-RPC on its Unix socket and by foreign tools on its TLS
// port and token.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/command.h"
#include "tests/support/installation.h"

namespace signet::testing {

namespace json = boost::json;

struct ApplianceOptions {
  std::string product = "imp";
  // Continues a copy of a folder whose first boot is over, made once per build of the daemon; false
  // begins with an empty folder.
  bool prepared = true;
  Environment environment = {};
  // Runs as its units would run it (installation.h); with a prepared folder only.
  bool installed = false;
  std::string config = {};  // added to signet.toml, where it is installed
};

// An answer to a JSON-RPC call; `status` is 0 when the connection broke before the answer was
// there.
struct Answer {
  int status = 0;
  json::value result;
  json::object error;  // error.data
  bool ok() const { return status == 200 && error.empty(); }
  std::string Text(const char* member) const;  // a text member of the result, empty when absent
  std::string word() const;                    // the error's stable word
};

class Appliance {
 public:
  explicit Appliance(ApplianceOptions options = {});
  ~Appliance();
  Appliance(const Appliance&) = delete;
  Appliance& operator=(const Appliance&) = delete;

  // Starts the daemon and waits for its ready line; throws when it does not come, which ends the
  // test. `extra` is added to its environment this time.
  void Start(const Environment& extra = {});
  // Start, and the first boot (or a recovery) is over: how long that took.
  Seconds StartAndWait(const Environment& extra = {});
  // SIGTERM; the exit code.
  int Stop();
  // SIGKILL for the daemon alone: its signet-keyd serves on.
  void Kill();
  // Of the signet-keyd that serves the folder, whoever started it; 0: none.
  pid_t keyd() const;
  // SIGKILL, and waits until it is gone.
  void KillKeyd() const;
  // As it is installed: SIGTERM for signet-keyd; the exit code. Start starts it again.
  int StopKeyd() { return installation_->StopKeyd(); }
  // How often it said that it is ready, a successor included.
  std::size_t KeydStarts() const { return installation_->KeydStarts(); }
  // Waits for a daemon that ends by itself; the exit code (128 + signal), nothing when it does not.
  std::optional<int> WaitForEnd(Seconds limit);
  // Runs a daemon that is expected to refuse to start.
  Outcome RunToEnd(const Environment& extra = {}) const;

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  const std::string& folder() const { return folder_; }  // the DIR of --dev
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string Spare(const std::string& name) const { return scratch_ / name; }  // outside DIR
  std::string socket() const;
  std::string keys() const;  // of services
  const std::string& url() const { return url_; }
  std::string port() const { return url_.substr(url_.rfind(':') + 1); }
  std::string log_file() const { return scratch_ / "log"; }
  std::string Pin() const { return ReadWhole(Path("pin")); }

  // Replaces a text of signet.toml, which must be there.
  void EditConfig(const std::string& from, const std::string& to) const;

  Answer Rpc(const std::string& method, json::object params = {},
             Seconds limit = Seconds(60)) const;
  json::value MustRpc(const std::string& method, json::object params = {}) const;
  json::array List(const std::string& method, json::object params = {}) const;  // all pages
  std::pair<int, std::string> Get(const std::string& path) const;               // status and body
  std::string State() const;  // status.show's `state`

  static std::string CliProgram();
  Outcome Cli(std::vector<std::string> arguments, const std::string& input = "") const;
  // With --output json; must succeed.
  json::value CliJson(std::vector<std::string> arguments, const std::string& input = "") const;

  bool WaitReady(Seconds limit = Seconds(100)) const;
  bool WaitState(const std::string& state, Seconds limit) const;

  // pkcs11-tool logged in to the token, beside the daemon.
  std::string TokenTool(const std::vector<std::string>& arguments) const;
  std::size_t PrivateKeysOnToken() const;
  std::size_t ObjectsOnToken() const;
  // A query on the daemon's own database of this node.
  std::string NodeDatabase(const std::string& query) const;
  // What the TLS port presents: leaf first. `arguments` go to openssl s_client.
  std::vector<std::string> ServedChain(const std::vector<std::string>& arguments = {}) const;

 private:
  std::string Request(const std::string& head, const std::string& body, Seconds limit) const;
  std::vector<std::string> Command() const;
  CommandOptions Options(const Environment& extra) const;

  ApplianceOptions options_;
  ScratchFolder scratch_;
  std::string folder_;
  std::unique_ptr<Installation> installation_;
  std::string url_;
  pid_t pid_ = 0;
};

}  // namespace signet::testing
