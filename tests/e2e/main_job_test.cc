// The main job from end to end: CSRs, a CA, the chain into the trust store, the signed certificate,
// and a TLS listener that serves it with a key that never left the token.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

class MainJob : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }

  // A new CSR of the purpose: id and PEM.
  std::pair<std::string, std::string> Csr(const std::string& purpose) {
    const json::value made = appliance_.CliJson({"csr", "generate", purpose});
    return {Text(made.at("csr")), Text(made.at("pem"))};
  }
  std::string File(const std::string& name, const std::string& content) {
    WriteWhole(appliance_.Spare(name), content);
    return appliance_.Spare(name);
  }
  std::int64_t Uses(const std::string& owner) {
    for (const json::value& key : appliance_.List("key.list")) {
      if (key.at("owner") == json::value(owner)) return key.at("uses").as_int64();
    }
    return -1;
  }
  std::set<std::string> Stored(const std::string& store) {
    std::set<std::string> stored;
    for (const json::value& entry : appliance_.List("trust.list", {{"store", store}})) {
      if (entry.at("kind") != "pinned") stored.insert(Text(entry.at("id")));
    }
    return stored;
  }
  void TrustChain(const std::string& store) {
    EXPECT_EQ(appliance_
                  .Cli({"trust", "upload", store, ca_.File("int2"), ca_.File("root"),
                        ca_.File("int1"), "--yes"})
                  .code,
              0);
  }
  std::set<std::string> ChainFingerprints() {
    return {Fingerprint(ca_.Pem("root")), Fingerprint(ca_.Pem("int1")),
            Fingerprint(ca_.Pem("int2"))};
  }
  Outcome Upload(const std::string& purpose, const std::string& pem,
                 const std::string& option = "--yes") {
    return appliance_.Cli(
        {"certificate", "upload", purpose, File("signed.pem", pem), "--yes", option});
  }

  Appliance appliance_;
  CertificateAuthority ca_;
};

// SPEC C3, C6: the certificate in place works until the signed one is uploaded.
TEST_F(MainJob, SignedCertificatesOfBothAlgorithmsAreInstalledAndTlsServesTheNewChainAtOnce) {
  const std::string before = Fingerprint(appliance_.ServedChain().at(0));
  EXPECT_EQ(before, Current(appliance_, "tomcat"));
  const auto [rsa_id, rsa] = Csr("tomcat");
  const auto [ec_id, ec] = Csr("cup-xmpp-ECDSA");
  TrustChain("tomcat-trust");
  TrustChain("cup-xmpp-trust");
  EXPECT_EQ(Fingerprint(appliance_.ServedChain().at(0)), before) << "a CSR changes nothing yet";

  const std::string rsa_signed = ca_.Sign(rsa), ec_signed = ca_.Sign(ec);
  const pid_t pid = appliance_.pid();
  const json::value changed = appliance_.CliJson(
      {"certificate", "upload", "tomcat", File("tomcat.pem", rsa_signed), "--yes"});
  const auto served = appliance_.ServedChain({"-CAfile", ca_.File("root"), "-verify_return_error"});
  ASSERT_EQ(served.size(), 3u) << "leaf and both intermediates, without the root";
  EXPECT_EQ(served[0], CertificatesIn(rsa_signed).at(0));
  EXPECT_EQ(Fingerprint(served[1]), Fingerprint(ca_.Pem("int2")));
  EXPECT_EQ(Fingerprint(served[2]), Fingerprint(ca_.Pem("int1")));
  EXPECT_EQ(RunProgram({"openssl", "s_client", "-connect", "127.0.0.1:" + appliance_.port(),
                        "-CAfile", ca_.File("root"), "-verify_return_error", "-verify_hostname",
                        "node1.signet.localhost"})
                .code,
            0);
  EXPECT_EQ(changed.at("changed"), true);
  EXPECT_NE(json::serialize(changed.at("restarts")).find("Cisco Tomcat"), std::string::npos);

  EXPECT_EQ(Upload("cup-xmpp-ECDSA", ec_signed).code, 0);
  EXPECT_EQ(appliance_.pid(), pid);
  for (const auto& [purpose, pem] :
       {std::pair{"tomcat", rsa_signed}, std::pair{"cup-xmpp-ECDSA", ec_signed}}) {
    const json::value shown = appliance_.CliJson({"certificate", "show", purpose});
    EXPECT_EQ(shown.at("class"), "ca-signed");
    EXPECT_EQ(Text(shown.at("fingerprint")), Fingerprint(pem));
    const Outcome chain = appliance_.Cli({"certificate", "download", purpose, "--format", "chain"});
    EXPECT_EQ(CertificatesIn(chain.out).size(), 4u);
  }
  EXPECT_FALSE(HasCsr(appliance_, rsa_id) || HasCsr(appliance_, ec_id));
  CheckInvariants(appliance_, "the main job");
  // And after a restart.
  EXPECT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait();
  EXPECT_EQ(appliance_.ServedChain().at(0), CertificatesIn(rsa_signed).at(0));
}

