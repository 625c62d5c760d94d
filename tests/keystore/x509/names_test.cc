#include "keystore/x509/names.h"

#include <gtest/gtest.h>

namespace signet::keystore::x509 {
namespace {

using namespace std::string_literals;

std::string Parsed(const std::string& text) {
  auto name = ParseGeneralName(text);
  return name ? ToString(name.value()) : name.error().word;
}
constexpr char kInvalid[] = "NAME_INVALID";

TEST(ParseGeneralName, TakesHostsAddressesMailAndUris) {
  EXPECT_EQ(Parsed("DNS:Host.Example.COM"), "DNS:host.example.com");
  EXPECT_EQ(Parsed("DNS:*.example.com"), "DNS:*.example.com");
  EXPECT_EQ(Parsed("DNS:localhost"), "DNS:localhost");
  EXPECT_EQ(Parsed("IP:192.0.2.1"), "IP:192.0.2.1");
  EXPECT_EQ(Parsed("IP:2001:DB8:0:0::1"), "IP:2001:db8::1");
  EXPECT_EQ(Parsed("email:admin@example.com"), "email:admin@example.com");
  EXPECT_EQ(Parsed("URI:sip:host.example.com:5061"), "URI:sip:host.example.com:5061");
  EXPECT_EQ(Parsed("URI:xmpp:a@example.com/r"), "URI:xmpp:a@example.com/r");
  EXPECT_EQ(Parsed("URI:https://[2001:db8::1]:8443/x?y"), "URI:https://[2001:db8::1]:8443/x?y");
}

// ABUSE 59.
TEST(ParseGeneralName, Abuse59RefusesTheTextsOfOpenSslsConfiguration) {
  for (const char* text :
       {"DNS:a,IP:127.0.0.1", "DNS:a.example.com,DNS:b.example.com", "email:copy",
        "dirName:section", "otherName:1.2.3;UTF8:x", "DNS:a\nDNS:b", "RID:1.2.3", "a.example.com",
        "", "DNS:", "dns:a", "DNS:a;b", "DNS:a b", "IP:", "@sect"}) {
    EXPECT_EQ(Parsed(text), kInvalid) << text;
  }
}

// ABUSE 60.
TEST(ParseGeneralName, Abuse60RefusesWhatIsNoHostName) {
  for (const std::string& text : {"DNS:bank.com\0.evil"s,
                                  "DNS:host.example.com."s,
                                  "DNS:a..b"s,
                                  "DNS:.a"s,
                                  "DNS:a.*.example.com"s,
                                  "DNS:w*.example.com"s,
                                  "DNS:*.com"s,
                                  "DNS:*"s,
                                  "DNS:*.*.example.com"s,
                                  "DNS:under_score.com"s,
                                  "DNS:-a.com"s,
                                  "DNS:a-.com"s,
                                  "DNS:ab--cd.com"s,
                                  "DNS:xn--.com"s,
                                  "DNS:xn--a-.com"s,
                                  "DNS:xn--abc.com"s,
                                  "DNS:"s + std::string(64, 'a') + ".com",
                                  "DNS:a\xff.com"s,
                                  "DNS:a\u202e.com"s,
                                  "DNS:\u2603.com"s + std::string(300, 'a')}) {
    EXPECT_EQ(Parsed(text), kInvalid) << text;
  }
}

TEST(ParseGeneralName, Abuse60WritesOtherScriptsAsALabels) {
  EXPECT_EQ(Parsed("DNS:bücher.example.com"), "DNS:xn--bcher-kva.example.com");
  EXPECT_EQ(Parsed("DNS:BÜCHER.example.com"), "DNS:xn--bcher-kva.example.com");
  EXPECT_EQ(Parsed("DNS:xn--bcher-kva.example.com"), "DNS:xn--bcher-kva.example.com");
  EXPECT_EQ(Parsed("DNS:faß.example"), "DNS:xn--fa-hia.example");
  // A Cyrillic letter among Latin ones never looks like the Latin name.
  EXPECT_EQ(Parsed("DNS:p\u0430ypal.com").substr(0, 8), "DNS:xn--");
}

// ABUSE 61.
TEST(ParseGeneralName, Abuse61RefusesAddressesThatCanBeReadTwoWays) {
  for (const char* text :
       {"DNS:192.0.2.1", "DNS:1.2.3", "IP:010.0.0.1", "IP:1.2.3", "IP:fe80::1%eth0",
        "IP:10.0.0.0/8", "IP:0x7f.1", "IP:1.2.3.4 ", "IP:::g", "IP:[::1]"}) {
    EXPECT_EQ(Parsed(text), kInvalid) << text;
  }
  EXPECT_EQ(Parsed("IP:0:0:0:0:0:0:0:1"), "IP:::1");
}

// ABUSE 62.
TEST(ParseGeneralName, Abuse62RefusesOddMailAndUris) {
  for (const char* text : {"email:a@b@example.com",
                           "email:@example.com",
                           "email:a@",
                           "email:a",
                           "email:a b@example.com",
                           "email:a..b@example.com",
                           "email:\"a\"@example.com",
                           "email:a@exa_mple.com",
                           "URI:file:///etc/passwd",
                           "URI:javascript:alert(1)",
                           "URI:http://",
                           "URI:https:host",
                           "URI:ftp://host/",
                           "URI:sip:",
                           "URI:https://user:pw@host/",
                           "URI:http://host:port/",
                           "URI:http://host name/",
                           "URI:http://[::1/",
                           "URI:http://010.0.0.1/",
                           "URI:host"}) {
    EXPECT_EQ(Parsed(text), kInvalid) << text;
  }
}

TEST(ParseHostName, TakesNoWildcard) {
  EXPECT_EQ(ParseHostName("Node1.Example.COM").value(), "node1.example.com");
  EXPECT_FALSE(ParseHostName("*.example.com"));
}

// ABUSE 58.
TEST(CheckSubject, Abuse58RefusesControlCharactersOnly) {
  Subject subject;
  subject.common_name = "O'Neil, \"Bob\" /CN=admin + x";
  EXPECT_TRUE(CheckSubject(subject));
  for (const std::string& bad : {"a\nb"s, "a\0b"s, "a\x7f"s, "a\xff"s, "\u202egpj"s}) {
    subject.common_name = bad;
    EXPECT_EQ(CheckSubject(subject).error().word, "SUBJECT_INVALID");
  }
}

TEST(CheckSubject, Abuse62RefusesCountriesAndLengths) {
  for (const char* country : {"XYZ", "x1", "de", "D"}) {
    Subject subject;
    subject.country = country;
    EXPECT_EQ(CheckSubject(subject).error().word, "SUBJECT_INVALID") << country;
  }
  Subject subject;
  subject.country = "KR";
  std::string name;
  for (int i = 0; i < 64; ++i) name += "한";  // 64 characters, 192 octets
  subject.organization = name;
  EXPECT_TRUE(CheckSubject(subject));
  subject.organization += "한";
  EXPECT_FALSE(CheckSubject(subject));
}

}  // namespace
}  // namespace signet::keystore::x509
