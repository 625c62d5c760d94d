// One appliance as it is installed, whose services are real servers of other makers; one for all
// tests of a program, since making it takes longest.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/ike_pair.h"
#include "tests/support/served.h"

namespace signet::testing {

// A server and the [service] of the appliance that is meant for it.
struct ServedRow {
  ServerKind kind;
  const char* server;   // as `signet service snippet` has it
  const char* service;  // of signet.toml
  const char* rsa;      // purposes
  const char* ec;
  int renewals = 20;  // under handshakes
};
inline void PrintTo(const ServedRow& row, std::ostream* out) { *out << row.server; }
inline constexpr ServedRow kServedRows[] = {
    {ServerKind::kNginx, "nginx", "nginx", "tomcat", "tomcat-ECDSA"},
    {ServerKind::kNginxStream, "sip-front", "nginx", "tomcat", "tomcat-ECDSA", 5},
    {ServerKind::kApacheEvent, "apache", "apache", "cup-xmpp", "cup-xmpp-ECDSA"},
    {ServerKind::kApachePrefork, "apache", "apache", "cup-xmpp", "cup-xmpp-ECDSA"},
    {ServerKind::kStunnel, "stunnel", "stunnel", "cup", "cup-ECDSA"},
    {ServerKind::kTomcat, "tomcat", "tomcat", "cup-xmpp-s2s", "cup-xmpp-s2s-ECDSA"},
};

// A purpose's certificate as the appliance shows it.
struct ShownIdentity {
  std::string serial;              // as "openssl x509 -serial" prints it
  std::vector<std::string> chain;  // SHA-256, leaf first, without the root
};

class ServedWorld {
 public:
  // kTyped: signet-keyd has none before `signet token unlock`; the appliance is not started.
  enum class Pin { kFromSource, kTyped };
  explicit ServedWorld(Pin pin);

  // Why there is none here; empty when there is.
  static std::string WhyNot();
  static ServedWorld& Get();  // with the PIN, started, its certificates signed by the CA

  Appliance& appliance() { return appliance_; }
  const CertificateAuthority& ca() const { return ca_; }

  PrintedSnippet Snippet(const std::string& server, const std::string& purpose,
                         const std::string& service) const;
  // What the lines of `signet key agent-env` leave in a shell's environment.
  KeyAccess Access(const std::string& purpose, const std::string& service) const;
  // With a configuration as printed: for one purpose, or for both at one port.
  std::unique_ptr<ServedServer> Server(const ServedRow& row,
                                       const std::vector<std::string>& purposes) const;
  // The purposes that the row's server can have at one port.
  static std::vector<std::string> Purposes(const ServedRow& row);

  // The other side of an IKE_SA, which trusts the CA's root.
  IkePair::Peer Peer() const;

  ShownIdentity Shown(const std::string& purpose) const;
  std::string Serial(const std::string& purpose) const;  // of it
  // Renewals by `signet`: a self-signed certificate, or a CSR that the CA signs; a new key each.
  void Generate(const std::string& purpose) const;
  void Sign(const std::string& purpose) const;

  // signet_signatures_total by purpose and uid, of GET /metrics.
  long Signatures(const std::string& purpose, const std::string& user) const;
  long Metric(const std::string& name) const;

 private:
  void SignAll() const;

  Appliance appliance_;
  CertificateAuthority ca_;
};

}  // namespace signet::testing