// SPEC C5a.
TEST_F(MainJob, ChainIsStoredInWhateverOrderAndNumberOfFilesItComes) {
  const std::string root = ca_.Pem("root"), int1 = ca_.Pem("int1"), int2 = ca_.Pem("int2");
  std::vector<std::string> order = {root, int1, int2};
  std::sort(order.begin(), order.end());
  const std::vector<std::string> stores = {"tomcat-trust", "ipsec-trust", "cup-trust",
                                           "cup-xmpp-trust"};
  std::size_t turn = 0;
  do {
    const std::string& store = stores[turn % stores.size()];
    std::vector<std::string> command = {"trust", "upload", store};
    const bool one_file = turn % 2 == 0;
    if (one_file) {
      command.push_back(File("all.pem", order[0] + order[1] + order[2]));
    } else {
      for (std::size_t i = 0; i < 3; ++i)
        command.push_back(File("part" + std::to_string(i) + ".pem", order[i]));
    }
    command.push_back("--yes");
    const json::value result = appliance_.CliJson(command);
    const bool first = turn < stores.size();
    EXPECT_EQ(result.at("changed"), first) << "the same again is no change: " << result;
    if (first) {
      // Sorted: the root first.
      const json::array& stored = result.at("stored").as_array();
      ASSERT_EQ(stored.size(), 3u);
      EXPECT_EQ(Text(stored[0]), Fingerprint(root));
      EXPECT_EQ(Text(stored[2]), Fingerprint(int2));
      EXPECT_NE(json::serialize(result.at("restarts")).find("Cisco Intercluster Sync Agent"),
                std::string::npos);
    } else {
      EXPECT_NE(json::serialize(result.at("findings")).find("ALREADY_THERE"), std::string::npos);
    }
    EXPECT_EQ(Stored(store), ChainFingerprints());
    ++turn;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(turn, 6u);
}

// SPEC C5a: all or nothing, with all findings.
TEST_F(MainJob, WrongChainIsRefusedWithAllFindingsAndNothingIsStored) {
  ca_.MakeCa("weak", "Weak CA", "root", "critical,CA:TRUE", "rsa_keygen_bits:1024");
  ca_.MakeCa("no-ca", "No CA", "root", "critical,CA:FALSE");
  const CertificateAuthority other("Other");
  const std::string pem =
      ca_.Pem("root") + ca_.Pem("int1") + ca_.Pem("weak") + ca_.Pem("no-ca") + other.Pem("int2");
  const json::array parts = {json::object{{"pem", pem}}};
  const Answer refused =
      appliance_.Rpc("trust.upload", {{"store", "tomcat-trust"}, {"certificates", parts}});
  EXPECT_FALSE(refused.ok());
  ASSERT_TRUE(refused.error.contains("findings")) << refused.error;
  std::set<std::string> errors, about;
  for (const json::value& finding : refused.error.at("findings").as_array()) {
    if (finding.at("severity") != "error") continue;
    errors.insert(Text(finding.at("id")));
    about.insert(Text(finding.at("certificate")));
  }
  EXPECT_GE(errors.size(), 2u) << refused.error;
  EXPECT_TRUE(about.contains(Fingerprint(ca_.Pem("weak")))) << refused.error;
  EXPECT_TRUE(about.contains(Fingerprint(ca_.Pem("no-ca")))) << refused.error;
  EXPECT_TRUE(Stored("tomcat-trust").empty());
  // A missing link.
  const Outcome broken = appliance_.Cli(
      {"trust", "upload", "tomcat-trust", ca_.File("root"), ca_.File("int2"), "--yes"});
  EXPECT_EQ(broken.code, 1) << broken.out << broken.err;
  EXPECT_TRUE(Stored("tomcat-trust").empty());
}

// SPEC C3: several pending CSRs, each with a key of its own.
TEST_F(MainJob, EachSignedCertificateFindsItsOwnOfSeveralPendingCsrs) {
  TrustChain("cup-trust");
  const auto first = Csr("cup-ECDSA"), second = Csr("cup-ECDSA"), third = Csr("cup-ECDSA");
  const std::string newest = ca_.Sign(third.second), oldest = ca_.Sign(first.second);
  EXPECT_EQ(Upload("cup-ECDSA", oldest).code, 0);
  EXPECT_FALSE(HasCsr(appliance_, first.first));
  EXPECT_TRUE(HasCsr(appliance_, second.first) && HasCsr(appliance_, third.first));
  EXPECT_EQ(Upload("cup-ECDSA", newest).code, 0);
  EXPECT_TRUE(HasCsr(appliance_, second.first));
  EXPECT_EQ(Current(appliance_, "cup-ECDSA"), Fingerprint(newest));
  EXPECT_EQ(appliance_.Cli({"csr", "discard", second.first, "--yes"}).code, 0);
  EXPECT_TRUE(appliance_.List("csr.list").empty());
  const Outcome late = Upload("cup-ECDSA", ca_.Sign(second.second));
  EXPECT_EQ(late.code, 1);
  EXPECT_NE(late.err.find("NO_PENDING_CSR"), std::string::npos) << late.err;
  CheckInvariants(appliance_, "several CSRs");
}

// SPEC C6.
TEST_F(MainJob, UploadNeedsItsChainUnlessItBringsItAndTheSameAgainChangesNothing) {
  const auto [id, csr] = Csr("cup-ECDSA");
  const std::string pem = ca_.Sign(csr);
  for (const std::string& text : {pem, pem + ca_.Chain()}) {
    const Outcome refused = Upload("cup-ECDSA", text);
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.err.find("CHAIN_INCOMPLETE"), std::string::npos) << refused.err;
  }
  EXPECT_TRUE(HasCsr(appliance_, id));
  EXPECT_TRUE(Stored("cup-trust").empty());
  const json::value stored =
      appliance_.CliJson({"certificate", "upload", "cup-ECDSA",
                          File("with-chain.pem", pem + ca_.Chain()), "--yes", "--with-chain"});
  EXPECT_EQ(stored.at("changed"), true);
  EXPECT_EQ(Stored("cup-trust"), ChainFingerprints());
  const json::value again =
      appliance_.CliJson({"certificate", "upload", "cup-ECDSA", File("again.pem", pem), "--yes"});
  EXPECT_EQ(again.at("changed"), false);
  EXPECT_NE(json::serialize(again.at("findings")).find("ALREADY_THERE"), std::string::npos);
  CheckInvariants(appliance_, "an upload with its chain");
}

