#include "platform/outgoing_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/platform/tls_peer.h"

namespace signet {
namespace {

using namespace std::chrono_literals;
using namespace signet::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// web_peers.py in one of its modes.
class Web : public Server {
 public:
  explicit Web(const std::string& mode, const std::vector<std::string>& arguments = {})
      : Server(Words(mode, arguments), "port ([0-9]+)\n") {}
  std::string Url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port()) + path;
  }

 private:
  static std::vector<std::string> Words(const std::string& mode,
                                        const std::vector<std::string>& arguments) {
    std::vector<std::string> words{"/usr/bin/python3", "-B", WEB_PEERS, mode};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }
};

AddressPolicy LoopbackAllowed() {
  auto policy = AddressPolicy::Make({"127.0.0.1", "::1"}, {});
  if (!policy) std::abort();
  return std::move(policy).value();
}

// Limits are 20 s, so that a loaded machine changes nothing; a test about time has its own.
OutgoingRequest For(const std::string& url) {
  OutgoingRequest request;
  request.url = url;
  request.limit = 20s;
  request.policy = LoopbackAllowed();
  return request;
}

std::string Word(const Result<OutgoingResponse>& response) {
  if (response) return "status " + std::to_string(response.value().status);
  EXPECT_THAT(response.error().remedy, Not(IsEmpty())) << response.error().ToString();
  EXPECT_EQ(response.error().detail.find_first_of("\r\n\x1b"), std::string::npos);
  return response.error().word;
}

TEST(OutgoingHttp, GetsWithNothingMoreThanIsNeeded) {
  Web web("answer", {"HTTP/1.1 200 OK\nContent-Type: application/ocsp-response\n"
                     "Cache-Control: public, Max-Age=\"3600\", max-age=7200",
                     "abc"});
  ::setenv("http_proxy", "http://127.0.0.1:1/", 1);
  const auto response = FetchOutgoing(For(web.Url("/a//b%2Bc?d#e")));
  ::unsetenv("http_proxy");
  ASSERT_TRUE(response) << response.error().ToString();
  EXPECT_EQ(response.value().status, 200);
  EXPECT_EQ(response.value().content_type, "application/ocsp-response");
  EXPECT_EQ(response.value().body, "abc");
  EXPECT_EQ(response.value().max_age, 3600s);
  EXPECT_FALSE(response.value().retry_after);
  const std::string asked = web.Await("asked (.*)\n");
  EXPECT_THAT(asked, AllOf(HasSubstr("GET /a//b%2Bc?d HTTP/1.1\\r\\n"),
                           HasSubstr("Host: 127.0.0.1:" + std::to_string(web.port()) + "\\r\\n")));
  for (const std::string unwanted : {"Encoding", "Cookie", "Authorization", "Referer", "TE:"}) {
    EXPECT_THAT(asked, Not(HasSubstr(unwanted)));
  }
}

TEST(OutgoingHttp, PostsABodyWithAnyOctets) {
  Web web("answer", {"HTTP/1.1 200 OK"});
  OutgoingRequest request = For(web.Url());
  request.method = HttpMethod::kPost;
  request.content_type = "application/ocsp-request";
  request.accept = "application/ocsp-response";
  request.body = std::string("\0\r\n0\xff", 5);
  EXPECT_EQ(Word(FetchOutgoing(request)), "status 200");
  const std::string asked = web.Await("asked (.*)\n");
  EXPECT_THAT(asked, AllOf(HasSubstr("Content-Type: application/ocsp-request\\r\\n"),
                           HasSubstr("Accept: application/ocsp-response\\r\\n"),
                           HasSubstr("\\r\\n\\r\\n\\x00\\r\\n0\\xff"), Not(HasSubstr("Expect"))));
}

TEST(OutgoingHttp, AnyStatusIsAnAnswer) {
  for (const auto& [head, body, status] : std::vector<std::tuple<std::string, std::string, int>>{
           {"HTTP/1.1 500 Oops", "<html>sorry</html>", 500},
           {"HTTP/1.1 404 Not Found\nContent-Type: text/html\x1b[2J", "<html>", 404},
           {"HTTP/1.1 401 No\nWWW-Authenticate: Basic realm=x", "", 401},
           {"HTTP/1.0 200 OK\nContent-Type: text/html", "<html>log in here</html>", 200},
           {"HTTP/1.1 302 Found", "without a place", 302}}) {
    Web web("answer", {head, body});
    const auto response = FetchOutgoing(For(web.Url()));
    ASSERT_EQ(Word(response), "status " + std::to_string(status));
    EXPECT_EQ(response.value().body, body);
    EXPECT_EQ(response.value().content_type.find('\x1b'), std::string::npos);
  }
  Web empty("empty"), until_close("until-close");
  EXPECT_EQ(FetchOutgoing(For(empty.Url())).value().body, "");
  EXPECT_EQ(FetchOutgoing(For(until_close.Url())).value().body, "to the end");
}

