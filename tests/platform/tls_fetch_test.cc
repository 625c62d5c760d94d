#include "platform/tls_fetch.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/platform/tls_peer.h"

// Stands before the C library's resolver in this program: names under .test have addresses of our
// choice, and one has a name server that does not answer.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  const std::string name = node == nullptr ? "" : node;
  if (name == "slow.test") {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    return EAI_AGAIN;
  }
  if (name == "metadata.test") return real("169.254.169.254", service, hints, result);
  if (name == "mixed.test") {
    // The first is refused by the policy, the second by the machine, the third answers.
    const int code = real("169.254.169.254", service, hints, result);
    if (code != 0) return code;
    if (real("127.0.0.2", service, hints, &(*result)->ai_next) != 0) return 0;
    static_cast<void>(real("127.0.0.1", service, hints, &(*result)->ai_next->ai_next));
    return 0;
  }
  return real(node, service, hints, result);
}

namespace signet {
namespace {

using namespace std::chrono_literals;
using namespace signet::testing;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Limits are 20 s, so that a loaded machine changes nothing; a test about time has its own.
class TlsFetch : public ::testing::Test {
 protected:
  TlsFetched Fetch(const std::string& mode, PeerKey key = PeerKey::kAny, Duration limit = 20s,
                   const std::vector<std::string>& files = {}) {
    const Peer peer(mode, files);
    TlsFetchRequest request = RequestTo("127.0.0.1", peer.port());
    request.key = key;
    request.time_limit = limit;
    TlsFetched fetched = FetchTls(request);
    if (fetched.error) {
      EXPECT_TRUE(fetched.chain.empty());
      EXPECT_FALSE(fetched.error->remedy.empty()) << fetched.error->word;
    }
    return fetched;
  }
  const Pair& Rsa() {
    if (rsa_.key.empty()) rsa_ = MakePair(folder_ / "rsa", kRsaKey);
    return rsa_;
  }
  const Pair& Ec() {
    if (ec_.key.empty()) ec_ = MakePair(folder_ / "ec", kEcKey);
    return ec_;
  }

  ScratchFolder folder_;

