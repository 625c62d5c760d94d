// The TLS side with openssl's and curl's clients.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "rpc/tls_listener.h"
#include "tests/rpc/test_server.h"

namespace signet::rpc {
namespace {

using std::chrono::milliseconds;

ClientCertificate Client(std::string fingerprint, std::string name, std::string role) {
  ClientCertificate client;
  client.fingerprint = std::move(fingerprint);
  client.name = std::move(name);
  client.role = std::move(role);
  return client;
}

// A client certificate made by openssl: its files are NAME.pem and NAME.key.
std::string MakeClient(const std::string& base, const std::string& usage,
                       const std::string& dates = "-days 30") {
  Shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + base +
        ".key -out " + base + ".pem " + dates +
        " -subj /CN=client -addext extendedKeyUsage=" + usage);
  std::string print = Shell("openssl x509 -in " + base + ".pem -noout -fingerprint -sha256");
  print = print.substr(print.find('=') + 1);
  while (!print.empty() && print.back() == '\n') print.pop_back();
  return print;
}

std::string MakeDated(const std::string& base, int start_days, int end_days) {
  Shell(
      "/usr/bin/python3 -c \"\n"
      "import datetime\n"
      "from cryptography import x509\n"
      "from cryptography.x509.oid import NameOID, ExtendedKeyUsageOID\n"
      "from cryptography.hazmat.primitives import hashes, serialization\n"
      "from cryptography.hazmat.primitives.asymmetric import ec\n"
      "k = ec.generate_private_key(ec.SECP256R1())\n"
      "n = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'dated')])\n"
      "t = datetime.datetime.utcnow()\n"
      "c = x509.CertificateBuilder().subject_name(n).issuer_name(n).public_key(k.public_key())"
      ".serial_number(7).not_valid_before(t + datetime.timedelta(days=" +
      std::to_string(start_days) +
      ")).not_valid_after(t + datetime.timedelta(days=" + std::to_string(end_days) +
      ")).sign(k, hashes.SHA256())\n"
      "open('" +
      base +
      ".pem', 'wb').write(c.public_bytes(serialization.Encoding.PEM))\n"
      "open('" +
      base +
      ".key', 'wb').write(k.private_bytes(serialization.Encoding.PEM, "
      "serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))\n\"");
  return base;
}

std::string Handshake(std::uint16_t port, const std::string& options,
                      const std::string& input = "Q") {
  return Shell("printf '" + input + "' | timeout 10 openssl s_client -connect 127.0.0.1:" +
               std::to_string(port) + " " + options);
}

std::string Curl(TestServer& server, const std::string& options,
                 const std::string& path = "/health/alive") {
  return Shell("curl -sk -m 10 -o /dev/null -w '%{http_code}' " + options +
               " https://127.0.0.1:" + std::to_string(server.port()) + path);
}

std::string CurlRpc(TestServer& server, const std::string& options, const std::string& method) {
  return Shell(
      "curl -sk -m 10 " + options +
      " -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" +
      method + "\"}' https://127.0.0.1:" + std::to_string(server.port()) + "/rpc");
}

TEST(Tls, WithoutAnIdentityTheHandshakeFailsWithAnAlert) {
  TestServer server;
  const std::string out = Handshake(server.port(), "-brief");
  EXPECT_NE(out.find("alert"), std::string::npos) << out;
  EXPECT_EQ(out.find("CONNECTION ESTABLISHED"), std::string::npos);
}

TEST(Tls, Abuse84OldVersionsRenegotiationAndStaticKeysAreRefused) {
  TestServer server;
  server.server().tls()->UseIdentity(server.Identity());
  EXPECT_NE(Handshake(server.port(), "-brief -tls1_3").find("TLSv1.3"), std::string::npos);
  const std::string two = Handshake(server.port(), "-tls1_2");
  EXPECT_NE(two.find("TLSv1.2"), std::string::npos);
  EXPECT_NE(two.find("Compression: NONE"), std::string::npos);
  EXPECT_EQ(two.find("TLS session ticket:"), std::string::npos);
  for (const char* old : {"-tls1", "-tls1_1"}) {
    const std::string out =
        Handshake(server.port(), std::string("-brief -cipher ALL:@SECLEVEL=0 ") + old);
    EXPECT_EQ(out.find("CONNECTION ESTABLISHED"), std::string::npos) << out;
  }
  for (const char* cipher :
       {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"}) {
    const std::string out =
        Handshake(server.port(), std::string("-brief -tls1_2 -cipher ") + cipher);
    EXPECT_EQ(out.find("CONNECTION ESTABLISHED"), std::string::npos) << cipher << out;
  }
  const std::string again =
      Shell("(printf 'R\\n'; sleep 1) | timeout 10 openssl s_client -tls1_2 -connect 127.0.0.1:" +
            std::to_string(server.port()));
  EXPECT_NE(again.find("no renegotiation"), std::string::npos) << again;
}

TEST(Tls, WithoutAClientCertificateOnlyHealthIsServed) {
  TestServer server;
  server.server().tls()->UseIdentity(server.Identity());
  EXPECT_EQ(Curl(server, ""), "200");
  EXPECT_NE(CurlRpc(server, "", "test.echo").find("ACCESS_DENIED"), std::string::npos);
  EXPECT_EQ(Curl(server, "-H 'Content-Type: application/json' -d '{}'", "/rpc"), "403");
}

TEST(Tls, AListedClientCertificateHasItsRoleAndAnotherHasNone) {
  const std::string base =
      std::filesystem::temp_directory_path() / ("signet-c" + std::to_string(getpid()));
  const std::string operator_print = MakeClient(base + "o", "clientAuth");
  MakeClient(base + "u", "clientAuth");
  {
    TestServer server([&](ServerOptions& options) {
      options.clients = {Client(operator_print, "monitoring", "operator")};
    });
    server.server().tls()->UseIdentity(server.Identity());
    const auto use = [&](const std::string& name) {
      return "--cert " + base + name + ".pem --key " + base + name + ".key";
    };
    const std::string answer = CurlRpc(server, use("o"), "test.echo");
    EXPECT_NE(answer.find(R"("actor":"cert:monitoring","role":"operator")"), std::string::npos)
        << answer;
    EXPECT_NE(CurlRpc(server, use("o"), "test.local").find("LOCAL_ONLY"), std::string::npos);
    EXPECT_NE(CurlRpc(server, use("o"), "test.administer").find("ACCESS_DENIED"),
              std::string::npos);
    EXPECT_NE(CurlRpc(server, use("u"), "test.echo").find("ACCESS_DENIED"), std::string::npos);
    EXPECT_EQ(Curl(server, use("u")), "200");
  }
  Shell("rm -f " + base + "*");
}

TEST(Tls, LargeBodyIsTakenOnlyFromWhoMayStoreSomething) {
  const std::string base =
      std::filesystem::temp_directory_path() / ("signet-l" + std::to_string(getpid()));
  const std::string operator_print = MakeClient(base + "o", "clientAuth");
  const std::string auditor_print = MakeClient(base + "a", "clientAuth");
  {
    TestServer server([&](ServerOptions& options) {
      options.clients = {Client(operator_print, "deployment", "operator"),
                         Client(auditor_print, "revision", "auditor")};
    });
    server.server().tls()->UseIdentity(server.Identity());
    std::ofstream(base + ".json")
        << R"({"jsonrpc":"2.0","id":1,"method":"test.large","params":{"text":")"
        << std::string(5u << 20, 'a') << "\"}}";
    const auto send = [&](const std::string& name) {
      return Curl(server,
                  "--cert " + base + name + ".pem --key " + base + name +
                      ".key -H 'Content-Type: application/json' --data-binary @" + base + ".json",
                  "/rpc");
    };
    EXPECT_EQ(send("o"), "200");
    EXPECT_EQ(send("a"), "413");
  }
  Shell("rm -f " + base + "*");
}

TEST(Tls, Abuse84ClientCertificatesOutOfTimeOrForServersAreRefused) {
  TestServer server;
  server.server().tls()->UseIdentity(server.Identity());
  MakeClient(server.Path("wrong"), "serverAuth");
  MakeDated(server.Path("expired"), -10, -1);
  MakeDated(server.Path("future"), 1, 10);
  MakeDated(server.Path("valid"), -1, 10);
  const auto use = [&](const std::string& name) {
    return "--cert " + server.Path(name) + ".pem --key " + server.Path(name) + ".key";
  };
  EXPECT_EQ(Curl(server, use("valid")), "200");
  for (const char* name : {"wrong", "expired", "future"})
    EXPECT_EQ(Curl(server, use(name)), "000") << name;
}

TEST(Tls, Abuse94OnlyTheAppliancesOwnNamesAreServed) {
  TestServer server;
  server.server().tls()->UseIdentity(server.Identity());
  for (const char* host :
       {"evil.com", "127.0.0.1.evil.com", "localhost:x", "localhost:123456", "[::1", "a:b:c"})
    EXPECT_EQ(Curl(server, std::string("-H 'Host: ") + host + "'"), "421") << host;
  for (const char* host :
       {"NODE.example.com", "node.example.com:8443", "localhost", "LocalHost:1", "127.0.0.1"})
    EXPECT_EQ(Curl(server, std::string("-H 'Host: ") + host + "'"), "200") << host;
  EXPECT_EQ(Curl(server, "-H 'Host;'"), "421");
  EXPECT_EQ(Curl(server, "-H 'Origin: https://evil.com'"), "403");
  EXPECT_EQ(Curl(server, "-H 'Origin: null'"), "403");
  EXPECT_EQ(Curl(server, "-H 'Origin: https://node.example.com'"), "200");
  const std::string none = Shell(
      "printf 'GET /health/alive HTTP/1.1\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet "
      "-connect 127.0.0.1:" +
      std::to_string(server.port()));
  EXPECT_NE(none.find("400 Bad Request"), std::string::npos) << none;
}

TEST(Tls, Abuse81AHandshakeThatDoesNotComeMeetsTheDeadline) {
  TestServer server([](ServerOptions& options) {
    options.tls->http.handshake = milliseconds(300);
    options.tls->http.sweep = milliseconds(20);
  });
  server.server().tls()->UseIdentity(server.Identity());
  RawClient silent = RawClient::Tcp(server.port());
  RawClient half = RawClient::Tcp(server.port());
  half.Send("\x16\x03\x01\x02\x00\x01\x00\x01");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(silent.ReadToEnd(), "");
  half.ReadToEnd();
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1500));
}

