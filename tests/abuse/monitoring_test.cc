// Bad requests about monitoring, revocation, connections and certificates of endpoints, on the
// local socket and over TLS.
#include "tests/abuse/abuse.h"

namespace signet::testing {
namespace {

struct Bad {
  std::string name, method;
  json::object params;
  std::string word;
  bool audited = true;  // the request became a change
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

std::string OtherCertificate() {
  return MustRun({"openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-keyout", "/dev/null", "-subj", "/CN=somebody"});
}

std::vector<Bad> Requests() {
  std::vector<Bad> all = {
      {"NothingToSet", "revocation.set", {}, "NOTHING_TO_SET"},
      {"CheckThatIsNoTruth", "revocation.set", {{"enabled", "yes"}}, "PARAMETER_INVALID"},
      {"MemberThatIsNone", "revocation.set", {{"responders", "x"}}, "PARAMETER_INVALID"},
      {"PlanOfAnotherState", "revocation.set", {{"enabled", true}, {"plan", "00"}}, "PLAN_STALE"},
      {"NothingForTheMonitor", "monitor.set", {}, "NOTHING_TO_SET"},
      {"NothingForConnections", "connection.set", {}, "NOTHING_TO_SET"},
      {"PreviewOfNoTime", "monitor.preview", {{"at", "soon"}}, "PARAMETER_INVALID", false},
      {"PreviewBehindTheLastYear",
       "monitor.preview",
       {{"at", "10000-01-01T00:00:00Z"}},
       "PARAMETER_INVALID",
       false},
      {"ClearWithoutReason", "revocation.clear", {{"id", "00"}, {"reason", " "}}, "REASON_MISSING"},
      {"ClearOfNobody", "revocation.clear", {{"id", "00"}, {"reason", "x"}}, "NOT_DISTRUSTED"},
      {"ClearOfAll", "revocation.clear", {{"id", ""}, {"reason", "x"}}, "NOT_DISTRUSTED"},
      {"ClearOfAPath", "revocation.clear", {{"id", "../x"}, {"reason", "x"}}, "NOT_DISTRUSTED"},
      {"RemovalOfNobody", "connection.remove", {{"id", "nobody"}}, "CONNECTION_UNKNOWN"},
      {"RemovalOfControls", "connection.remove", {{"id", "\x1b[2J\r\n"}}, "CONNECTION_UNKNOWN"},
      {"LscsThatAreNone", "lsc.register", {{"certificates", "none"}}, "PEM_MALFORMED"},
      {"LscsOfNothing", "lsc.register", {{"certificates", ""}}, "UPLOAD_EMPTY"},
      {"LscsBefore", "lsc.removeExpired", {{"before", "x"}}, "PARAMETER_INVALID"},
      {"LscsOfNoPage", "lsc.list", {{"limit", 0}}, "LIMIT_INVALID", false},
      {"LscsOfAHugePage", "lsc.list", {{"limit", 1001}}, "LIMIT_INVALID", false},
      {"LscsOfNoCursor",
       "lsc.list",
       {{"cursor", "'; DROP TABLE lsc; --"}},
       "CURSOR_INVALID",
       false},
  };
  const auto setting = [&](const char* method, const char* member, const json::value& value,
                           const char* word = "SETTING_INVALID") {
    all.push_back(
        {std::string(member) + std::to_string(all.size()), method, {{member, value}}, word});
  };
  for (const char* uri :
       {"ftp://ocsp.example.com/", "file:///etc/passwd", "http://", "ocsp.example.com",
        "http://user:secret@ocsp.example.com/", "http://a.example.com/\r\nHost: b.example.com",
        "http://a.example.com/ http://b.example.com/", "ldap://ca.example.com/cn=x"})
    setting("revocation.set", "responder", uri);
  setting("revocation.set", "responder",
          json::string("http://a.example.com/" + std::string(5000, 'a')));
  for (const char* every : {"0h", "-1h", "", "1", "h", "1 fortnight", "99999999999999999999h",
                            "1.5h", "0x10h", "1h; rm -rf /"}) {
    setting("revocation.set", "every", every);
    setting("monitor.set", "frequency", every);
    setting("connection.set", "frequency", every);
  }
  for (const char* policy : {"", "maybe", "HARD "})
    setting("revocation.set", "unknownTrust", policy);
  for (const std::int64_t days : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{3651}, INT64_MAX})
    setting("monitor.set", "startDays", days);
  for (const char* addresses : {"nobody", "a@example.com\r\nBcc: b@example.com",
                                "a@example.com,b@example.com", "<a@example.com>", "a@@example.com"})
    setting("monitor.set", "addresses", addresses, "MAIL_ADDRESS_INVALID");
  setting("monitor.set", "addresses", json::string(std::string(70'000, 'a') + "@example.com"),
          "MAIL_ADDRESS_INVALID");
  const std::string peer = OtherCertificate();
  const auto connection = [&](const char* name, json::object params, const char* word) {
    for (const auto& [member, value] : {std::pair{"kind", "cti"}, std::pair{"peer", "10.1.1.7"},
                                        std::pair{"certificates", peer.c_str()}})
      params.emplace(member, value);
    all.push_back({std::string("Connection") + name, "connection.register", params, word});
  };
  connection("OfNoKind", {{"kind", "fax"}}, "CONNECTION_KIND_UNKNOWN");
  connection("ToNobody", {{"peer", ""}}, "PEER_INVALID");
  connection("ToANovel", {{"peer", std::string(300, 'x')}}, "PEER_INVALID");
  connection("OfAPath", {{"id", "../../etc/passwd"}}, "CONNECTION_ID_INVALID");
  connection("OfControls", {{"id", "a\nb"}}, "CONNECTION_ID_INVALID");
  connection("OfALongId", {{"id", std::string(65, 'a')}}, "CONNECTION_ID_INVALID");
  connection("OfNoStore", {{"store", "no-trust"}}, "TRUST_STORE_UNKNOWN");
  connection("WithNothing", {{"certificates", ""}}, "UPLOAD_EMPTY");
  connection("WithGarbage", {{"certificates", "garbage"}}, "PEM_MALFORMED");
  connection("WithHalfABlock", {{"certificates", peer.substr(0, peer.size() / 2)}},
             "PEM_MALFORMED");
  connection("WithALongChain", {{"certificates", peer + std::string(65'000, '\n')}},
             "CHAIN_TOO_LARGE");
  json::string nine;
  for (int i = 0; i < 9; ++i) nine += peer;
  connection("WithNineCertificates", {{"certificates", nine}}, "TOO_MANY_CERTIFICATES");
  connection("WithAKey",
             {{"certificates", MustRun({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                                        "ec_paramgen_curve:P-256"})}},
             "PRIVATE_KEY_IN_PARAMETER");
  return all;
}

class BadRequest : public AbuseTest, public ::testing::WithParamInterface<Bad> {};

TEST_P(BadRequest, ChangesNothing) {
  const Bad& bad = GetParam();
  Refused(bad.word, bad.method, bad.params, bad.audited);
  EXPECT_EQ(administrator().Word(bad.method, bad.params), bad.word);
}
INSTANTIATE_TEST_SUITE_P(Abuse, BadRequest, ::testing::ValuesIn(Requests()),
                         [](const auto& bad) { return bad.param.name; });

// Words of a peer and of a client are words.
TEST_F(AbuseTest, APeersNameIsOneLine) {
  const json::object call{{"kind", "cti"},
                          {"peer", "10.1.1.7\r\n\x1b[2Jconnection 'x' closed"},
                          {"id", "odd-peer"},
                          {"certificates", OtherCertificate()}};
  EXPECT_EQ(administrator().Word("connection.register", call), "");
  const Outcome listed = appliance().Cli({"connection", "list"});
  EXPECT_EQ(listed.out.find('\x1b'), std::string::npos) << listed.out;
  EXPECT_EQ(listed.out.find('\r'), std::string::npos) << listed.out;
  EXPECT_EQ(administrator().Word("connection.remove", {{"id", "odd-peer"}}), "");
}

// Who may only read changes nothing of all this.
TEST_F(AbuseTest, AnAuditorIsOfferedNoChange) {
  for (const char* method :
       {"revocation.set", "revocation.check", "revocation.clear", "connection.register",
        "connection.remove", "connection.check", "connection.set", "lsc.register",
        "lsc.removeExpired", "monitor.set", "monitor.run", "monitor.testMail"})
    EXPECT_EQ(auditor().Word(method), "ACCESS_DENIED") << method;
  for (const char* method : {"revocation.show", "connection.list", "lsc.list", "monitor.show"})
    EXPECT_EQ(auditor().Word(method), "") << method;
}

}  // namespace
}  // namespace signet::testing
