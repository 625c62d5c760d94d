// Real servers with what Signet publishes and says: the administrator's lines of 'signet service
// snippet', the files of the generation folder, a key that stays with signet-keyd. SPEC A3.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/handshake.h"
#include "tests/support/ike_pair.h"
#include "tests/support/served.h"

namespace signet::testing {
namespace {

// The `server` of the configuration and the snippet's name.
struct Names {
  ServerKind kind;
  const char* server;
  const char* snippet;
};
constexpr Names kNames[] = {
    {ServerKind::kNginx, "nginx", "nginx"},
    {ServerKind::kNginxStream, "nginx", "ldap-front"},
    {ServerKind::kApacheEvent, "apache", "apache"},
    {ServerKind::kApachePrefork, "apache", "apache"},
    {ServerKind::kStunnel, "stunnel", "stunnel"},
    {ServerKind::kTomcat, "tomcat", "tomcat"},
};

// An appliance whose service `web` has a socket and a folder where its user can reach them.
class Serving {
 public:
  Serving(const std::string& server, const std::string& user) {
    std::filesystem::permissions(std::filesystem::path(appliance.folder()).parent_path(),
                                 std::filesystem::perms(0755));
    std::filesystem::create_directory(appliance.Spare("door"));
    std::filesystem::permissions(appliance.Spare("door"), std::filesystem::perms(0755));
    appliance.EditConfig("[outgoing]", "[service.web]\nserver = \"" + server + "\"\nuser = \"" +
                                           user +
                                           "\"\npurposes = [\"tomcat\", \"tomcat-ECDSA\", "
                                           "\"ipsec\"]\nsocket = \"" +
                                           appliance.Spare("door/keys.sock") + "\"\npublish = \"" +
                                           appliance.Spare("door/web") + "\"\n[outgoing]");
    appliance.StartAndWait();
  }
  Snippet SnippetOf(const std::string& name, const std::string& purpose) const {
    const json::value answer =
        appliance.CliJson({"service", "snippet", name, purpose, "--service", "web"});
    return {answer.at("outer").as_string().c_str(), answer.at("inner").as_string().c_str()};
  }
  KeyAccess Access(const std::string& purpose) const {
    const json::value answer = appliance.CliJson({"key", "agent-env", purpose, "--service", "web"});
    return {answer.at("address").as_string().c_str(), answer.at("module").as_string().c_str()};
  }
  // As "openssl x509 -serial" prints it.
  std::string Serial(const std::string& purpose) const {
    const std::string pem = appliance.Cli({"certificate", "download", purpose}).out;
    const std::string text = MustRun({"openssl", "x509", "-noout", "-serial"}, {pem, "", {}});
    return text.substr(7, text.size() - 8);  // serial=…\n
  }
  void Generate(const std::string& purpose) const {
    appliance.CliJson({"certificate", "generate", purpose, "--yes"});
  }

