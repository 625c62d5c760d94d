// The real servers of tests/support/served.h and ike_pair.h start, answer with a key behind
// p11-kit-client.so and take up a renewal: before p11-kit's own server and a SoftHSM token, with
// keys made by p11tool and certificates by openssl. No part of Signet's own takes part.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "tests/support/certificate_authority.h"
#include "tests/support/handshake.h"
#include "tests/support/ike_pair.h"
#include "tests/support/served.h"

namespace signet::testing {
namespace {

constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";
constexpr char kPin[] = "test-pin-1234";

// A token behind p11-kit's server. Its keys are not private objects: nobody logs in to use them.
class StockToken {
 public:
  StockToken() {
    WriteWhole(folder_ / "softhsm2.conf",
               "directories.tokendir = " + folder_.path() + "\nlog.level = ERROR\n");
    own_.environment = {{"SOFTHSM2_CONF", folder_ / "softhsm2.conf"}, {"GNUTLS_PIN", kPin}};
    MustRun({"softhsm2-util", "--init-token", "--free", "--label", "served", "--so-pin", "12345678",
             "--pin", kPin},
            own_);
    // The socket alone is for everybody.
    std::filesystem::permissions(door_.path(), std::filesystem::perms(0755));
    RunOptions options;
    options.command = own_;
    options.family = true;
    const std::vector<std::string> command = {
        "p11-kit", "server", "-f",        "--provider",
        kSoftHsm,  "-n",     door_ / "s", "pkcs11:token=served"};
    server_ = std::make_unique<RunningProgram>(command, options);
    EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(door_ / "s"); }, Seconds(10)));
    std::filesystem::permissions(door_ / "s", std::filesystem::perms(0666));
  }
  KeyAccess access() const { return {"unix:path=" + door_ / "s"}; }

  // A key of two octets' id; its CSR.
  std::string MakeKey(const std::string& id, bool rsa) const {
    std::vector<std::string> command = {
        "p11tool", "--provider", kSoftHsm,    "--login",   "--no-mark-private",   "--id",
        id,        "--label",    "key-" + id, "--outfile", folder_ / "public.pem"};
    for (const char* word : rsa ? std::array{"--generate-privkey=rsa", "--bits=2048"}
                                : std::array{"--generate-privkey=ecdsa", "--curve=secp256r1"})
      command.emplace_back(word);
    command.emplace_back("pkcs11:token=served");
    MustRun(command, own_);
    CommandOptions engine;
    engine.environment = {{"P11_KIT_SERVER_ADDRESS", access().address},
                          {"PKCS11_MODULE_PATH", kP11KitClient}};
    return MustRun({"openssl", "req", "-new", "-engine", "pkcs11", "-keyform", "engine", "-key",
                    Uri(id), "-subj", "/CN=served.example"},
                   engine);
  }
  void Store(const std::string& id, const std::string& label, const std::string& pem) const {
    const std::string der = MustRun({"openssl", "x509", "-outform", "DER"}, {pem, "", {}});
    WriteWhole(folder_ / "certificate", der);
    MustRun(
        {"pkcs11-tool", "--module", kSoftHsm, "--token-label", "served", "--login", "--pin", kPin,
         "--write-object", folder_ / "certificate", "--type", "cert", "--id", id, "--label", label},
        own_);
  }
  static std::string Uri(const std::string& id) {
    return "pkcs11:token=served;id=%" + id.substr(0, 2) + "%" + id.substr(2) + ";type=private";
  }

 private:
  ScratchFolder folder_, door_;
  CommandOptions own_;
  std::unique_ptr<RunningProgram> server_;
};