// SPEC C6, K2.
TEST_F(MainJob, CertificateOfAnotherKeyOrWithLostExtensionsIsRefused) {
  TrustChain("tomcat-trust");
  const auto [id, csr] = Csr("tomcat");
  CertificateAuthority::SignOptions lost;
  lost.copy_extensions = false;
  lost.extensions = {"keyUsage=critical,digitalSignature,keyEncipherment",
                     "extendedKeyUsage=serverAuth,clientAuth",
                     "subjectAltName=DNS:other.signet.localhost"};
  const Answer refused =
      appliance_.Rpc("certificate.upload", {{"purpose", "tomcat"}, {"pem", ca_.Sign(csr, lost)}});
  EXPECT_FALSE(refused.ok());
  const std::string findings = json::serialize(json::value(refused.error));
  EXPECT_NE(findings.find("dataEncipherment"), std::string::npos) << findings;
  EXPECT_NE(findings.find("node1.signet.localhost"), std::string::npos) << findings;
  const auto [other_id, other] = Csr("cup");
  const Outcome mismatch = Upload("tomcat", ca_.Sign(other));
  EXPECT_EQ(mismatch.code, 1);
  EXPECT_NE(mismatch.err.find("KEY_MISMATCH"), std::string::npos) << mismatch.err;
  EXPECT_TRUE(HasCsr(appliance_, id) && HasCsr(appliance_, other_id));
}

