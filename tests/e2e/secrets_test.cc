// PINs and private keys are looked for where they must not be: in the daemon's files, log and
// memory.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/e2e/invariants.h"
#include "tests/e2e/memory_search.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

std::vector<Hit> SearchFiles(const Appliance& appliance, const Needles& needles) {
  std::vector<Hit> hits;
  Search(ReadWhole(appliance.log_file()), needles, {"", "the log", false}, hits);
  for (const auto& file : std::filesystem::recursive_directory_iterator(appliance.folder())) {
    if (!file.is_regular_file() || file.path() == appliance.Path("pin")) continue;
    Search(ReadWhole(file.path()), needles, {"", file.path(), false}, hits);
  }
  return hits;
}

// The head of a private key in PEM (the words alone are constants of libcrypto) and in PKCS#8.
Needles AnyPrivateKey() {
  using namespace std::string_literals;
  return {
      {"PEM", "PRIVATE KEY-----\nMI"},
      {"PEM in JSON", "PRIVATE KEY-----\\nMI"},
      {"PKCS#8 RSA", "\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"s},
      {"PKCS#8 EC", "\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"s}};
}

void Work(Appliance& appliance) {
  EXPECT_EQ(appliance.Cli({"csr", "generate", "cup-ECDSA"}).code, 0);
  EXPECT_EQ(appliance.Cli({"certificate", "generate", "cup", "--yes"}).code, 0);
  for (const char* purpose : {"tomcat", "tomcat-ECDSA"})
    EXPECT_EQ(appliance.Cli({"key", "sign", purpose}, "hello").code, 0);
  EXPECT_FALSE(appliance.ServedChain().empty());
}

// SPEC C1.
TEST(Secrets, NeitherFilesNorMemoryHoldThePinOrAPrivateKey) {
  Appliance appliance;
  appliance.StartAndWait();
  Work(appliance);
  const Needles pin = PinNeedles("PIN", appliance.Pin());
  EXPECT_EQ(Show(SearchFiles(appliance, pin)), "");
  EXPECT_EQ(Show(SearchFiles(appliance, AnyPrivateKey())), "");
  EXPECT_EQ(Show(SearchMemory(appliance.pid(), pin)), "");
  ExpectGuardedOnly(SearchMemory(appliance.keyd(), pin), kOneCopy);
  for (const pid_t pid : {appliance.pid(), appliance.keyd()})
    EXPECT_EQ(Show(SearchMemory(pid, AnyPrivateKey())), "");
  // The search finds what is there.
  EXPECT_FALSE(SearchMemory(appliance.pid(), {{"name", "node1.signet.localhost"}}).empty());
}

TEST(Secrets, PinGivenByHandIsInGuardedMemoryOnlyAndAWrongOneNowhere) {
  Appliance appliance;
  const std::string pin = appliance.Pin();
  const std::string wrong = "0123wrong4567890abcdefgh98765432";
  std::filesystem::remove(appliance.Path("pin"));
  appliance.Start();
  ASSERT_TRUE(appliance.WaitState("locked", Seconds(5)));
  const std::vector<pid_t> both = {appliance.pid(), appliance.keyd()};
  for (const pid_t pid : both) EXPECT_EQ(Show(SearchMemory(pid, PinNeedles("PIN", pin))), "");
  EXPECT_EQ(appliance.Cli({"token", "unlock", "--pin-fd", "0"}, wrong).code, 6);
  for (const pid_t pid : both)
    EXPECT_EQ(Show(SearchMemory(pid, PinNeedles("wrong PIN", wrong))), "");
  EXPECT_TRUE(Eventually(
      [&] {
        return appliance.Cli({"token", "unlock", "--pin-fd", "0"}, pin).code == 0;
      },
      Seconds(10)));
  EXPECT_TRUE(appliance.WaitReady());
  EXPECT_EQ(Show(SearchMemory(appliance.pid(), PinNeedles("PIN", pin))), "");
  ExpectGuardedOnly(SearchMemory(appliance.keyd(), PinNeedles("PIN", pin)), kOneCopy);
  for (const std::string& text : {pin, wrong})
    EXPECT_EQ(Show(SearchFiles(appliance, PinNeedles("PIN", text))), "");
}

