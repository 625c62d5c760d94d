// Servers of other makers, each the real program of a Debian package with a configuration of its
// own, that use a key through p11-kit-client.so and the text that Signet gives an administrator.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/loopback.h"
#include "tests/support/printed_snippet.h"
#include "tests/support/running_program.h"

namespace signet::testing {

inline constexpr char kP11KitClient[] = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so";

enum class ServerKind { kNginx, kNginxStream, kApacheEvent, kApachePrefork, kStunnel, kTomcat };
inline constexpr ServerKind kServerKinds[] = {ServerKind::kNginx,       ServerKind::kNginxStream,
                                              ServerKind::kApacheEvent, ServerKind::kApachePrefork,
                                              ServerKind::kStunnel,     ServerKind::kTomcat};

// What an administrator writes into a server's own file, once, where a test words it by itself.
struct Snippet {
  // At the top of the file: directives of nginx and Apache, global options of stunnel, the DOCTYPE
  // of Tomcat's server.xml; for strongSwan what stands beside `connections`.
  std::string outer = {};
  // Where one TLS side is described: inside of nginx's `server`, Apache's <VirtualHost>, stunnel's
  // service section, Tomcat's <SSLHostConfig>, strongSwan's connection.
  std::string inner;
};

// The way to the key.
struct KeyAccess {
  std::string address;  // P11_KIT_SERVER_ADDRESS, "unix:path=…"
  std::string module = kP11KitClient;
};

// What a kind of server is, apart from its configuration.
struct ServerTraits {
  const char* name;     // a word, e.g. "nginx"
  const char* program;  // what must be there
  const char* worker;   // the user that does the handshakes
  bool two_keys;        // an RSA and an ECDSA key at one port
  bool gapless;         // a renewal loses no connection
};
const ServerTraits& Traits(ServerKind kind);

// A server's files in a folder of their own, for a port of loopback, and how it is run: for whoever
// runs it. Where the server is a front, something behind it answers.
class ServedFiles {
 public:
  // `behind`: the port that a front leads to; 0: one that answers requests.
  ServedFiles(ServerKind kind, KeyAccess access, std::uint16_t behind = 0);

  void Write(const Snippet& snippet) const;
  // As printed, of one purpose or of two at one port; only ports, and /etc with its folders, are
  // the test's own.
  void Write(const std::vector<PrintedSnippet>& printed) const;

  ServerKind kind() const { return kind_; }
  std::uint16_t port() const { return port_; }
  const std::string& folder() const { return folder_.path(); }  // also where it runs
  std::vector<std::string> Command() const;                     // it stays in the foreground
  Environment Variables() const;                                // that it needs
  std::string User() const;                                     // who runs it; empty: root

 private:
  const ServerKind kind_;
  const KeyAccess access_;
  const std::uint16_t port_ = FreePort();
  ScratchFolder folder_;
  std::unique_ptr<AnsweringServer> answers_;
  const std::uint16_t behind_;
};

// A server on a loopback port, run by the test.
class ServedServer {
 public:
  ServedServer(ServerKind kind, const Snippet& snippet, const KeyAccess& access)
      : files_(kind, access) {
    files_.Write(snippet);
  }
  ServedServer(ServerKind kind, const std::vector<PrintedSnippet>& printed, const KeyAccess& access)
      : files_(kind, access) {
    files_.Write(printed);
  }
  ~ServedServer();  // shows the end of the log when the test has failed

  // Why this kind cannot be run here; empty when it can.
  static std::string WhyNot(ServerKind kind);

  void Start();  // until it listens; the test fails when it does not
  void
  Reload();  // how it takes up a renewal: a signal, or a new start; does not wait for the effect
  // Until no process is left that served before the last Reload; the test fails when one stays.
  void AwaitLastOldWorker() const;
  int Stop();  // the exit code
  bool Running();
  std::set<std::string> Users() const;  // whom its processes belong to
  std::vector<pid_t> Processes() const;
  std::uint16_t port() const { return files_.port(); }
  std::string Log() const;  // all that the program itself wrote since its last start

 private:
  // Of its processes, a column of ps.
  std::vector<std::string> Column(const std::string& name) const;

  ServedFiles files_;
  std::unique_ptr<RunningProgram> program_;
  std::vector<pid_t> before_;  // the last Reload: its processes, without the first one
};

}  // namespace signet::testing