  Appliance appliance;
};

class PublishedTest : public ::testing::TestWithParam<Names> {};

TEST_P(PublishedTest, AServerServesAndRenewsWithWhatItIsTold) {
  const std::string why_not = ServedServer::WhyNot(GetParam().kind);
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const Serving serving(GetParam().server, Traits(GetParam().kind).worker);
  Snippet snippet = serving.SnippetOf(GetParam().snippet, "tomcat");
  ServedServer server(GetParam().kind, snippet, serving.Access("tomcat"));
  server.Start();
  ASSERT_TRUE(server.Running());
  const TlsClient client({TLS1_2_VERSION, LeafKey::kRsa, {}, true});
  const std::string first = serving.Serial("tomcat");
  Shaken shaken;
  EXPECT_TRUE(Eventually(
      [&] {
        shaken = client.Shake(server.port());
        return shaken.ok();
      },
      Seconds(10)))
      << shaken.error;
  EXPECT_EQ(shaken.serial, first);
  serving.Generate("tomcat");
  const std::string second = serving.Serial("tomcat");
  EXPECT_NE(second, first);
  server.Reload();
  EXPECT_TRUE(Eventually(
      [&] {
        shaken = client.Shake(server.port());
        return shaken.ok() && shaken.serial == second;
      },
      Seconds(20)))
      << shaken.error << shaken.serial;
}

INSTANTIATE_TEST_SUITE_P(Of, PublishedTest, ::testing::ValuesIn(kNames),
                         [](const auto& names) { return Traits(names.param.kind).name; });

// What an administrator adds for client certificates, as the snippets' comments say.
struct ClientTrust {
  ServerKind kind;
  const char* server;
  const char* lines;  // $ is the link to the current generation
};

class PublishedTrustTest : public ::testing::TestWithParam<ClientTrust> {};

TEST_P(PublishedTrustTest, AServerTrustsTheClientsOfTheTrustStore) {
  const std::string why_not = ServedServer::WhyNot(GetParam().kind);
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const Serving serving(GetParam().server, Traits(GetParam().kind).worker);
  const CertificateAuthority ca, other("Other");
  const ScratchFolder folder;
  WriteWhole(folder / "chain.pem", ca.Chain());
  serving.appliance.CliJson({"trust", "upload", "tomcat-trust", folder / "chain.pem", "--yes"});
  for (const auto* issuer : {&ca, &other}) {
    const std::string name = folder / (issuer == &ca ? "known" : "stranger");
    WriteWhole(name, issuer->Sign(MustRun({"openssl", "req", "-new", "-nodes", "-newkey", "ec",
                                           "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout",
                                           name + ".key", "-subj", "/CN=client"})) +
                         issuer->Pem("int2") + issuer->Pem("int1"));
  }
  Snippet snippet = serving.SnippetOf(GetParam().server, "tomcat");
  std::string lines = GetParam().lines;
  for (std::size_t at = lines.find('$'); at != std::string::npos; at = lines.find('$'))
    lines.replace(at, 1, serving.appliance.Spare("door/web/current"));
  snippet.inner += "\n" + lines;
  ServedServer server(GetParam().kind, snippet, serving.Access("tomcat"));
  server.Start();
  ASSERT_TRUE(server.Running());
  // Whether a request is answered with a page; nginx answers strangers, too, but with 400.
  const auto is_served = [&](const std::string& client) {
    const std::string port = "127.0.0.1:" + std::to_string(server.port());
    const std::string answer = RunProgram({"openssl", "s_client", "-quiet", "-tls1_2", "-connect",
                                           port, "-cert", folder / client, "-cert_chain",
                                           folder / client, "-key", folder / (client + ".key")},
                                          {"GET / HTTP/1.0\r\n\r\n", "", {}})
                                   .out;
    return answer.starts_with("HTTP/1.") && answer.find(" 400 ") == std::string::npos;
  };
  EXPECT_TRUE(Eventually([&] { return is_served("known"); }, Seconds(10)));
  EXPECT_FALSE(is_served("stranger"));
}

INSTANTIATE_TEST_SUITE_P(
    Of, PublishedTrustTest,
    ::testing::Values(ClientTrust{ServerKind::kNginx, "nginx",
                                  "include $/nginx/tomcat-trust.conf;\nssl_verify_client on;\n"
                                  "ssl_verify_depth 5;"},
                      ClientTrust{ServerKind::kApacheEvent, "apache",
                                  "Include $/apache/tomcat-trust.conf\nSSLVerifyClient require\n"
                                  "SSLVerifyDepth 5"},
                      ClientTrust{ServerKind::kStunnel, "stunnel", "verifyChain = yes"}),
    [](const auto& row) { return row.param.server; });

TEST(Published, StrongSwanAuthenticatesWithWhatItIsTold) {
  const std::string why_not = IkePair::WhyNot();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const Serving serving("strongswan", "root");
  const CertificateAuthority ca;
  const ScratchFolder folder;
  const std::string key = folder / "peer.key", pem = folder / "peer.pem";
  WriteWhole(pem, ca.Sign(MustRun({"openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
                                   "ec_paramgen_curve:P-256", "-keyout", key, "-subj",
                                   "/CN=peer.example"})));
  WriteWhole(folder / "chain.pem", ca.Chain());
  serving.appliance.CliJson({"trust", "upload", "ipsec-trust", folder / "chain.pem", "--yes"});
  const json::value csr = serving.appliance.CliJson({"csr", "generate", "ipsec"});
  WriteWhole(folder / "ipsec.pem", ca.Sign(csr.at("pem").as_string().c_str()));
  serving.appliance.CliJson({"certificate", "upload", "ipsec", folder / "ipsec.pem", "--yes"});
  IkePair pair(serving.SnippetOf("strongswan", "ipsec"), serving.Access("ipsec"),
               {pem, key, ca.File("root")});
  pair.Start();
  const auto sa = pair.Connect();
  ASSERT_TRUE(sa.has_value());
  EXPECT_EQ(sa->state, "ESTABLISHED");
  EXPECT_EQ(sa->serial, serving.Serial("ipsec"));
}

}  // namespace
}  // namespace signet::testing