 private:
  Pair rsa_, ec_;
};

// nginx in the foreground, with one certificate of each kind.
class Nginx {
 public:
  Nginx(const std::string& folder, const Pair& rsa, const Pair& ec, const std::string& protocols)
      : port_(FreePort()) {
    const std::string port = std::to_string(port_);
    WriteWhole(folder + "/nginx.conf",
               "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n"
               "events { worker_connections 32; }\n"
               "http { access_log off; client_body_temp_path t1; proxy_temp_path t2;\n"
               "fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n"
               "server { listen 127.0.0.1:" +
                   port + " ssl; listen [::1]:" + port +
                   " ssl;\n"
                   "ssl_protocols " +
                   protocols + "; ssl_certificate " + rsa.certificate + "; ssl_certificate_key " +
                   rsa.key + "; ssl_certificate " + ec.certificate + "; ssl_certificate_key " +
                   ec.key + "; } }\n");
    server_ =
        std::make_unique<Server>(std::vector<std::string>{"/usr/sbin/nginx", "-p", folder + "/",
                                                          "-c", "nginx.conf", "-e", "stderr"},
                                 "(start worker|nginx/[0-9.]+)");
  }
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
  std::unique_ptr<Server> server_;
};

TEST_F(TlsFetch, AServerWithTwoCertificatesShowsTheOneAskedFor) {
  for (const std::string protocol : {"TLSv1.2", "TLSv1.3"}) {
    const std::string folder = folder_ / protocol;
    std::filesystem::create_directory(folder);
    const Nginx nginx(folder, Rsa(), Ec(), protocol);
    for (const std::string host : {"127.0.0.1", "[::1]"}) {
      TlsFetchRequest request = RequestTo(host, nginx.port());
      for (const PeerKey key : {PeerKey::kRsa, PeerKey::kEcdsa}) {
        request.key = key;
        const TlsFetched fetched = FetchTls(request);
        ASSERT_FALSE(fetched.error) << fetched.error->ToString();
        EXPECT_TRUE(fetched.reached);
        EXPECT_EQ(fetched.protocol, protocol);
        EXPECT_FALSE(fetched.cipher.empty());
        EXPECT_EQ(fetched.address, host == "[::1]" ? "::1" : host);
        EXPECT_THAT(fetched.chain, ElementsAre(key == PeerKey::kRsa ? Rsa().Der() : Ec().Der()));
        EXPECT_GT(fetched.bytes_read, fetched.chain[0].size());
        EXPECT_FALSE(fetched.client_certificate_wanted);
      }
      request.key = PeerKey::kAny;
      EXPECT_THAT(FetchTls(request).chain,
                  AnyOf(ElementsAre(Rsa().Der()), ElementsAre(Ec().Der())));
    }
  }
}

TEST_F(TlsFetch, AServerWithoutTheKindAskedForSaysSo) {
  TlsFetched fetched = Fetch("tls", PeerKey::kEcdsa, 20s, Rsa().Files());
  EXPECT_TRUE(fetched.reached);
  EXPECT_EQ(Word(fetched), "NO_SUCH_CERTIFICATE");
  EXPECT_THAT(fetched.error->detail, HasSubstr("no ECDSA certificate"));
  fetched = Fetch("tls", PeerKey::kRsa, 20s, Ec().Files());
  EXPECT_EQ(Word(fetched), "NO_SUCH_CERTIFICATE");
  EXPECT_THAT(Fetch("tls", PeerKey::kRsa, 20s, Rsa().Files()).chain, ElementsAre(Rsa().Der()));
}

TEST_F(TlsFetch, AnEcdsaCertificateFromAnRsaCaIsFetchedWithItsChain) {
  const Pair leaf =
      MakePair(folder_ / "leaf", kEcKey, {"-CA", Rsa().certificate, "-CAkey", Rsa().key});
  WriteWhole(folder_ / "chain.pem", ReadWhole(leaf.certificate) + ReadWhole(Rsa().certificate));
  // -strict: the server minds who signed its certificate, as some other libraries do.
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const Server server(
        {"openssl", "s_server", "-www", "-strict", version, "-accept", "127.0.0.1:0", "-cert",
         leaf.certificate, "-key", leaf.key, "-cert_chain", folder_ / "chain.pem"},
        "ACCEPT 127.0.0.1:([0-9]+)");
    TlsFetchRequest request = RequestTo("127.0.0.1", server.port());
    request.key = PeerKey::kEcdsa;
    const TlsFetched fetched = FetchTls(request);
    ASSERT_FALSE(fetched.error) << version << fetched.error->ToString();
    ASSERT_GE(fetched.chain.size(), 2u);
    EXPECT_EQ(fetched.chain.front(), leaf.Der());
    EXPECT_EQ(fetched.chain.back(), Rsa().Der());
  }
}

TEST_F(TlsFetch, AServerThatInsistsOnAClientCertificateHasShownItsOwn) {
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const Server server(
        {"openssl", "s_server", "-www", version, "-Verify", "1", "-verify_return_error", "-accept",
         "127.0.0.1:0", "-cert", Rsa().certificate, "-key", Rsa().key},
        "ACCEPT 127.0.0.1:([0-9]+)");
    const TlsFetched fetched = FetchTls(RequestTo("127.0.0.1", server.port()));
    ASSERT_FALSE(fetched.error) << version << fetched.error->ToString();
    EXPECT_TRUE(fetched.client_certificate_wanted);
    EXPECT_THAT(fetched.chain, ElementsAre(Rsa().Der()));
    EXPECT_THAT(fetched.protocol, HasSubstr("TLSv1."));
  }
}

TEST_F(TlsFetch, AWeakServerCanBeLookedAt) {
  const Pair weak = MakePair(folder_ / "weak", {"rsa:1024"}, {"-sha1"});
  const Server server({"openssl", "s_server", "-www", "-tls1_2", "-cipher",
                       "ECDHE-RSA-AES128-SHA:@SECLEVEL=0", "-sigalgs", "RSA+SHA1", "-accept",
                       "127.0.0.1:0", "-cert", weak.certificate, "-key", weak.key},
                      "ACCEPT 127.0.0.1:([0-9]+)");
  const TlsFetched fetched = FetchTls(RequestTo("127.0.0.1", server.port()));
  ASSERT_FALSE(fetched.error) << fetched.error->ToString();
  EXPECT_THAT(fetched.chain, ElementsAre(weak.Der()));
  EXPECT_EQ(fetched.cipher, "ECDHE-RSA-AES128-SHA");
}

TEST_F(TlsFetch, OnlyANameIsSentAsServerNameAndNothingFollowsTheHandshake) {
  const Peer peer("tls", Ec().Files());
  ASSERT_FALSE(FetchTls(RequestTo("localhost", peer.port())).error);
  EXPECT_EQ(peer.Await("sni (.*)\n"), "localhost");
  EXPECT_EQ(peer.Await("after (.*)\n"), "b''");  // a close_notify, else Python reports an error
  const Peer other("tls", Ec().Files());
  ASSERT_FALSE(FetchTls(RequestTo("127.0.0.1", other.port())).error);
  EXPECT_EQ(other.Await("sni (.*)\n"), "None");
}