// ABUSE 29.
TEST(Secrets, UploadWithAPrivateKeyIsRefusedAndLeavesNoTrace) {
  Appliance appliance;
  appliance.StartAndWait();
  const CertificateAuthority ca;
  Needles needles;
  for (const char* algorithm : {"RSA", "EC"}) {
    const bool rsa = std::string(algorithm) == "RSA";
    const std::string pem = MustRun({"openssl", "genpkey", "-algorithm", algorithm, "-pkeyopt",
                                     rsa ? "rsa_keygen_bits:2048" : "ec_paramgen_curve:P-256"});
    const std::string der = MustRun({"openssl", "pkey", "-outform", "DER"}, {pem, "", {}});
    // RSA: amid the private exponent; EC: the number itself.
    needles.emplace_back(std::string(algorithm) + " key's octets", der.substr(rsa ? 340 : 40, 24));
    const std::size_t line = pem.find('\n', rsa ? 500 : 40) + 1;
    needles.emplace_back(std::string(algorithm) + " key's PEM", pem.substr(line, 32));
    for (const std::string& text : {pem, ca.Pem("root") + pem, pem + ca.Chain()}) {
      WriteWhole(appliance.Spare("upload.pem"), text);
      const std::string file = appliance.Spare("upload.pem");
      for (const std::vector<std::string>& command :
           {std::vector<std::string>{"certificate", "upload", "tomcat", file, "--yes"},
            std::vector<std::string>{"trust", "upload", "tomcat-trust", file, "--yes"}}) {
        const Outcome refused = appliance.Cli(command);
        EXPECT_EQ(refused.code, 1);
        EXPECT_NE(refused.err.find("PRIVATE_KEY_IN_UPLOAD"), std::string::npos) << refused.err;
      }
    }
    const Answer refused =
        appliance.Rpc("certificate.upload", {{"purpose", "tomcat"}, {"pem", pem}});
    EXPECT_EQ(refused.word(), "PRIVATE_KEY_IN_UPLOAD");
    for (const auto& [method, params] :
         {std::pair<const char*, json::object>{"csr.generate", {{"purpose", pem}}},
          {"csr.show", {{"id", pem}}}}) {
      EXPECT_EQ(appliance.Rpc(method, params).word(), "PRIVATE_KEY_IN_PARAMETER") << method;
    }
    // Nor is it kept by a call that does not get as far as an upload.
    EXPECT_FALSE(appliance.Rpc("no.such.method", {{"pem", pem}}).ok());
    EXPECT_FALSE(appliance.Rpc("csr.show", {{"id", 1}, {"pem", pem}}).ok());
  }
  EXPECT_EQ(Show(SearchMemory(appliance.pid(), needles)), "");
  EXPECT_EQ(Show(SearchFiles(appliance, needles)), "");
  EXPECT_EQ(Show(SearchFiles(appliance, AnyPrivateKey())), "");
  CheckInvariants(appliance, "uploads of private keys");
}

// ---- what surrounds the daemon ------------------------------------------------------------------

TEST(Surroundings, PoisonedEnvironmentHasNoEffect) {
  Appliance appliance;
  const std::string trace = appliance.Spare("trace");
  const std::string config = appliance.Spare("openssl.cnf");
  WriteWhole(
      config,
      "openssl_conf = init\n[init]\nproviders = list\nengines = engines\n"
      "[list]\nintruder = intruder\n[intruder]\nmodule = " SIGNET_INTRUDER
      "\nactivate = 1\n[engines]\nintruder = engine\n[engine]\ndynamic_path = " SIGNET_INTRUDER
      "\n");
  std::filesystem::create_directory(appliance.Spare("tokens"));
  const std::string token = appliance.Spare("softhsm2.conf");
  WriteWhole(token, "directories.tokendir = " + appliance.Spare("tokens") + "\n");
  const Environment poison = {{"OPENSSL_CONF", config},
                              {"OPENSSL_MODULES", appliance.Spare("")},
                              {"OPENSSL_ENGINES", appliance.Spare("")},
                              {"SSL_CERT_FILE", config},
                              {"SOFTHSM2_CONF", token},
                              {"P11_KIT_SERVER_ADDRESS", "unix:path=" + appliance.Spare("none")},
                              {"SIGNET_INTRUDER_TRACE", trace}};
  // The bait works on who looks at it.
  RunProgram({"openssl", "list", "-providers"}, {"", "", poison});
  ASSERT_TRUE(std::filesystem::remove(trace)) << "the poison is not poisonous";
  appliance.StartAndWait(poison);
  Work(appliance);
  EXPECT_FALSE(std::filesystem::exists(trace));
  EXPECT_TRUE(std::filesystem::is_empty(appliance.Spare("tokens")));
  CheckInvariants(appliance, "a start in a poisoned environment");
}

TEST(Surroundings, ConfigurationThatOthersMayWriteIsRefused) {
  Appliance appliance;
  const std::string config = appliance.Path("signet.toml");
  for (const mode_t mode : {0666, 0620, 0602}) {
    ASSERT_EQ(::chmod(config.c_str(), mode), 0);
    const Outcome refused = appliance.RunToEnd();
    EXPECT_EQ(refused.code, 1) << refused.err;
    EXPECT_NE(refused.err.find("may be written by others"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("remedy"), std::string::npos) << refused.err;
  }
  ASSERT_EQ(::chmod(config.c_str(), 0644), 0);
  std::filesystem::rename(config, appliance.Spare("signet.toml"));
  std::filesystem::create_symlink(appliance.Spare("signet.toml"), config);
  EXPECT_EQ(appliance.RunToEnd().code, 1);
  std::filesystem::remove(config);
  std::filesystem::rename(appliance.Spare("signet.toml"), config);
  appliance.StartAndWait();
}

// ABUSE 106.
TEST(Surroundings, PinFileThatOthersMayReadIsNotUsed) {
  Appliance appliance;
  for (const mode_t mode : {0644, 0604, 0660}) {
    ASSERT_EQ(::chmod(appliance.Path("pin").c_str(), mode), 0);
    appliance.Start();
    EXPECT_EQ(appliance.State(), "locked");
    const json::value status = appliance.CliJson({"status"});
    EXPECT_NE(Text(status.at("reason")).find("by others"), std::string::npos) << status;
    EXPECT_EQ(appliance.Stop(), 0);
  }
}

TEST(Surroundings, SecondDaemonOnTheSameFolderIsRefusedAndDoesNotDisturbTheFirst) {
  Appliance appliance;
  appliance.StartAndWait();
  for (int i = 0; i < 3; ++i) {
    const Outcome second = appliance.RunToEnd();
    EXPECT_TRUE(second.code > 0 && second.code < 128) << second.code;
    EXPECT_NE(second.err.find("remedy"), std::string::npos) << second.err;
    EXPECT_EQ(second.out, "");
  }
  EXPECT_EQ(appliance.State(), "operational");
  Work(appliance);
  CheckInvariants(appliance, "a second daemon");
}

}  // namespace
}  // namespace signet::testing