TEST(OutgoingHttp, TellsHowLongAnAnswerHoldsAndWhenToComeBack) {
  using Wait = std::optional<std::chrono::seconds>;
  for (const auto& [lines, age, wait] : std::vector<std::tuple<std::string, Wait, Wait>>{
           {"Retry-After: 120", {}, 120s},
           {"Retry-After: 99999999999", {}, 6h},
           {"Retry-After: soon", {}, {}},
           {"Retry-After: -5", {}, {}},
           {"Cache-Control: no-store", 0s, {}},
           {"Cache-Control: max-age=60\nCache-Control: no-cache", 0s, {}},
           {"Cache-Control: max-age=60, s-maxage=5", 60s, {}},
           {"Cache-Control: max-age=99999999999999999999999", 24h * 3650, {}},
           {"Cache-Control: max-age=-1", {}, {}},
           {"Cache-Control: max-age=6x, max-age=, =5,,", {}, {}}}) {
    Web web("answer", {"HTTP/1.1 503 Later\n" + lines});
    const auto response = FetchOutgoing(For(web.Url()));
    ASSERT_EQ(Word(response), "status 503") << lines;
    EXPECT_EQ(response.value().max_age, age) << lines;
    EXPECT_EQ(response.value().retry_after, wait) << lines;
  }
}

TEST(OutgoingHttp, AddressesInsideAreRefusedInEveryForm) {
  const Listener nobody;
  const std::string port = ":" + std::to_string(nobody.port()) + "/";
  for (const std::string host : {"127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost", "0.0.0.0",
                                 "[::]", "[::7f00:1]", "[64:ff9b::7f00:1]"}) {
    OutgoingRequest request = For("http://" + host + port);
    request.policy = AddressPolicy();
    EXPECT_EQ(Word(FetchOutgoing(request)), "ADDRESS_NOT_ALLOWED") << host;
  }
  for (const std::string host :
       {"2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127%2e0%2e0%2e1"}) {
    EXPECT_EQ(Word(FetchOutgoing(For("http://" + host + port))), "URL_INVALID") << host;
  }
  OutgoingRequest own = For("http://127.0.0.1" + port);
  own.policy.AddOwn({boost::asio::ip::make_address("127.0.0.1"), nobody.port()});
  EXPECT_EQ(Word(FetchOutgoing(own)), "ADDRESS_NOT_ALLOWED");
  EXPECT_FALSE(nobody.Called(0ms));
}

TEST(OutgoingHttp, OddUrlsAreRefusedBeforeAnyConnection) {
  for (const std::string& url :
       {std::string("file:///etc/passwd"), std::string("gopher://127.0.0.1:1/_x"),
        std::string("ldap://127.0.0.1/cn=x?certificateRevocationList"),
        std::string("dict://127.0.0.1:1/"), std::string("ftp://127.0.0.1/"),
        std::string("javascript://127.0.0.1/%0aalert(1)")}) {
    const auto word = Word(FetchOutgoing(For(url)));
    EXPECT_TRUE(word == "URL_SCHEME_NOT_ALLOWED" || word == "URL_INVALID") << url << word;
    EXPECT_FALSE(CheckOutgoingUrl(url)) << url;
  }
  for (const std::string& url : {std::string(""),
                                 std::string("127.0.0.1"),
                                 std::string("//127.0.0.1/"),
                                 std::string("http://"),
                                 std::string("http://user@127.0.0.1/"),
                                 std::string("http://@127.0.0.1/"),
                                 std::string("http://u:p@127.0.0.1/"),
                                 std::string("http://example.com\\@127.0.0.1/"),
                                 std::string("http://127.0.0.1:0/"),
                                 std::string("http://127.0.0.1:99999/"),
                                 std::string("http://127.0.0.1:-1/"),
                                 std::string("http://[fe80::1%25lo]/"),
                                 std::string("http://127.0.0.1/\r\nX-Evil: 1"),
                                 std::string("http://127.0.0.1/a b"),
                                 std::string("http://127.0.0.1/\0x", 19),
                                 std::string("http://\x01/"),
                                 std::string("http://exa%00mple/"),
                                 std::string("http://①②⑦.0.0.1/"),
                                 std::string("http://a_b..c/"),
                                 "http://127.0.0.1/" + std::string(4096, 'x'),
                                 std::string(1 << 20, 'h')}) {
    EXPECT_EQ(Word(FetchOutgoing(For(url))), "URL_INVALID") << EscapeLine(url, 100);
    EXPECT_FALSE(CheckOutgoingUrl(url)) << EscapeLine(url, 100);
  }
  EXPECT_TRUE(CheckOutgoingUrl("HTTP://crl.Example.com/a%20b.crl"));
  EXPECT_EQ(OutgoingTarget("HTTP://crl.Example.com/a%20b.crl").value().ToString(),
            "crl.example.com:80");
  EXPECT_EQ(OutgoingTarget("https://[::1]:8443/x").value().ToString(), "[::1]:8443");
  EXPECT_EQ(OutgoingTarget("ldap://x/").error().word, "URL_SCHEME_NOT_ALLOWED");
  EXPECT_TRUE(CheckOutgoingUrl("https://bücher.example/ü"));
}

