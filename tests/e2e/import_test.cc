// The certificate import tool against real servers, and against what only looks like one.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/loopback.h"

namespace signet::testing {
namespace {

class ImportJob : public ::testing::Test {
 protected:
  void SetUp() override { appliance_.StartAndWait(); }
  ~ImportJob() override {
    if (nginx_pid_.empty()) return;
    RunProgram({"kill", nginx_pid_});
  }

  // nginx with an RSA and an ECDSA certificate, both of the same CA, without the root.
  std::string StartNginx() {
    const std::filesystem::path folder = appliance_.Spare("nginx");
    std::filesystem::create_directories(folder);
    std::string certificates;
    for (const auto& [name, algorithm] : {std::pair{"rsa", "rsa:2048"}, std::pair{"ec", "ec"}}) {
      std::vector<std::string> request = {
          "openssl", "req",
          "-new",    "-nodes",
          "-newkey", algorithm,
          "-keyout", folder / (std::string(name) + ".key"),
          "-subj",   "/CN=peer.example.com",
          "-addext", "subjectAltName=DNS:peer.example.com,IP:127.0.0.1"};
      if (std::string(name) == "ec") {
        request.insert(request.end(), {"-pkeyopt", "ec_paramgen_curve:P-256"});
      }
      const std::string pem = ca_.Sign(MustRun(request));
      own_[name] = Fingerprint(pem);
      WriteWhole(folder / (std::string(name) + ".pem"), pem + ca_.Pem("int2") + ca_.Pem("int1"));
      certificates += "ssl_certificate " + (folder / (std::string(name) + ".pem")).string() +
                      "; ssl_certificate_key " + (folder / (std::string(name) + ".key")).string() +
                      ";\n";
    }
    const std::uint16_t port = FreePort();
    WriteWhole(folder / "nginx.conf",
               "pid " + (folder / "pid").string() +
                   "; error_log stderr; worker_processes 1;\n"
                   "events { worker_connections 64; }\nhttp { access_log off;\n"
                   "client_body_temp_path " +
                   (folder / "b").string() + "; proxy_temp_path " + (folder / "p").string() +
                   "; fastcgi_temp_path " + (folder / "f").string() + "; uwsgi_temp_path " +
                   (folder / "u").string() + "; scgi_temp_path " + (folder / "s").string() +
                   ";\nserver { listen 127.0.0.1:" + std::to_string(port) + " ssl;\n" +
                   certificates + "} }\n");
    EXPECT_EQ(RunProgram({"nginx", "-p", folder, "-c", folder / "nginx.conf"}).code, 0);
    EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(folder / "pid"); }, Seconds(10)));
    nginx_pid_ = ReadWhole(folder / "pid");
    nginx_pid_.erase(nginx_pid_.find_last_not_of("\n ") + 1);
    return "127.0.0.1:" + std::to_string(port);
  }
  std::string KindOf(const std::string& fingerprint) {
    for (const json::value& entry : appliance_.List("trust.list", {{"store", "cup-trust"}})) {
      if (Text(entry.at("id")) == fingerprint) return Text(entry.at("kind"));
    }
    return "";
  }
  // The word of a refused import; nothing is stored by it.
  std::string Refused(const std::string& host, std::vector<std::string> more = {"--yes"}) {
    const std::size_t before = appliance_.List("trust.list").size();
    std::vector<std::string> command = {"import", "fetch", "cup-trust", host};
    command.insert(command.end(), more.begin(), more.end());
    const auto start = std::chrono::steady_clock::now();
    const Outcome refused = appliance_.Cli(command);
    EXPECT_LT(Seconds(std::chrono::steady_clock::now() - start), Seconds(8)) << host;
    EXPECT_NE(refused.code, 0) << host;
    EXPECT_NE(refused.err.find("remedy: "), std::string::npos) << refused.err;
    EXPECT_EQ(appliance_.List("trust.list").size(), before);
    // Three things apart (SPEC X1), where the command itself made sense.
    if (refused.code != 2) {
      EXPECT_NE(refused.err.find("reached, "), std::string::npos) << refused.err;
      EXPECT_NE(refused.err.find("nothing stored"), std::string::npos) << refused.err;
    }
    const std::size_t word = refused.err.rfind('(', refused.err.find("\n  remedy"));
    return refused.err.substr(word + 1, refused.err.find(')', word) - word - 1);
  }

  Appliance appliance_;
  CertificateAuthority ca_;
  std::map<std::string, std::string> own_;
  std::string nginx_pid_;
};

