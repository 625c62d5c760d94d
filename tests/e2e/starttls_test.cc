// The import tool at servers that begin in the clear, each the real program of a Debian package
// with a configuration of its own: slapd, prosody (clients and servers), aiosmtpd.
#include <gtest/gtest.h>

#include "tests/e2e/invariants.h"
#include "tests/platform/tls_peer.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/prosody.h"

namespace signet::testing {
namespace {

class StartTlsImport : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  std::string Path(const std::string& name) const { return folder_ / name; }

  // Starts a server and waits until somebody listens on the port.
  void Run(const std::vector<std::string>& command, std::uint16_t port) {
    server_ = std::make_unique<RunningProgram>(command);
    EXPECT_TRUE(Eventually([&] { return ListensOn(port); }, Seconds(20)))
        << command.front() << server_->Output();
  }
  std::uint16_t RunSlapd(bool tls = true) {
    const std::uint16_t port = FreePort();
    WriteWhole(Path("slapd.conf"), "pidfile " + Path("slapd.pid") + "\n" +
                                       (tls ? "TLSCertificateFile " + own_.certificate +
                                                  "\nTLSCertificateKeyFile " + own_.key + "\n"
                                            : ""));
    Run({"/usr/sbin/slapd", "-d", "0", "-h", "ldap://127.0.0.1:" + std::to_string(port), "-f",
         Path("slapd.conf")},
        port);
    return port;
  }
  std::uint16_t RunSmtp(bool tls = true) {
    const std::uint16_t port = FreePort();
    std::vector<std::string> command = {"/usr/bin/python3",
                                        "-B",
                                        "-m",
                                        "aiosmtpd",
                                        "-n",
                                        "-l",
                                        "127.0.0.1:" + std::to_string(port)};
    if (tls) command.insert(command.end(), {"--tlscert", own_.certificate, "--tlskey", own_.key});
    Run(command, port);
    return port;
  }

  Outcome Fetch(std::uint16_t port, const std::string& protocol) {
    std::vector<std::string> command = {
        "import",        "fetch",      "cup-trust", "localhost:" + std::to_string(port),
        "--fingerprint", fingerprint_, "--yes"};
    if (!protocol.empty()) command.insert(command.end(), {"--starttls", protocol});
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome = appliance_.Cli(command);
    EXPECT_LT(Seconds(std::chrono::steady_clock::now() - start), Seconds(8));
    return outcome;
  }
  // The server's own certificate is stored as a pinned entry.
  void ExpectImported(std::uint16_t port, const std::string& protocol) {
    const Outcome done = Fetch(port, protocol);
    EXPECT_EQ(done.code, 0) << protocol << done.err;
    const json::object entry{{"store", "cup-trust"}, {"id", fingerprint_}};
    EXPECT_EQ(appliance_.Rpc("trust.show", entry).Text("kind"), "pinned") << protocol;
  }
  void ExpectRefused(std::uint16_t port, const std::string& protocol, const std::string& words) {
    const std::size_t before = appliance_.List("trust.list").size();
    const Outcome refused = Fetch(port, protocol);
    EXPECT_NE(refused.code, 0) << protocol;
    const std::size_t at = refused.err.rfind('(', refused.err.find("\n  remedy"));
    const std::string word = refused.err.substr(at + 1, refused.err.find(')', at) - at - 1);
    EXPECT_NE((" " + words + " ").find(" " + word + " "), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("remedy: "), std::string::npos) << refused.err;
    EXPECT_EQ(appliance_.List("trust.list").size(), before);
  }

  ScratchFolder folder_;
  // With CA:TRUE, as the openssl command makes self-signed ones: it is pinned all the same.
  const Pair own_ =
      MakePair(folder_ / "localhost", kRsaKey, {"-addext", "subjectAltName=DNS:localhost"});
  const std::string fingerprint_ = Fingerprint(ReadWhole(own_.certificate));
  Appliance appliance_;
  std::unique_ptr<RunningProgram> server_;
};

// SPEC X1: from a directory server.
TEST_F(StartTlsImport, SlapdShowsItsCertificateAfterTheExtendedOperation) {
  const std::uint16_t port = RunSlapd();
  ExpectImported(port, "ldap");
  ExpectRefused(port, "xmpp", "STARTTLS_REFUSED");
  ExpectRefused(port, "", "NO_TLS");
}

TEST_F(StartTlsImport, SlapdWithoutACertificateRefuses) {
  ExpectRefused(RunSlapd(false), "ldap", "STARTTLS_REFUSED");
}

// SPEC X1: from an XMPP server, where its clients come in.
TEST_F(StartTlsImport, ProsodyShowsItsCertificateToClients) {
  const Prosody prosody(own_.certificate, own_.key);
  ExpectImported(prosody.clients(), "xmpp");
  ExpectRefused(prosody.clients(), "ldap", "STARTTLS_REFUSED");
  ExpectRefused(prosody.clients(), "", "NO_TLS");
}

// SPEC X1: and where other servers do.
TEST_F(StartTlsImport, ProsodyShowsItsCertificateToServers) {
  const Prosody prosody(own_.certificate, own_.key);
  ExpectImported(prosody.servers(), "xmpp-server");
  ExpectRefused(prosody.servers(), "ldap", "STARTTLS_REFUSED");
}

TEST_F(StartTlsImport, ProsodyWithoutTlsRefuses) {
  const Prosody prosody;
  ExpectRefused(prosody.clients(), "xmpp", "STARTTLS_REFUSED");
  ExpectRefused(prosody.servers(), "xmpp-server", "STARTTLS_REFUSED");
}

// SPEC X1: from a mail server.
TEST_F(StartTlsImport, MailServerShowsItsCertificate) {
  const std::uint16_t port = RunSmtp();
  ExpectImported(port, "smtp");
  ExpectRefused(port, "xmpp", "STARTTLS_REFUSED");
  ExpectRefused(port, "", "NO_TLS");
}

TEST_F(StartTlsImport, MailServerWithoutTlsRefuses) {
  ExpectRefused(RunSmtp(false), "smtp", "STARTTLS_REFUSED");
}

}  // namespace
}  // namespace signet::testing
