// Revocation at work in the daemon (SPEC R1 to R4): responders of openssl, a mail server of
// aiosmtpd, slapd as a long-lived endpoint.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/platform/mail_peer.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/ike_pair.h"
#include "tests/support/ocsp_responder.h"

namespace signet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RevocationJob : public ::testing::Test {
 protected:
  RevocationJob() : root_(ca_, "root"), int2_(ca_, "int2") {}

  void Must(const std::vector<std::string>& command) const {
    const Outcome done = appliance_.Cli(command);
    EXPECT_EQ(done.code, 0) << command[0] << " " << command[1] << ": " << done.err;
  }
  std::string Write(const std::string& name, const std::string& text) const {
    WriteWhole(folder_ / name, text);
    return folder_ / name;
  }
  // An intermediate of the root, whose responder knows it, in a store.
  std::string TrustSub(const std::string& store) {
    const std::string csr =
        MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", folder_ / "sub.key", "-subj", "/CN=Branch CA"});
    CertificateAuthority::SignOptions options;
    options.issuer = "root";
    options.copy_extensions = false;
    options.extensions = {"basicConstraints=critical,CA:TRUE",
                          "keyUsage=critical,keyCertSign,cRLSign", root_.Access()};
    const std::string pem = ca_.Sign(csr, options);
    root_.Know(pem);
    Must({"trust", "upload", store, ca_.File("root"), Write("sub.pem", pem), "--yes"});
    return pem;
  }
  // A certificate of it, with its key beside it.
  std::string Issue(const std::string& name, const std::string& extension) {
    const std::string csr =
        MustRun({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", folder_ / (name + ".key"), "-subj", "/CN=" + name});
    Write("leaf.ext",
          "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
          "keyUsage=critical,digitalSignature\n" +
              extension);
    return MustRun({"openssl", "x509", "-req", "-days", "90", "-CA", folder_ / "sub.pem", "-CAkey",
                    folder_ / "sub.key", "-extfile", folder_ / "leaf.ext"},
                   {csr, "", {}});
  }
  void SwitchOn() const { Must({"revocation", "set", "--check", "on", "--every", "1h"}); }
  bool WaitFor(const std::string& method, const char* member, const json::value& value) const {
    return Eventually([&] { return appliance_.MustRpc(method).at(member) == value; }, Seconds(20));
  }
  bool Told(const std::string& text) const {
    return Eventually(
        [&] { return appliance_.Cli({"events"}).out.find(text) != std::string::npos; },
        Seconds(20));
  }

  ScratchFolder folder_;
  CertificateAuthority ca_;
  OcspResponder root_, int2_;
  Appliance appliance_;
};

// SPEC R1, R3, R4: the consequence, the mail, the event, the figure, the close.
TEST_F(RevocationJob, ACertificateThatTurnsToRevokedHasAllItsConsequences) {
  const Pair own = MakePair(folder_ / "mail", kEcKey, {"-addext", "subjectAltName=DNS:localhost"});
  MailPeer mails("auth", {own.certificate, own.key});
  const std::string password = Write("password", std::string(kPassword) + "\n");
  std::filesystem::permissions(password, std::filesystem::perms(0600));
  appliance_.EditConfig("[outgoing]",
                        "[mail]\nserver = \"localhost:" + std::to_string(mails.port()) +
                            "\"\nfrom = \"signet@example.com\"\nuser = \"alice\"\n"
                            "password-source = \"file:" +
                            password +
                            "\"\ntrust-store = \"tomcat-trust\"\n"
                            "[connection.closer]\nkind = \"cti\"\nclose = [\"/bin/sh\", \"-c\", "
                            "\"echo $SIGNET_PEER >> " +
                            std::string(folder_ / "closed") + "\"]\n[outgoing]");
  appliance_.StartAndWait();
  Must({"trust", "upload", "tomcat-trust", own.certificate, "--yes"});
  const std::string sub = TrustSub("cup-trust");
  const std::string peer = Write("peer.pem", Issue("phone", "extendedKeyUsage=clientAuth\n"));
  SwitchOn();
  EXPECT_TRUE(WaitFor("revocation.show", "good", 1));
  Must({"monitor", "set", "--email", "on", "--addresses", "admin@example.com"});
  Must({"connection", "register", "cti", "10.1.1.7:2748", peer, "--id", "cti-7"});
  EXPECT_EQ(appliance_.List("connection.list").at(0).at("state"), "good");

  root_.Revoke(sub);
  const Outcome check = appliance_.Cli({"revocation", "check"});
  EXPECT_EQ(check.code, 0) << check.err;
  // SPEC S3: who reads the store is to take it up.
  EXPECT_THAT(check.out, AllOf(HasSubstr("revoked"), HasSubstr("Cisco SIP Proxy")));
  const std::string id = Fingerprint(sub);
  EXPECT_THAT(
      appliance_.Rpc("trust.show", {{"store", "cup-trust"}, {"id", id}}).Text("distrusted"),
      AllOf(HasSubstr("revoked since"), HasSubstr("keyCompromise"), HasSubstr(root_.url())));
  EXPECT_THAT(appliance_.Cli({"revocation", "distrusted"}).out,
              AllOf(HasSubstr("Branch CA"), HasSubstr("cup-trust")));
  EXPECT_TRUE(Told("CN=Branch CA (cup-trust) is revoked since"));
  EXPECT_TRUE(Told("the cti connection cti-7 to 10.1.1.7:2748 must be closed"));
  EXPECT_EQ(ReadWhole(folder_ / "closed"), "10.1.1.7:2748\n");
  EXPECT_EQ(appliance_.List("connection.list").at(0).at("state"), "failing");
  const json::object mail = mails.Taken();
  const std::string text = mail.at("parts").at(0).at(2).as_string().c_str();
  EXPECT_THAT(text, AllOf(HasSubstr("cup-trust is revoked since"), HasSubstr("Branch CA")));
  EXPECT_THAT(appliance_.Cli({"status"}).err, HasSubstr("DISTRUSTED"));
  EXPECT_THAT(appliance_.Get("/metrics").second,
              HasSubstr("signet_distrusted{cause=\"revoked\"} 1"));
  EXPECT_THAT(appliance_.Cli({"audit", "list"}).out, HasSubstr("revocation.check"));

  // ABUSE 113; over a restart, too.
  root_.Know(sub);
  EXPECT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait();
  Must({"revocation", "check"});
  EXPECT_THAT(appliance_.Cli({"status"}).err, HasSubstr("SAID_GOOD"));
  const Outcome unsaid = appliance_.Cli({"revocation", "clear", id.substr(0, 16), "--reason", ""});
  EXPECT_NE(unsaid.code, 0);
  EXPECT_THAT(unsaid.err, HasSubstr("REASON_MISSING"));
  Must({"revocation", "clear", id.substr(0, 16), "--reason", "the CA was mistaken"});
  EXPECT_TRUE(appliance_.Rpc("trust.show", {{"store", "cup-trust"}, {"id", id}})
                  .result.at("distrusted")
                  .is_null());
  EXPECT_THAT(appliance_.Cli({"audit", "list"}).out, HasSubstr("the CA was mistaken"));
}

// ABUSE 40.
TEST_F(RevocationJob, ARevokedCertificateIsNotTakenIn) {
  appliance_.StartAndWait();
  Must({"trust", "upload", "cup-trust", ca_.File("root"), ca_.File("int1"), ca_.File("int2"),
        "--yes"});
  SwitchOn();
  Must({"csr", "generate", "cup"});
  const std::string csr = appliance_.Cli({"csr", "download", "cup"}).out;
  CertificateAuthority::SignOptions options;
  options.extensions = {int2_.Access()};
  const std::string leaf = ca_.Sign(csr, options), file = Write("cup.pem", leaf);
  int2_.Revoke(leaf);
  const json::value before = appliance_.MustRpc("certificate.show", {{"purpose", "cup"}});
  const Outcome refused = appliance_.Cli({"certificate", "upload", "cup", file, "--yes"});
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("REVOKED"), HasSubstr("keyCompromise")));
  EXPECT_EQ(appliance_.MustRpc("certificate.show", {{"purpose", "cup"}}).at("serial"),
            before.at("serial"));
  // Nobody tells: a warning that the audit log keeps, or a refusal, as the setting says.
  int2_.Stop();
  Write("cup.pem", ca_.Sign(csr, options));
  Must({"revocation", "set", "--unknown-upload", "hard"});
  const Outcome hard = appliance_.Cli({"certificate", "upload", "cup", file, "--yes"});
  EXPECT_NE(hard.code, 0);
  EXPECT_THAT(hard.err, HasSubstr("STATUS_UNKNOWN"));
  Must({"revocation", "set", "--unknown-upload", "soft"});
  const Outcome soft = appliance_.Cli({"certificate", "upload", "cup", file, "--yes"});
  EXPECT_EQ(soft.code, 0) << soft.err;
  EXPECT_THAT(soft.err, HasSubstr("STATUS_UNKNOWN"));
  EXPECT_THAT(appliance_.Cli({"audit", "list"}).out, HasSubstr("nobody tells whether"));
}