TEST_F(MainJob, SignaturesVerifyWithTheCertificateOfThePurpose) {
  const std::string message = "a message of some length\n";
  const std::string file = File("message", message);
  const std::int64_t before = Uses("tomcat current");
  struct Case {
    const char* purpose;
    const char* algorithm;
    std::vector<std::string> options;
  };
  for (const Case& c :
       {Case{"tomcat", "rsa-pkcs1", {}},
        Case{"tomcat",
             "rsa-pss",
             {"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"}},
        Case{"tomcat-ECDSA", "ecdsa", {}}}) {
    for (const std::string hash : {"sha256", "sha384", "sha512"}) {
      SCOPED_TRACE(std::string(c.algorithm) + " " + hash);
      const std::string signature = appliance_.Spare("message.sig");
      ASSERT_EQ(appliance_
                    .Cli({"key", "sign", c.purpose, file, "--algorithm", c.algorithm, "--hash",
                          hash, "-o", signature})
                    .code,
                0);
      const Outcome certificate = appliance_.Cli({"certificate", "download", c.purpose});
      const std::string key = MustRun({"openssl", "x509", "-noout", "-pubkey"},  //
                                      {certificate.out, "", {}});
      std::vector<std::string> command = {
          "openssl", "dgst", "-" + hash, "-verify", File("key.pem", key), "-signature", signature};
      command.insert(command.end(), c.options.begin(), c.options.end());
      command.push_back(file);
      MustRun(command);
    }
  }
  EXPECT_EQ(Uses("tomcat current"), before + 6);
}

// SPEC C1: every key of first boot is fixed.
TEST_F(MainJob, KeysOnTheTokenAreOwnedAndCannotLeaveIt) {
  Csr("cup-ECDSA");
  ASSERT_EQ(appliance_.Cli({"certificate", "generate", "tomcat-ECDSA", "--yes"}).code, 0);
  const json::value keys = appliance_.CliJson({"key", "list"});
  EXPECT_EQ(keys.as_array().size(), 12u);  // ten of first boot, one of a CSR, one former
  CheckInvariants(appliance_, "a CSR and a new certificate");
  const std::string shown = appliance_.TokenTool({"--list-objects", "--type", "privkey"});
  std::size_t access = 0;
  for (std::size_t at = 0; (at = shown.find("Access:", at)) != std::string::npos; ++at) {
    const std::string line = shown.substr(at, shown.find('\n', at) - at);
    EXPECT_NE(line.find("sensitive, always sensitive, never extract"), std::string::npos) << line;
    EXPECT_NE(line.find("local"), std::string::npos) << line;
    ++access;
  }
  EXPECT_EQ(access, 12u) << shown;
}

TEST_F(MainJob, ApplianceDescribesItselfAndItsAuditTrailVerifies) {
  const json::value document = appliance_.MustRpc("rpc.discover");
  std::set<std::string> methods;
  for (const json::value& method : document.at("methods").as_array())
    methods.insert(Text(method.at("name")));
  for (const char* name : {"certificate.list", "certificate.generate", "certificate.upload",
                           "csr.generate", "csr.discard", "trust.upload", "token.unlock",
                           "key.list", "key.sign", "audit.verify", "status.show"}) {
    EXPECT_TRUE(methods.contains(name)) << name;
  }
  EXPECT_TRUE(document.as_object().contains("openrpc"));
  const auto before = appliance_.List("audit.list").size();
  Csr("cup-ECDSA");
  const json::array trail = appliance_.List("audit.list");
  ASSERT_EQ(trail.size(), before + 1);
  EXPECT_EQ(trail.back().at("method"), "csr.generate");
  EXPECT_EQ(trail.back().at("outcome"), "done");
  EXPECT_EQ(appliance_.Cli({"audit", "verify"}).code, 0);
}