// Two generations of an RSA and an ECDSA pair, published behind one symbolic link.
class Published {
 public:
  Published() {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    token_.Store("c1", "int1", ca_.Pem("int1"));
    token_.Store("c2", "int2", ca_.Pem("int2"));
    for (const int generation : {1, 2}) {
      for (const bool rsa : {true, false}) Make(generation, rsa);
    }
    Publish(1);
  }
  KeyAccess access() const { return token_.access(); }
  const CertificateAuthority& ca() const { return ca_; }
  // The leaf's; `key`: "rsa" or "ec".
  const std::string& Serial(int generation, const std::string& key) const {
    return serials_.at(key + std::to_string(generation));
  }
  std::string Current(const std::string& name) const { return folder_ / "current/" + name; }
  void Publish(int generation) const {
    std::filesystem::create_directory_symlink(Folder(generation), folder_ / "next");
    std::filesystem::rename(folder_ / "next", folder_ / "current");
  }

 private:
  std::string Folder(int generation) const { return folder_ / std::to_string(generation); }

  void Make(int generation, bool rsa) {
    const std::string key = rsa ? "rsa" : "ec", name = key + std::to_string(generation);
    const std::string id = "a" + std::to_string(generation) + (rsa ? "01" : "02");
    const std::string leaf = ca_.Sign(token_.MakeKey(id, rsa));
    token_.Store(id, name, leaf);
    const std::string serial = MustRun({"openssl", "x509", "-noout", "-serial"}, {leaf, "", {}});
    serials_[name] = serial.substr(7, serial.size() - 8);  // serial=…\n
    Render(Folder(generation), key, name, id, leaf);
  }
  // The files that servers include; certificate and key id in one file, with the folder's own path.
  void Render(const std::string& folder, const std::string& key, const std::string& label,
              const std::string& id, const std::string& leaf) const {
    std::filesystem::create_directories(folder + "/stunnel-" + key);
    const std::string pem = folder + "/" + key + ".pem", uri = StockToken::Uri(id);
    WriteWhole(pem, leaf + ca_.Pem("int2") + ca_.Pem("int1"));
    WriteWhole(
        folder + "/nginx-" + key,
        "ssl_certificate " + pem + ";\nssl_certificate_key \"engine:pkcs11:" + uri + "\";\n");
    WriteWhole(folder + "/apache-" + key,
               "SSLCertificateFile " + pem + "\nSSLCertificateKeyFile \"" + uri + "\"\n");
    WriteWhole(folder + "/stunnel-" + key + "/pair.conf",
               "cert = " + pem + "\nengineId = pkcs11\nkey = " + uri + "\n");
    WriteWhole(folder + "/tomcat-" + key,
               "<Certificate type=\"" + std::string(key == "rsa" ? "RSA" : "EC") +
                   "\" certificateKeystoreType=\"PKCS11\" certificateKeystoreFile=\"NONE\" "
                   "certificateKeystorePassword=\"" +
                   kPin + "\" certificateKeyAlias=\"" + label + "\"/>");
    std::string authorities;
    for (const char* name : {"root", "int1", "int2"}) {
      authorities += std::string(name) + " {\ncacert = " + ca_.File(name) + "\n}\n";
    }
    WriteWhole(folder + "/strongswan-" + key,
               "signet-" + key + " {\ncerts = " + pem + "\n}\nauthorities {\n" + authorities +
                   "}\nsecrets {\ntoken-" + key + " {\nhandle = " + id +
                   "\nmodule = signet\npin = " + kPin + "\n}\n}\n");
  }

  ScratchFolder folder_;
  StockToken token_;
  CertificateAuthority ca_;
  std::map<std::string, std::string> serials_;
};