TEST_F(TlsFetch, AClosedPortIsNotReached) {
  const TlsFetched fetched = FetchTls(RequestTo("127.0.0.1", FreePort()));
  EXPECT_FALSE(fetched.reached);
  EXPECT_EQ(Word(fetched), "CONNECTION_REFUSED");
  EXPECT_THAT(fetched.error->remedy, HasSubstr("port"));
  EXPECT_EQ(fetched.address, "");
}

TEST_F(TlsFetch, ASilentAddressTimesOutWithoutBeingReached) {
  // A listener whose queue is full does not answer new connections.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), 0);
  std::vector<int> queue;
  for (int i = 0; i < 4; ++i) {
    queue.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    static_cast<void>(::connect(queue.back(), reinterpret_cast<const sockaddr*>(&name), size));
  }
  TlsFetchRequest request = RequestTo("127.0.0.1", ntohs(name.sin_port));
  request.time_limit = 300ms;
  const SteadyTime begin = std::chrono::steady_clock::now();
  const TlsFetched fetched = FetchTls(request);
  EXPECT_FALSE(fetched.reached);
  EXPECT_EQ(Word(fetched), "CONNECT_TIMED_OUT");
  EXPECT_EQ(fetched.error->kind, Kind::kTimeout);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 290ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  for (const int fd : queue) ::close(fd);
  ::close(listener);
}

TEST_F(TlsFetch, ANameThatNobodyKnowsIsNotFound) {
  const TlsFetched fetched = FetchTls(RequestTo("nobody.invalid", 443));
  EXPECT_FALSE(fetched.reached);
  EXPECT_EQ(Word(fetched), "HOST_NOT_FOUND");
  EXPECT_THAT(fetched.error->remedy, HasSubstr("getent ahosts nobody.invalid"));
}

TEST_F(TlsFetch, ASilentNameServerDoesNotOutlastTheLimit) {
  TlsFetchRequest request = RequestTo("slow.test", 443);
  request.time_limit = 200ms;
  const SteadyTime begin = std::chrono::steady_clock::now();
  TlsFetched fetched = FetchTls(request);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms);
  EXPECT_FALSE(fetched.reached);
  EXPECT_EQ(Word(fetched), "HOST_NOT_FOUND");
  EXPECT_EQ(fetched.error->kind, Kind::kTimeout);
  // At most eight threads wait for the resolver; they end by themselves.
  request.time_limit = 1ms;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(Word(FetchTls(request)), "HOST_NOT_FOUND");
  EXPECT_EQ(Word(FetchTls(request)), "RESOLVER_BUSY");
  // Who has the time waits for its turn, and then for the name server.
  request.time_limit = 3500ms;
  const TlsFetched waited = FetchTls(request);
  EXPECT_EQ(Word(waited), "HOST_NOT_FOUND");
  EXPECT_EQ(waited.error->kind, Kind::kTimeout);
}

// ABUSE 102: checked after resolution.
TEST_F(TlsFetch, LoopbackIsRefusedByDefaultByAddressAndByName) {
  const Peer peer("tls", Ec().Files());
  for (const std::string host :
       {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]"}) {
    TlsFetchRequest request = RequestTo(host, peer.port());
    request.policy = AddressPolicy();
    const TlsFetched fetched = FetchTls(request);
    EXPECT_FALSE(fetched.reached) << host;
    EXPECT_EQ(Word(fetched), "ADDRESS_NOT_ALLOWED") << host;
    EXPECT_THAT(fetched.error->remedy, HasSubstr("[outgoing] allow")) << host;
    EXPECT_EQ(fetched.error->detail.starts_with("localhost is "), host == "localhost");
  }
  EXPECT_EQ(Word(FetchTls(RequestTo("metadata.test", 80))), "ADDRESS_NOT_ALLOWED");
}

TEST_F(TlsFetch, AMappedAddressGoesWhereItsIpv4AddressMay) {
  const Peer peer("tls", Ec().Files());
  const TlsFetched fetched = FetchTls(RequestTo("[::ffff:127.0.0.1]", peer.port()));
  ASSERT_FALSE(fetched.error) << fetched.error->ToString();
  EXPECT_THAT(fetched.chain, ElementsAre(Ec().Der()));
}