TEST(OutgoingHttp, RedirectsAreFollowedTwiceAndNoFurther) {
  for (const std::string status : {"301", "302", "307", "308"}) {
    Web web("to", {status + " /one", status + " two?x"});
    OutgoingRequest request = For(web.Url("/a/b"));
    request.method = HttpMethod::kPost;
    request.body = "question";
    const auto response = FetchOutgoing(request);
    ASSERT_EQ(Word(response), "status 200") << status;
    EXPECT_EQ(response.value().body, "here");
    EXPECT_THAT(web.Output(),
                AllOf(HasSubstr("POST /a/b "), HasSubstr("POST /one "), HasSubstr("POST /two?x ")));
  }
  Web after("to", {"303 /one"});
  OutgoingRequest request = For(after.Url());
  request.method = HttpMethod::kPost;
  request.body = "question";
  EXPECT_EQ(Word(FetchOutgoing(request)), "status 200");
  EXPECT_THAT(after.Output(), HasSubstr("GET /one "));
  Web endless("to", {"302 /1", "302 /2", "302 /3", "302 /4"});
  EXPECT_EQ(Word(FetchOutgoing(For(endless.Url()))), "HTTP_TOO_MANY_REDIRECTS");
  EXPECT_THAT(endless.Output(), Not(HasSubstr("GET /3")));
  Web once("to", {"302 /1"});
  OutgoingRequest none = For(once.Url());
  none.redirects = 0;
  EXPECT_EQ(Word(FetchOutgoing(none)), "HTTP_TOO_MANY_REDIRECTS");
}

TEST(OutgoingHttp, RedirectsInwardOrToOtherSchemesAreRefused) {
  const Listener inside;
  const std::string port = std::to_string(inside.port());
  for (const auto& [location, word] : std::vector<std::pair<std::string, std::string>>{
           {"http://169.254.169.254/latest/meta-data/", "ADDRESS_NOT_ALLOWED"},
           {"http://127.0.0.2:" + port + "/", "ADDRESS_NOT_ALLOWED"},
           {"//127.0.0.2:" + port + "/", "ADDRESS_NOT_ALLOWED"},
           {"http://[::ffff:127.0.0.2]:" + port + "/", "ADDRESS_NOT_ALLOWED"},
           {"http://2130706434:" + port + "/", "URL_INVALID"},
           {"//2130706434:" + port + "/", "URL_INVALID"},
           {"http://user:pass@127.0.0.1:" + port + "/", "URL_INVALID"},
           {"file:///etc/passwd", "URL_SCHEME_NOT_ALLOWED"},
           {"gopher://127.0.0.1:" + port + "/_x", "URL_SCHEME_NOT_ALLOWED"},
           {"http://\x1b[2J/", "URL_INVALID"}}) {
    Web web("to", {"302 " + location});
    const auto response = FetchOutgoing(For(web.Url()));
    ASSERT_EQ(Word(response), word) << location;
    EXPECT_THAT(response.error().detail, HasSubstr(" leads elsewhere: "));
  }
  EXPECT_FALSE(inside.Called(0ms));
  Web huge("redirect-huge");
  OutgoingRequest little = For(huge.Url());
  little.most = 10;
  EXPECT_EQ(Word(FetchOutgoing(little)), "ADDRESS_NOT_ALLOWED");
}

TEST(OutgoingHttp, CookiesAreNotKept) {
  Web web("cookie");
  EXPECT_EQ(Word(FetchOutgoing(For(web.Url()))), "HTTP_TOO_MANY_REDIRECTS");
  EXPECT_THAT(web.Output(), AllOf(HasSubstr("GET /again"), Not(HasSubstr("Cookie"))));
}

