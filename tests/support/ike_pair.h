// Two strongSwan daemons in networks of their own, joined by a wire: one with a key behind
// p11-kit-client.so and the text that Signet gives an administrator, one with plain key files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/served.h"

namespace signet::testing {

class IkePair {
 public:
  // The other side: PEM files of its certificate, its key, and the root that it trusts.
  struct Peer {
    std::string certificate, key, trust;
    std::vector<std::string> chain = {};  // of its certificate: PEM files that it sends, too
  };
  // An IKE_SA as the peer sees it.
  struct Sa {
    std::string state, remote_id;  // "ESTABLISHED", the subject of the first side's certificate
    std::string serial;            // of that certificate, as "openssl x509 -serial" prints it
  };

  // Why it cannot be run here; empty when it can.
  static std::string WhyNot();

  // The snippet's `inner` stands in a connection with one remote of any identity, its `outer`
  // beside the connections; a token's module is called "signet".
  IkePair(const Snippet& snippet, const KeyAccess& access, const Peer& peer);
  // As printed; only addresses, the peer's name and that there are no children are the test's own.
  IkePair(const PrintedSnippet& printed, const KeyAccess& access, const Peer& peer);
  // Both with plain key files; no token.
  IkePair(const Peer& first, const Peer& second);
  ~IkePair();  // shows the logs when the test has failed

  // Starts both daemons and loads their configuration.
  void Start();
  // The first side reads its files and keys anew: swanctl --load-all.
  void Reload() const;
  // A new IKE_SA (without children: only the authentication is of interest); nothing when refused.
  std::optional<Sa> Connect() const;
  std::string Log() const;
  pid_t pid() const { return token_.daemon->pid(); }  // of the first side
  // Where VICI of a side is, as swanctl's --uri.
  std::string FirstVici() const { return Vici(token_); }
  std::string SecondVici() const { return Vici(peer_); }
  // SIGSTOP, SIGCONT, … to the second side, the peer.
  void SignalSecond(int number) const { peer_.daemon->Signal(number); }

 private:
  struct Side {
    std::string name, address, other;
    std::string plugin;  // of strongswan.conf: the settings of pkcs11; empty: it is not loaded
    std::string swanctl;
    std::unique_ptr<RunningProgram> daemon;
  };

  IkePair(const KeyAccess& access, const Peer& peer);
  std::string Vici(const Side& side) const { return "unix://" + folder_ / side.name + "/vici"; }
  void WriteFiles(Side& side, const Peer& peer) const;
  void Write(const Side& side) const;
  void Join() const;  // the wire
  Outcome Control(const Side& side, std::vector<std::string> words) const;
  void Load(const Side& side) const;

  KeyAccess access_;
  ScratchFolder folder_;
  std::string connection_ = "site";
  Side token_, peer_;
  std::string own_serial_;  // of the peer's certificate
};

}  // namespace signet::testing
