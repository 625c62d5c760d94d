// What a certificate or CSR consists of and how it leaves the appliance, seen by the openssl CLI;
// the entries of trust stores; names of federation certificates.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

class CertificateJob : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  std::string Spare(const std::string& name) const { return appliance_.Spare(name); }
  // A download into a file; the file's name must be the one that is said.
  std::string Downloaded(const std::string& noun, const std::string& what,
                         const std::string& format, const std::string& name) {
    const std::string folder = Spare("downloads-" + format) + "/";
    std::filesystem::create_directories(folder);  // a format each: names are alike
    const Outcome done = appliance_.Cli({noun, "download", what, "--format", format, "-o", folder});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_TRUE(std::filesystem::exists(folder + name)) << folder + name;
    return folder + name;
  }
  std::string OpenSsl(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "openssl");
    return MustRun(arguments, {input, "", {}});
  }
  std::string MakeCsr(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"csr", "generate"});
    return Text(appliance_.CliJson(arguments).at("pem"));
  }

  Appliance appliance_;
  CertificateAuthority ca_;
};

// SPEC C4: a certificate as PEM, DER, chain and PKCS#7, a CSR as PEM and DER. SPEC W5: its file's
// name.
TEST_F(CertificateJob, DownloadsAreReadByOpenSslInEveryFormat) {
  const std::string csr = MakeCsr({"cup-ECDSA"});
  const std::string csr_pem = Downloaded("csr", "cup-ECDSA", "pem", "cup_ECDSA.csr");
  EXPECT_EQ(ReadWhole(csr_pem), csr);
  const std::string csr_der = Downloaded("csr", "cup-ECDSA", "der", "cup_ECDSA.csr");
  EXPECT_EQ(OpenSsl({"req", "-inform", "DER", "-in", csr_der, "-verify", "-noout", "-modulus"}),
            OpenSsl({"req", "-in", csr_pem, "-verify", "-noout", "-modulus"}));
  EXPECT_EQ(OpenSsl({"req", "-inform", "DER", "-in", csr_der}), OpenSsl({"req"}, csr));

  const std::string pem = ca_.Sign(csr);
  WriteWhole(Spare("signed.pem"), pem + ca_.Chain());
  ASSERT_EQ(
      appliance_
          .Cli({"certificate", "upload", "cup-ECDSA", Spare("signed.pem"), "--with-chain", "--yes"})
          .code,
      0);
  const auto fingerprints = [](const std::string& text) {
    std::vector<std::string> all;
    for (const std::string& one : CertificatesIn(text)) all.push_back(Fingerprint(one));
    return all;
  };
  const std::vector<std::string> chain = {Fingerprint(pem), Fingerprint(ca_.Pem("int2")),
                                          Fingerprint(ca_.Pem("int1")),
                                          Fingerprint(ca_.Pem("root"))};
  const std::vector<std::string> own = {chain[0]};
  EXPECT_EQ(fingerprints(ReadWhole(Downloaded("certificate", "cup-ECDSA", "pem", "cup_ECDSA.pem"))),
            own);
  const std::string der = Downloaded("certificate", "cup-ECDSA", "der", "cup_ECDSA.der");
  EXPECT_EQ(fingerprints(OpenSsl({"x509", "-inform", "DER", "-in", der})), own);
  const std::string all = Downloaded("certificate", "cup-ECDSA", "chain", "cup_ECDSA.pem");
  EXPECT_EQ(fingerprints(ReadWhole(all)), chain);
  const Outcome p7 = appliance_.Cli({"certificate", "download", "cup-ECDSA", "--format", "pkcs7"});
  EXPECT_EQ(fingerprints(OpenSsl({"pkcs7", "-print_certs"}, p7.out)), chain);
  const Outcome unknown =
      appliance_.Cli({"certificate", "download", "cup-ECDSA", "--format", "jks"});
  EXPECT_EQ(unknown.code, 2);
}