// SPEC X1: reached, downloaded and stored are told apart; RSA, ECDSA or both. SPEC X3: Cisco SIP
// Proxy on the presence side.
TEST_F(ImportJob, BothCertificatesOfAServerAreSeenBeforeTheyAreTrusted) {
  const std::string at = StartNginx();
  const json::value plan =
      appliance_.CliJson({"import", "fetch", "cup-trust", at, "--algorithm", "both", "--dry-run"});
  EXPECT_EQ(plan.at("steps").as_array().size(), 4u) << json::serialize(plan);
  EXPECT_EQ(KindOf(own_["rsa"]), "");
  EXPECT_EQ(appliance_.Cli({"import", "fetch", "cup-trust", at}).code, 2) << "it asks";
  const json::value done = appliance_.CliJson(
      {"import", "fetch", "cup-trust", at, "--algorithm", "both", "--plan", Text(plan.at("hash"))});
  EXPECT_EQ(done.at("attempts").as_array().size(), 2u);
  for (const json::value& attempt : done.at("attempts").as_array()) {
    for (const char* step : {"connected", "downloaded", "stored"})
      EXPECT_EQ(attempt.at(step), true) << json::serialize(attempt);
  }
  EXPECT_NE(json::serialize(done.at("restarts")).find("Cisco SIP Proxy"), std::string::npos);
  EXPECT_EQ(KindOf(own_["rsa"]), "pinned");
  EXPECT_EQ(KindOf(own_["ec"]), "pinned");
  EXPECT_EQ(KindOf(Fingerprint(ca_.Pem("int2"))), "intermediate");
  EXPECT_EQ(KindOf(Fingerprint(ca_.Pem("int1"))), "intermediate");
  EXPECT_EQ(KindOf(Fingerprint(ca_.Pem("root"))), "") << "the server does not send it";
}

// SPEC X1: trust on first use is explicit.
TEST_F(ImportJob, FingerprintThatIsKnownBeforehandConfirms) {
  const std::string at = StartNginx();
  EXPECT_EQ(Refused(at, {"--algorithm", "rsa", "--fingerprint", own_["ec"]}),
            "FINGERPRINT_MISMATCH");
  const Answer silent = appliance_.Rpc("import.fetch", {{"store", "cup-trust"}, {"host", at}});
  EXPECT_EQ(silent.word(), "FINGERPRINT_UNCONFIRMED");
  EXPECT_EQ(appliance_
                .Cli({"import", "fetch", "cup-trust", at, "--algorithm", "rsa", "--fingerprint",
                      own_["rsa"], "--yes"})
                .code,
            0);
  EXPECT_EQ(KindOf(own_["rsa"]), "pinned");
  EXPECT_EQ(KindOf(own_["ec"]), "");
}

// SPEC X1: each failure has its recommended action.
TEST_F(ImportJob, WhatIsNoTlsServerIsToldApart) {
  const AnsweringServer garbage(std::string(2000, '\xa5'));
  const AnsweringServer http("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  const AnsweringServer silent("");
  EXPECT_EQ(Refused("127.0.0.1:" + std::to_string(FreePort())), "CONNECTION_REFUSED");
  EXPECT_EQ(Refused(garbage.at()), "NO_TLS");
  EXPECT_EQ(Refused(http.at()), "NO_TLS");
  EXPECT_EQ(Refused(silent.at()), "HANDSHAKE_TIMED_OUT");
  EXPECT_EQ(Refused(silent.at(), {"--yes", "--starttls", "smtp"}), "HANDSHAKE_TIMED_OUT");
}

// ABUSE 102.
TEST_F(ImportJob, Abuse102OnlyAllowedAddressesAndFormsAreConnectedTo) {
  EXPECT_EQ(Refused("127.0.0.1:" + appliance_.port()), "ADDRESS_NOT_ALLOWED") << "its own port";
  EXPECT_EQ(Refused("169.254.169.254:80"), "ADDRESS_NOT_ALLOWED");
  for (const char* host : {"http://169.254.169.254/", "file:///etc/passwd", "2130706433:443",
                           "user@127.0.0.1:443", "127.0.0.1:99999", ""})
    EXPECT_NE(Refused(host).find("INVALID"), std::string::npos) << host;
  EXPECT_EQ(Refused("127.0.0.1:1", {"--yes", "--starttls", "gopher"}), "STARTTLS_UNKNOWN");
  EXPECT_EQ(Refused("127.0.0.1:1", {"--yes", "--algorithm", "dsa"}), "ALGORITHM_UNKNOWN");
}

}  // namespace
}  // namespace signet::testing