TEST_F(TlsFetch, AnOwnEndpointIsRefusedThoughLoopbackIsAllowed) {
  const Peer peer("tls", Ec().Files());
  TlsFetchRequest request = RequestTo("localhost", peer.port());
  request.policy.AddOwn({boost::asio::ip::make_address("0.0.0.0"), peer.port()});
  const TlsFetched fetched = FetchTls(request);
  EXPECT_FALSE(fetched.reached);
  EXPECT_EQ(Word(fetched), "ADDRESS_NOT_ALLOWED");
  EXPECT_THAT(fetched.error->detail, HasSubstr("the appliance itself listens there"));
}

TEST_F(TlsFetch, OfSeveralAddressesTheFirstThatIsAllowedAndAnswersIsTaken) {
  const Peer peer("tls", Ec().Files());  // on 127.0.0.1 alone
  const TlsFetched fetched = FetchTls(RequestTo("mixed.test", peer.port()));
  ASSERT_FALSE(fetched.error) << fetched.error->ToString();
  EXPECT_EQ(fetched.address, "127.0.0.1");
}

TEST_F(TlsFetch, APeerThatSpeaksSomethingElseHasNoTls) {
  for (const char* mode : {"http", "garbage", "banner", "close"}) {
    const TlsFetched fetched = Fetch(mode);
    EXPECT_TRUE(fetched.reached) << mode;
    EXPECT_EQ(fetched.address, "127.0.0.1") << mode;
    EXPECT_EQ(Word(fetched), "NO_TLS") << mode;
    EXPECT_THAT(fetched.error->remedy, HasSubstr("--starttls")) << mode;
  }
}

TEST_F(TlsFetch, AFailedHandshakeHasItsReason) {
  TlsFetched fetched = Fetch("alert");
  EXPECT_TRUE(fetched.reached);
  EXPECT_EQ(Word(fetched), "HANDSHAKE_FAILED");
  EXPECT_THAT(fetched.error->detail, HasSubstr("alert handshake failure"));
  EXPECT_EQ(fetched.error->origin.domain, "OpenSSL");
  EXPECT_EQ(Word(Fetch("tls-garbage")), "HANDSHAKE_FAILED");
}

// ABUSE 104.
TEST_F(TlsFetch, APeerThatNeverAnswersOrDripsTimesOut) {
  for (const char* mode : {"silent", "drip-slow"}) {
    const SteadyTime begin = std::chrono::steady_clock::now();
    const TlsFetched fetched = Fetch(mode, PeerKey::kAny, 500ms, Ec().Files());
    EXPECT_TRUE(fetched.reached) << mode;
    EXPECT_EQ(Word(fetched), "HANDSHAKE_TIMED_OUT") << mode;
    EXPECT_EQ(fetched.error->kind, Kind::kTimeout) << mode;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s) << mode;  // with the peer's start
  }
}

TEST_F(TlsFetch, OneOctetAtATimeIsFineWithinTheLimit) {
  const TlsFetched fetched = Fetch("drip", PeerKey::kAny, 20s, Ec().Files());
  ASSERT_FALSE(fetched.error) << fetched.error->ToString();
  EXPECT_THAT(fetched.chain, ElementsAre(Ec().Der()));
}

// ABUSE 104.
TEST_F(TlsFetch, APeerWithoutEndIsCutOff) {
  for (const char* mode : {"endless-certificate", "endless-messages", "endless-list"}) {
    const TlsFetched fetched = Fetch(mode);
    EXPECT_TRUE(fetched.reached) << mode;
    EXPECT_EQ(Word(fetched), "PEER_TOO_LARGE") << mode << fetched.error->ToString();
    EXPECT_LE(fetched.bytes_read, 256u * 1024) << mode;
  }
}

// ABUSE 104.
TEST_F(TlsFetch, AChainHas32CertificatesAtMost) {
  const std::string one = ReadWhole(Ec().certificate);
  std::string chain;
  for (int i = 0; i < 32; ++i) chain += one;
  WriteWhole(folder_ / "chain.pem", chain);
  EXPECT_EQ(Fetch("tls", PeerKey::kAny, 20s, {folder_ / "chain.pem", Ec().key}).chain.size(), 32u);
  WriteWhole(folder_ / "chain.pem", chain + one);
  const TlsFetched fetched = Fetch("tls", PeerKey::kAny, 20s, {folder_ / "chain.pem", Ec().key});
  EXPECT_TRUE(fetched.reached);
  EXPECT_EQ(Word(fetched), "PEER_TOO_LARGE");
  for (int i = 0; i < 500; ++i) chain += one;
  WriteWhole(folder_ / "chain.pem", chain);
  EXPECT_EQ(Word(Fetch("tls", PeerKey::kAny, 20s, {folder_ / "chain.pem", Ec().key})),
            "PEER_TOO_LARGE");
}

}  // namespace
}  // namespace signet