// SPEC C3: common name, parent domain, names typed and from a file, organisation, key, hash; what
// is filled in by itself stays.
TEST_F(CertificateJob, EveryFieldOfACsrIsAsItWasAskedFor) {
  WriteWhole(Spare("names"), "DNS:file1.example.com\nIP:192.0.2.7\n");
  const std::string csr = MakeCsr({"cup-xmpp-s2s-ECDSA",
                                   "--cn",
                                   "im.example.com",
                                   "--parent-domain",
                                   "example.net",
                                   "--san",
                                   "DNS:typed.example.com",
                                   "--san-file",
                                   Spare("names"),
                                   "--organization",
                                   "Example AG",
                                   "--organizational-unit",
                                   "IT",
                                   "--locality",
                                   "Bern",
                                   "--state",
                                   "BE",
                                   "--country",
                                   "CH",
                                   "--key",
                                   "ec:P-384",
                                   "--hash",
                                   "sha512"});
  const std::string text = OpenSsl({"req", "-noout", "-text"}, csr);
  for (const char* part :
       {"CN = im.example.com", "O = Example AG", "OU = IT", "L = Bern", "ST = BE", "C = CH",
        "NIST CURVE: P-384", "Signature Algorithm: ecdsa-with-SHA512", "DNS:im.example.com",
        "DNS:node1.signet.localhost", "DNS:signet.localhost", "DNS:example.net",
        "DNS:typed.example.com", "DNS:file1.example.com", "IP Address:192.0.2.7"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

// SPEC C2: a self-signed certificate replaces the current one at once, with its own key, and is
// pinned in the trust store of its purpose.
TEST_F(CertificateJob, SelfSignedCertificateIsAsItWasAskedForAndPinned) {
  const std::string before = Current(appliance_, "cup-ECDSA");
  const json::value made = appliance_.CliJson(
      {"certificate", "generate", "cup-ECDSA", "--key", "ec:P-521", "--validity-days", "90",
       "--organization", "Example AG", "--distribution", "node1.signet.localhost", "--yes"});
  const std::string pem = Text(made.at("pem"));
  EXPECT_NE(Fingerprint(pem), before);
  EXPECT_EQ(Current(appliance_, "cup-ECDSA"), Fingerprint(pem));
  EXPECT_EQ(json::serialize(made.at("restarts")), R"(["Cisco SIP Proxy","Cisco Presence Engine"])");
  const std::string text = OpenSsl({"x509", "-noout", "-text"}, pem);
  for (const char* part : {"O = Example AG", "NIST CURVE: P-521", "ecdsa-with-SHA512"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  EXPECT_EQ(RunProgram({"openssl", "x509", "-noout", "-checkend", std::to_string(91 * 86400)},
                       {pem, "", {}})
                .code,
            1);
  EXPECT_EQ(RunProgram({"openssl", "x509", "-noout", "-checkend", std::to_string(89 * 86400)},
                       {pem, "", {}})
                .code,
            0);
  const json::value entry = appliance_.CliJson({"trust", "show", "cup-trust", Fingerprint(pem)});
  EXPECT_EQ(entry.at("kind"), "pinned");
  EXPECT_EQ(entry.at("origin"), "made here");
  EXPECT_EQ(
      appliance_
          .Cli({"certificate", "generate", "cup-ECDSA", "--distribution", "multi-server", "--yes"})
          .code,
      1);
}

// SPEC C5: the kind is determined by the upload and shown, with description and origin.
TEST_F(CertificateJob, TrustEntriesShowTheirKindDescriptionAndOrigin) {
  const std::string leaf = ca_.Sign(MakeCsr({"tomcat-ECDSA"}));
  CertificateAuthority::SignOptions responder;
  responder.copy_extensions = false;
  responder.extensions = {"keyUsage=critical,digitalSignature", "extendedKeyUsage=OCSPSigning"};
  const std::string ocsp = ca_.Sign(MakeCsr({"tomcat-ECDSA"}), responder);
  WriteWhole(Spare("leaf.pem"), leaf);
  WriteWhole(Spare("ocsp.pem"), ocsp);
  const auto upload = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"trust", "upload", "tomcat-trust"});
    more.push_back("--yes");
    return appliance_.Cli(more).code;
  };
  EXPECT_EQ(upload({ca_.File("root"), ca_.File("int1"), "--description", "our root",
                    "--description", "issues"}),
            0);
  EXPECT_EQ(upload({Spare("leaf.pem")}), 1) << "a CA issued it";
  EXPECT_EQ(upload({Spare("leaf.pem"), "--as", "pinned"}), 0);
  EXPECT_EQ(upload({Spare("leaf.pem"), "--as", "ocsp-responder"}), 1);
  EXPECT_EQ(upload({Spare("ocsp.pem"), "--as", "ocsp-responder"}), 0);
  struct Row {
    std::string pem, kind, description;
  };
  for (const Row& row :
       {Row{ca_.Pem("root"), "anchor", "our root"}, Row{ca_.Pem("int1"), "intermediate", "issues"},
        Row{leaf, "pinned", ""}, Row{ocsp, "ocsp-responder", ""}}) {
    const json::value entry =
        appliance_.CliJson({"trust", "show", "tomcat-trust", Fingerprint(row.pem)});
    EXPECT_EQ(Text(entry.at("kind")), row.kind);
    EXPECT_EQ(Text(entry.at("description")), row.description) << row.kind;
    EXPECT_EQ(entry.at("origin"), "uploaded") << row.kind;
    EXPECT_NE(Text(entry.at("issuer")), "") << "beside the subject";
  }
}

// SPEC C5a: bundle mode takes each certificate that is good and reports each that is not.
TEST_F(CertificateJob, BundleIsTakenAsFarAsItIsGood) {
  ca_.MakeCa("weak", "Weak CA", "root", "critical,CA:TRUE", "rsa_keygen_bits:1024");
  const CertificateAuthority other("Other");
  const std::string leaf = ca_.Sign(MakeCsr({"tomcat-ECDSA"}));
  WriteWhole(Spare("bundle.pem"), "Our CAs\n" + ca_.Pem("int2") + ca_.Pem("weak") + leaf +
                                      ca_.Pem("root") + other.Pem("int1") + ca_.Pem("int1"));
  const std::vector<std::string> command = {"trust",  "upload", "tomcat-trust", Spare("bundle.pem"),
                                            "--mode", "bundle", "--yes"};
  const Outcome done = appliance_.Cli(command);
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* reported : {"certificate 2 of 6", "certificate 3 of 6", "certificate 5 of 6"})
    EXPECT_NE(done.err.find(reported), std::string::npos) << reported << " in " << done.err;
  std::set<std::string> stored;
  for (const json::value& entry : appliance_.List("trust.list", {{"store", "tomcat-trust"}})) {
    if (entry.at("kind") != "pinned") stored.insert(Text(entry.at("id")));
  }
  EXPECT_EQ(stored,
            (std::set<std::string>{Fingerprint(ca_.Pem("root")), Fingerprint(ca_.Pem("int1")),
                                   Fingerprint(ca_.Pem("int2"))}));
  EXPECT_EQ(appliance_.CliJson(command).at("changed"), false) << "the same again";
}

// SPEC C8: *.example.com matches conference.example.com; what the change asks for can be done.
TEST_F(CertificateJob, FederationCertificateMatchesGroupChatOnceWildcardsAreOn) {
  const auto set = [&](const std::string& name, const std::string& value) {
    const Outcome done = appliance_.Cli({"setting", "set", name, value});
    EXPECT_EQ(done.code, 0) << done.err;
    return done.err;
  };
  const auto matches = [&](const std::string& host) {
    const Outcome own = appliance_.Cli({"certificate", "download", "cup-xmpp-s2s-ECDSA"});
    return OpenSsl({"x509", "-noout", "-checkhost", host}, own.out).find("does match") !=
           std::string::npos;
  };
  const auto make_anew = [&] {
    EXPECT_EQ(appliance_.Cli({"certificate", "generate", "cup-xmpp-s2s-ECDSA", "--yes"}).code, 0);
  };
  set("hosted-domains", "example.com example.org");
  make_anew();
  EXPECT_TRUE(matches("example.com") && matches("example.org"));
  EXPECT_FALSE(matches("conference.example.com"));
  const std::string said = set("xmpp-federation-wildcards", "on");
  EXPECT_NE(said.find("cup-xmpp-s2s-ECDSA"), std::string::npos) << said;
  EXPECT_NE(said.find("*.example.com"), std::string::npos) << said;
  make_anew();
  EXPECT_TRUE(matches("conference.example.com") && matches("chat.example.org"));
  EXPECT_FALSE(matches("a.b.example.com"));
  const std::string csr = MakeCsr({"cup-xmpp-s2s-ECDSA"});
  EXPECT_NE(OpenSsl({"req", "-noout", "-text"}, csr).find("DNS:*.example.org"), std::string::npos);
}

// SPEC K1, K2: both bits dropped by a conforming CA on an EC key are information, also when the
// table asked for them; dataEncipherment dropped on an RSA key is refused until it is forced.
TEST_F(CertificateJob, LostEnciphermentWeighsByTheKindOfKey) {
  ASSERT_EQ(appliance_
                .Cli({"trust", "upload", "cup-trust", ca_.File("root"), ca_.File("int1"),
                      ca_.File("int2"), "--yes"})
                .code,
            0);
  CertificateAuthority::SignOptions lost;
  lost.copy_extensions = false;
  lost.extensions = {"keyUsage=critical,digitalSignature",
                     "extendedKeyUsage=serverAuth,clientAuth,1.3.6.1.5.5.7.3.5",
                     "subjectAltName=DNS:node1.signet.localhost"};
  const json::value made = appliance_.CliJson({"csr", "generate", "cup-ECDSA"});
  EXPECT_NE(json::serialize(made.at("findings")).find("EC_KEY_ENCIPHERMENT"), std::string::npos);
  const json::value ec =
      appliance_.MustRpc("certificate.upload",
                         {{"purpose", "cup-ECDSA"}, {"pem", ca_.Sign(Text(made.at("pem")), lost)}});
  EXPECT_NE(json::serialize(ec.at("findings")).find("KEY_USAGE_LOST_dataEncipherment"),
            std::string::npos);
  lost.extensions[0] = "keyUsage=critical,digitalSignature,keyEncipherment";
  WriteWhole(Spare("rsa.pem"), ca_.Sign(MakeCsr({"cup"}), lost));
  const std::vector<std::string> command = {"certificate", "upload", "cup", Spare("rsa.pem"),
                                            "--yes"};
  const Outcome refused = appliance_.Cli(command);
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("KEY_USAGE_LOST_dataEncipherment"), std::string::npos) << refused.err;
  std::vector<std::string> forced = command;
  forced.insert(forced.end(), {"--force", "KEY_USAGE_LOST_dataEncipherment", "--reason",
                               "the CA's template has none"});
  EXPECT_EQ(appliance_.Cli(forced).code, 0);
  const json::array trail = appliance_.List("audit.list");
  EXPECT_NE(json::serialize(trail.back()).find("the CA's template has none"), std::string::npos);
}

}  // namespace
}  // namespace signet::testing