TEST(Locked, ApplianceWithoutItsPinServesReadsAndTlsServesAgainOnceItIsUnlocked) {
  Appliance appliance;
  const std::string pin = appliance.Pin();
  std::filesystem::rename(appliance.Path("pin"), appliance.Spare("pin"));
  appliance.Start();
  EXPECT_EQ(appliance.State(), "locked");
  EXPECT_EQ(appliance.Get("/health/ready").first, 503);
  EXPECT_EQ(appliance.CliJson({"certificate", "list"}).as_array().size(), 9u);
  EXPECT_EQ(appliance.Cli({"audit", "verify"}).code, 0);
  EXPECT_EQ(appliance.Cli({"trust", "list"}).code, 0);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"csr", "generate", "tomcat"},
        std::vector<std::string>{"key", "list"},
        std::vector<std::string>{"key", "sign", "tomcat"}}) {
    const Outcome refused = appliance.Cli(command, "x");
    EXPECT_EQ(refused.code, 6) << refused.out << refused.err;
    EXPECT_NE(refused.err.find("TOKEN_LOCKED"), std::string::npos) << refused.err;
  }
  EXPECT_TRUE(appliance.ServedChain().empty());
  const CertificateAuthority ca;  // trust needs no token
  EXPECT_EQ(appliance.Cli({"trust", "upload", "cup-trust", ca.File("root"), "--yes"}).code, 0);

  EXPECT_EQ(appliance.Cli({"token", "unlock", "--pin-fd", "0"}, pin).code, 0);
  EXPECT_EQ(appliance.State(), "operational");
  EXPECT_EQ(Fingerprint(appliance.ServedChain().at(0)), Current(appliance, "tomcat"));
  std::filesystem::rename(appliance.Spare("pin"), appliance.Path("pin"));
  EXPECT_TRUE(appliance.WaitReady());
  CheckInvariants(appliance, "unlocking");
}

TEST(Locked, WrongPinIsNeverRetriedAndTheThrottleOutlivesARestart) {
  Appliance appliance;
  const std::string pin = appliance.Pin();
  WriteWhole(appliance.Path("pin"), "not-the-pin");
  const auto failures = [&] { return appliance.MustRpc("token.status").at("failedLogins"); };
  appliance.Start();
  EXPECT_EQ(appliance.State(), "locked");
  EXPECT_EQ(failures(), 1);
  EXPECT_FALSE(Eventually([&] { return failures() != 1; }, Seconds(5))) << "tried again by itself";
  for (int i = 2; i <= 4; ++i) {
    EXPECT_TRUE(Eventually(
        [&] {
          const Outcome refused = appliance.Cli({"token", "unlock", "--pin-fd", "0"}, "wrong");
          EXPECT_EQ(refused.code, 6);
          return refused.err.find("PIN_THROTTLED") == std::string::npos;
        },
        Seconds(12)));
    EXPECT_EQ(failures(), i);
  }
  appliance.Kill();
  appliance.Start();
  EXPECT_EQ(appliance.State(), "locked");
  EXPECT_EQ(failures(), 4) << "the PIN file is not tried after a failure";
  const Outcome throttled = appliance.Cli({"token", "unlock", "--pin-fd", "0"}, pin);
  EXPECT_EQ(throttled.code, 6);
  EXPECT_NE(throttled.err.find("PIN_THROTTLED"), std::string::npos) << throttled.err;
  EXPECT_TRUE(Eventually(
      [&] {
        return appliance.Cli({"token", "unlock", "--pin-fd", "0"}, pin).code == 0;
      },
      Seconds(12)));
  EXPECT_EQ(failures(), 0);
}

}  // namespace
}  // namespace signet::testing