TEST(OutgoingHttp, BadServersAreTypedErrors) {
  for (const auto& [mode, word] :
       std::vector<std::pair<std::string, std::string>>{{"close", "HTTP_FAILED"},
                                                        {"early", "HTTP_FAILED"},
                                                        {"no-http", "HTTP_FAILED"},
                                                        {"http09", "HTTP_FAILED"},
                                                        {"huge", "HTTP_TOO_LARGE"},
                                                        {"chunks", "HTTP_TOO_LARGE"},
                                                        {"endless-headers", "HTTP_TOO_LARGE"},
                                                        {"endless-interim", "HTTP_TOO_LARGE"},
                                                        {"lying", "HTTP_FAILED"},
                                                        {"bomb", "HTTP_ENCODED"},
                                                        {"bomb-transfer", "HTTP_ENCODED"},
                                                        {"bomb-both", "HTTP_ENCODED"}}) {
    Web web(mode);
    const auto response = FetchOutgoing(For(web.Url()));
    EXPECT_EQ(Word(response), word)
        << mode << ": " << (response ? "" : response.error().ToString());
  }
  EXPECT_EQ(Word(FetchOutgoing(For("http://127.0.0.1:" + std::to_string(FreePort()) + "/"))),
            "CONNECTION_REFUSED");
  EXPECT_EQ(Word(FetchOutgoing(For("http://no-such-host.invalid/"))), "HOST_NOT_FOUND");
}

TEST(OutgoingHttp, AMoreGenerousLimitTakesMore) {
  Web web("huge");
  OutgoingRequest request = For(web.Url());
  request.most = 70000;
  EXPECT_EQ(FetchOutgoing(request).value().body.size(), 70000u);
}

TEST(OutgoingHttp, SlowServersAreLeftAtTheLimit) {
  for (const std::string mode : {"silent", "drip", "drip-body"}) {
    Web web(mode);
    OutgoingRequest request = For(web.Url());
    request.limit = 1500ms;
    const auto start = std::chrono::steady_clock::now();
    const auto response = FetchOutgoing(request);
    EXPECT_EQ(Word(response), "HTTP_TIMED_OUT") << mode;
    EXPECT_LT(std::chrono::steady_clock::now() - start, 4s) << mode;
  }
}

TEST(OutgoingHttp, AnAnswerThatOnlyDripsIsNotWaitedForToTheEnd) {
  Web web("drip-body");
  OutgoingRequest request = For(web.Url());
  request.limit = 60s;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Word(FetchOutgoing(request)), "HTTP_TIMED_OUT");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 40s);
}

TEST(OutgoingHttp, HttpsIsVerifiedAndNotLeftForHttp) {
  const ScratchFolder folder;
  const Pair pair = MakePair(folder / "web", kEcKey, {"-addext", "subjectAltName=IP:127.0.0.1"});
  Web web("https", pair.Files());
  OutgoingRequest request = For("https://127.0.0.1:" + std::to_string(web.port()) + "/");
  EXPECT_EQ(Word(FetchOutgoing(request)), "HTTP_TLS_FAILED");
  request.trust_pem = ReadWhole(MakePair(folder / "other", kEcKey).certificate);
  EXPECT_EQ(Word(FetchOutgoing(request)), "HTTP_TLS_FAILED");
  request.trust_pem = ReadWhole(pair.certificate);
  EXPECT_EQ(Word(FetchOutgoing(request)), "status 200");
  request.url = "https://localhost:" + std::to_string(web.port()) + "/";
  EXPECT_EQ(Word(FetchOutgoing(request)), "HTTP_TLS_FAILED");
  const Peer plain("http");
  request.url = "https://127.0.0.1:" + std::to_string(plain.port()) + "/";
  EXPECT_EQ(Word(FetchOutgoing(request)), "HTTP_TLS_FAILED");
  Web leaving("https", {pair.certificate, pair.key, "302 http://127.0.0.1:1/"});
  request.url = "https://127.0.0.1:" + std::to_string(leaving.port()) + "/";
  EXPECT_EQ(Word(FetchOutgoing(request)), "HTTP_DOWNGRADED");
}

TEST(OutgoingHttp, LanesDoNotDisturbEachOther) {
  Web good("to"), bad("early");
  std::vector<std::thread> lanes;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) {
    lanes.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        const auto response = FetchOutgoing(For((i % 2 == 0 ? good : bad).Url()));
        right += i % 2 == 0 ? response && response.value().body == "here"
                            : !response && response.error().word == "HTTP_FAILED";
      }
    });
  }
  for (std::thread& lane : lanes) lane.join();
  EXPECT_EQ(right, 80);
}

}  // namespace
}  // namespace signet