TEST(Tls, Abuse85ConnectionsOfOneAddressAreBounded) {
  TestServer server([](ServerOptions& options) { options.tls->per_address = 3; });
  server.server().tls()->UseIdentity(server.Identity());
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(RawClient::Tcp(server.port()));
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(Curl(server, ""), "000");
  clients.clear();
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(Curl(server, ""), "200");
}

TEST(Tls, Http2IsNotOfferedAndOtherProtocolsAreRefused) {
  TestServer server;
  server.server().tls()->UseIdentity(server.Identity());
  EXPECT_NE(Handshake(server.port(), "-alpn h2,http/1.1").find("ALPN protocol: http/1.1"),
            std::string::npos);
  EXPECT_NE(Handshake(server.port(), "-alpn h2").find("no application protocol"),
            std::string::npos);
}

TEST(Tls, AnIdentityIsSwappedUnderHandshakesWithoutALoss) {
  TestServer server;
  const ServerIdentity one = server.Identity("one"), two = server.Identity("two");
  server.server().tls()->UseIdentity(one);
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    for (int i = 0; !stop; ++i) {
      server.server().tls()->UseIdentity(i % 2 == 0 ? two : one);
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  for (int i = 0; i < 40; ++i) EXPECT_EQ(Curl(server, ""), "200");
  stop = true;
  swapper.join();
  server.server().tls()->UseIdentity(two);
  EXPECT_NE(Handshake(server.port(), "").find("CN = two"), std::string::npos);
  server.server().tls()->DropIdentity();
  EXPECT_EQ(Curl(server, ""), "000");
}

TEST(Tls, AfterDropIdentityNothingHoldsTheKey) {
  TestServer server;
  ServerIdentity identity = server.Identity();
  const std::weak_ptr<EVP_PKEY> key = identity.key;
  server.server().tls()->UseIdentity(std::move(identity));
  EXPECT_EQ(Curl(server, ""), "200");
  RawClient pending = RawClient::Tcp(server.port());
  pending.Send("\x16\x03\x01\x02\x00\x01\x00\x01");
  std::this_thread::sleep_for(milliseconds(50));
  server.server().tls()->DropIdentity();
  EXPECT_EQ(pending.ReadToEnd(), "");
  for (int i = 0; i < 1000 && !key.expired(); ++i) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_TRUE(key.expired());
}

TEST(Tls, ARequestThatRunsWhenTheServerInsistsIsLeftBehindSafely) {
  const std::string base =
      std::filesystem::temp_directory_path() / ("signet-s" + std::to_string(getpid()));
  const std::string print = MakeClient(base, "clientAuth");
  {
    TestServer server([&](ServerOptions& options) {
      options.clients = {Client(print, "ops", "operator")};
      options.grace = milliseconds(100);
    });
    server.server().tls()->UseIdentity(server.Identity());
    std::thread caller([&, port = server.port()] {
      Shell("curl -sk -m 5 --cert " + base + ".pem --key " + base +
            ".key -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
            "\"test.slow\",\"params\":{\"milliseconds\":60000}}' https://127.0.0.1:" +
            std::to_string(port) + "/rpc");
    });
    std::this_thread::sleep_for(milliseconds(500));
    server.Stop();
    caller.join();
  }
  Shell("rm -f " + base + "*");
}

TEST(Tls, AnAddressInUseIsAConflict) {
  TestServer server;
  boost::asio::io_context loop;
  MethodTable methods;
  ApplianceView view;
  auto runner = MakeFakeChanges(std::make_shared<ChangeMemory>());
  Gate gate(methods, *runner, view);
  Endpoint endpoint(gate);
  const auto clock = MakeSystemClock();
  TlsOptions options;
  options.port = server.port();
  auto clients = RemoteClients::Make({});
  ASSERT_TRUE(clients);
  auto second = TlsListener::Open(loop, options, Service{endpoint, view}, clients.value(), *clock);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().word, "ADDRESS_IN_USE");
  options.address = "not an address";
  auto third = TlsListener::Open(loop, options, Service{endpoint, view}, clients.value(), *clock);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().word, "LISTEN_ADDRESS_INVALID");
}

TEST(RemoteClients, ListsWithUnknownRolesOrBadFingerprintsAreRefused) {
  EXPECT_EQ(RemoteClients::Make({Client(std::string(64, 'a'), "x", "king")}).error().word,
            "ROLE_UNKNOWN");
  EXPECT_EQ(RemoteClients::Make({Client("abc", "x", "operator")}).error().word,
            "CLIENT_CERTIFICATE_INVALID");
  EXPECT_EQ(RemoteClients::Make({Client(std::string(64, 'a'), "x", "operator"),
                                 Client(std::string(64, 'A'), "y", "auditor")})
                .error()
                .word,
            "CLIENT_CERTIFICATE_INVALID");
}

}  // namespace
}  // namespace signet::rpc