Snippet SnippetFor(ServerKind kind, const Published& published) {
  const auto both = [&](const std::string& before, const std::string& server,
                        const std::string& after) {
    return before + published.Current(server + "-rsa") + after + before +
           published.Current(server + "-ec") + after;
  };
  switch (kind) {
    case ServerKind::kNginx:
    case ServerKind::kNginxStream:
      return {"env P11_KIT_SERVER_ADDRESS;\nenv PKCS11_MODULE_PATH;\nssl_engine pkcs11;",
              "ssl_protocols TLSv1.2 TLSv1.3;\n" + both("include ", "nginx", ";\n")};
    case ServerKind::kApacheEvent:
    case ServerKind::kApachePrefork:
      return {"", both("Include ", "apache", "\n")};
    case ServerKind::kStunnel:
      return {"engine = pkcs11\nengineCtrl = MODULE_PATH:" + std::string(kP11KitClient),
              "include = " + published.Current("stunnel-rsa")};
    case ServerKind::kTomcat:
      return {"<!DOCTYPE Server [ <!ENTITY rsa SYSTEM \"file://" + published.Current("tomcat-rsa") +
                  "\"> <!ENTITY ec SYSTEM \"file://" + published.Current("tomcat-ec") + "\"> ]>",
              "&rsa;&ec;"};
  }
  std::abort();
}

// One token for all tests of this program, made for the first: it is what takes longest.
class Shared : public ::testing::Environment {
 public:
  static const Published& Get() {
    if (published_ == nullptr) published_ = std::make_unique<Published>();
    return *published_;
  }
  void TearDown() override { published_.reset(); }

 private:
  inline static std::unique_ptr<Published> published_;
};
const ::testing::Environment* const kShared = ::testing::AddGlobalTestEnvironment(new Shared);

class ServedSelfTest : public ::testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    const std::string why_not = ServedServer::WhyNot(GetParam());
    if (!why_not.empty()) GTEST_SKIP() << why_not;
    Shared::Get().Publish(1);
  }

  static bool TwoKeys() { return Traits(GetParam()).two_keys; }
  // Each version with each key that the server has at its port.
  static std::vector<TlsClientOptions> Clients() {
    std::vector<TlsClientOptions> clients;
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      clients.push_back({version, LeafKey::kRsa, Shared::Get().ca().File("root"), true});
      if (!TwoKeys()) continue;
      clients.push_back({version, LeafKey::kEcdsa, Shared::Get().ca().File("root"), true});
    }
    return clients;
  }
  static std::vector<std::string> Serials(int generation) {
    std::vector<std::string> serials = {Shared::Get().Serial(generation, "rsa")};
    if (TwoKeys()) serials.push_back(Shared::Get().Serial(generation, "ec"));
    return serials;
  }
  // A renewal, until the loop has seen it some more times.
  static void Renew(int generation, ServedServer* server, const HandshakeLoop& loop) {
    constexpr int kTimes = 10;
    std::map<std::string, int> before = loop.Now().serials;
    Shared::Get().Publish(generation);
    server->Reload();
    const auto seen = [&] {
      std::map<std::string, int> now = loop.Now().serials;
      for (const std::string& serial : Serials(generation)) {
        if (now[serial] < before[serial] + kTimes) return false;
      }
      return true;
    };
    EXPECT_TRUE(Eventually(seen, Seconds(20))) << generation;
  }
};

TEST_P(ServedSelfTest, AnswersWithTheTokensKeysAndTakesUpRenewalsUnderHandshakes) {
  const ServerTraits& traits = Traits(GetParam());
  ServedServer server(GetParam(), SnippetFor(GetParam(), Shared::Get()), Shared::Get().access());
  server.Start();
  ASSERT_TRUE(server.Running());
  // A master listens before it has workers.
  EXPECT_TRUE(Eventually([&] { return server.Users().contains(traits.worker); }, Seconds(10)));
  for (const TlsClientOptions& options : Clients()) {
    const Shaken shaken = TlsClient(options).Shake(server.port());
    EXPECT_EQ(shaken.error, "");
    EXPECT_EQ(shaken.version, options.version);
    EXPECT_EQ(shaken.serial, Shared::Get().Serial(1, options.key == LeafKey::kRsa ? "rsa" : "ec"));
    EXPECT_EQ(shaken.chain.size(), 3u);
  }
  HandshakeLoop loop(server.port(), Clients());
  const std::vector<int> renewals =
      traits.gapless ? std::vector<int>{2, 1, 2} : std::vector<int>{2};
  for (const int generation : renewals) Renew(generation, &server, loop);
  const HandshakeLoop::Report report = loop.Stop();
  EXPECT_EQ(report.failed, std::vector<std::string>());
  if (traits.gapless) {
    EXPECT_EQ(report.lost, std::vector<std::string>());
  }
  std::set<std::string> known;
  for (const int generation : {1, 2}) {
    for (const std::string& serial : Serials(generation)) known.insert(serial);
  }
  for (const auto& [serial, times] : report.serials) EXPECT_TRUE(known.contains(serial)) << serial;
  server.Stop();
  EXPECT_FALSE(ListensOn(server.port()));
}