// SPEC R1: what a setting would do is shown before.
TEST_F(RevocationJob, SettingsAreShownBeforeTheyCountAndWrongOnesRefused) {
  appliance_.StartAndWait();
  const std::string sub = TrustSub("tomcat-trust");
  root_.Revoke(sub);
  const Outcome shown =
      appliance_.Cli({"revocation", "set", "--check", "on", "--every", "6 hours", "--dry-run"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out + shown.err, HasSubstr("WOULD_BE_DISTRUSTED"));
  EXPECT_EQ(appliance_.MustRpc("revocation.show").at("enabled"), false);
  root_.Stop();
  TrustSub("cup-trust");
  const Outcome hard = appliance_.Cli(
      {"revocation", "set", "--check", "on", "--unknown-trust", "hard", "--dry-run"});
  EXPECT_THAT(hard.out + hard.err, HasSubstr("WOULD_BE_REFUSED"));
  for (const json::object& wrong : {
           json::object{},
           json::object{{"enabled", "on"}},
           json::object{{"every", "often"}},
           json::object{{"every", "0h"}},
           json::object{{"responder", "gopher://127.0.0.1/"}},
           json::object{{"responder", "file:///etc/passwd"}},
           json::object{{"responder", "http://"}},
           json::object{{"responder", std::string(5000, 'a')}},
           json::object{{"unknownTrust", "medium"}},
           json::object{{"enabled", true}, {"every", "-1h"}},
       }) {
    const Answer refused = appliance_.Rpc("revocation.set", wrong);
    EXPECT_FALSE(refused.ok()) << json::serialize(wrong).substr(0, 80);
  }
  EXPECT_EQ(appliance_.MustRpc("revocation.show").at("enabled"), false);
  EXPECT_EQ(appliance_.MustRpc("revocation.show").at("every"), "24h");
  // ABUSE 102, 103: never to the appliance's own door.
  Must({"revocation", "set", "--responder", appliance_.url() + "/rpc", "--check", "on"});
  Must({"revocation", "check"});
  const Outcome list = appliance_.Cli({"revocation", "list"});
  EXPECT_THAT(list.out, HasSubstr("unknown"));
  EXPECT_THAT(json::serialize(appliance_.MustRpc("revocation.show")),
              HasSubstr("RESPONDER_NOT_ALLOWED"));
}

// SPEC R4: an LDAP server that the configuration names.
TEST_F(RevocationJob, AnLdapServerIsLookedAt) {
  appliance_.StartAndWait();
  const std::string sub = TrustSub("tomcat-trust");
  EXPECT_EQ(appliance_.Stop(), 0);
  const std::string certificate = Write(
      "ldap.pem", Issue("ldap", "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost\n"));
  const std::uint16_t port = FreePort();
  Write("slapd.conf", "pidfile " + std::string(folder_ / "slapd.pid") + "\nTLSCertificateFile " +
                          certificate + "\nTLSCertificateKeyFile " +
                          std::string(folder_ / "ldap.key") + "\nTLSCACertificateFile " +
                          std::string(folder_ / "sub.pem") + "\n");
  RunningProgram slapd({"/usr/sbin/slapd", "-d", "0", "-h",
                        "ldaps://127.0.0.1:" + std::to_string(port), "-f", folder_ / "slapd.conf"});
  ASSERT_TRUE(Eventually([&] { return ListensOn(port); }, Seconds(20))) << slapd.Output();
  appliance_.EditConfig("[outgoing]",
                        "[connection.directory]\nkind = \"ldap\"\n"
                        "[[connection.directory.endpoint]]\naddress = \"localhost:" +
                            std::to_string(port) + "\"\n[outgoing]");
  appliance_.StartAndWait();
  const auto state = [&] {
    const json::array all = appliance_.List("connection.list");
    return all.empty() ? std::string() : std::string(all.at(0).at("state").as_string());
  };
  EXPECT_TRUE(Eventually([&] { return state() == "good"; }, Seconds(20)));
  SwitchOn();
  EXPECT_TRUE(WaitFor("revocation.show", "good", 1));
  root_.Revoke(sub);
  Must({"revocation", "check"});
  EXPECT_TRUE(Eventually([&] { return state() == "failing"; }, Seconds(20)));
  EXPECT_TRUE(Told("the ldap connection directory"));
  EXPECT_THAT(appliance_.Cli({"connection", "list"}).out,
              AllOf(HasSubstr("failing"), HasSubstr("directory")));
  EXPECT_THAT(appliance_.Rpc("connection.remove", {{"id", "directory"}}).word(),
              "CONNECTION_PROBED");
  // One that is away is told, and no failure.
  EXPECT_EQ(slapd.Stop(), 0);
  Must({"connection", "check"});
  EXPECT_THAT(appliance_.Cli({"status"}).err, HasSubstr("PROBE_FAILED"));
}

// SPEC R4: an IKE_SA of a real strongSwan is closed when its peer is revoked.
TEST_F(RevocationJob, AnIkeSaWhosePeerIsRevokedIsClosed) {
  const std::string why_not = IkePair::WhyNot();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  CertificateAuthority::SignOptions options;
  options.extensions = {int2_.Access()};
  const auto side = [&](const std::string& name) {
    IkePair::Peer made{folder_ / (name + ".pem"), folder_ / (name + ".key"), ca_.File("root")};
    made.chain = {ca_.File("int2"), ca_.File("int1")};
    WriteWhole(made.certificate,
               ca_.Sign(MustRun({"openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
                                 "ec_paramgen_curve:P-256", "-keyout", made.key, "-subj",
                                 "/O=Signet tests/CN=" + name}),
                        options));
    return made;
  };
  const IkePair::Peer first = side("first"), second = side("second");
  int2_.Know(ReadWhole(second.certificate));
  IkePair pair(first, second);
  pair.Start();
  ASSERT_TRUE(pair.Connect().has_value());
  appliance_.StartAndWait();
  Must({"trust", "upload", "ipsec-trust", ca_.File("root"), "--yes"});
  SwitchOn();
  EXPECT_EQ(appliance_.Stop(), 0);
  // A peer that leads nowhere is closed at the first look.
  appliance_.EditConfig("[outgoing]", "[connection.site]\nkind = \"ipsec\"\nvici = \"" +
                                          pair.FirstVici() + "\"\n[outgoing]");
  appliance_.StartAndWait();
  const auto connections = [&] {
    Must({"connection", "check"});
    return appliance_.List("connection.list");
  };
  json::array seen = connections();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].at("state"), "good") << json::serialize(seen);
  EXPECT_THAT(std::string(seen[0].at("peer").as_string()), HasSubstr("CN=second at 10.99.0.2"));
  int2_.Revoke(ReadWhole(second.certificate));
  EXPECT_EQ(connections().at(0).at("state"), "failing");
  EXPECT_TRUE(Told("(the IKE_SA was closed)"));
  EXPECT_TRUE(connections().empty());
  EXPECT_THAT(appliance_.Cli({"audit", "list"}).out, HasSubstr("the IKE_SA was closed"));
}

}  // namespace
}  // namespace signet::testing