INSTANTIATE_TEST_SUITE_P(Of, ServedSelfTest, ::testing::ValuesIn(kServerKinds),
                         [](const auto& kind) { return Traits(kind.param).name; });

TEST(IkeSelfTest, AuthenticatesWithTheTokensKeysAndTakesUpARenewal) {
  const std::string why_not = IkePair::WhyNot();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const Published& published = Shared::Get();
  const ScratchFolder folder;
  const std::string key = folder / "peer.key", pem = folder / "peer.pem";
  WriteWhole(pem, published.ca().Sign(MustRun({"openssl", "req", "-new", "-nodes", "-newkey", "ec",
                                               "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout",
                                               key, "-subj", "/CN=peer.example"})));
  for (const std::string purpose : {"rsa", "ec"}) {
    published.Publish(1);
    IkePair pair({"include " + published.Current("strongswan-" + purpose),
                  "local : signet-" + purpose + " {\nauth = pubkey\n}"},
                 published.access(), {pem, key, published.ca().File("root")});
    pair.Start();
    for (const int generation : {1, 2}) {
      published.Publish(generation);
      pair.Reload();
      const std::optional<IkePair::Sa> sa = pair.Connect();
      ASSERT_TRUE(sa.has_value());
      EXPECT_EQ(sa->state, "ESTABLISHED");
      EXPECT_EQ(sa->remote_id, "CN=served.example");
      EXPECT_EQ(sa->serial, published.Serial(generation, purpose));
    }
  }
}

TEST(IkeSelfTest, APeerThatTrustsSomebodyElseRefuses) {
  const std::string why_not = IkePair::WhyNot();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const Published& published = Shared::Get();
  const CertificateAuthority other("Other");
  // As its own pair a CA's does.
  IkePair pair(
      {"include " + published.Current("strongswan-ec"), "local : signet-ec {\nauth = pubkey\n}"},
      published.access(), {other.File("int1"), other.KeyFile("int1"), other.File("root")});
  pair.Start();
  EXPECT_FALSE(pair.Connect().has_value());
  const std::string reason = "no trusted ECDSA public key found for 'CN=served.example'";
  EXPECT_NE(pair.Log().find(reason), std::string::npos);
}

TEST(HandshakeSelfTest, WhatTlsRefusesIsToldFromALostConnection) {
  const AnsweringServer garbage("HTTP/1.1 400 Bad Request\r\n\r\n",
                                AnsweringServer::When::kWhenAsked);
  const Shaken refused = TlsClient().Shake(garbage.port());
  EXPECT_EQ(refused.error.find("handshake: error:"), 0u) << refused.error;
  EXPECT_FALSE(refused.lost);
  const Shaken closed = TlsClient().Shake(FreePort());
  EXPECT_EQ(closed.error, "connect: Connection refused");
  EXPECT_TRUE(closed.lost);
  HandshakeLoop loop(garbage.port(), {{}});
  EXPECT_TRUE(Eventually([&] { return loop.Now().failed.size() > 2; }, Seconds(20)));
  EXPECT_EQ(loop.Stop().handshakes, 0);
}

}  // namespace
}  // namespace signet::testing
