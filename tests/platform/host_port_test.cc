#include "platform/host_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace signet {
namespace {

using ::testing::HasSubstr;

std::string Parsed(std::string_view text) {
  const auto parsed = ParseHostPort(text, 8443);
  if (!parsed) return parsed.error().word;
  return (parsed.value().address ? "address " : "name ") + parsed.value().ToString();
}

TEST(ParseHostPort, NamesAndAddressesHaveTheDefaultPortOrTheirOwn) {
  EXPECT_EQ(Parsed("cup1.example.com"), "name cup1.example.com:8443");
  EXPECT_EQ(Parsed("CUP1.Example.com.:5061"), "name cup1.example.com:5061");
  EXPECT_EQ(Parsed("host_1"), "name host_1:8443");
  EXPECT_EQ(Parsed("192.0.2.7:65535"), "address 192.0.2.7:65535");
  EXPECT_EQ(Parsed("[2001:DB8:0::1]"), "address [2001:db8::1]:8443");
  EXPECT_EQ(Parsed("[::ffff:127.0.0.1]:1"), "address [::ffff:127.0.0.1]:1");
  EXPECT_EQ(Parsed("1.example"), "name 1.example:8443");
  EXPECT_EQ(Parsed("0x7f.example"), "name 0x7f.example:8443");
}

TEST(ParseHostPort, InternationalNamesBecomeALabels) {
  EXPECT_EQ(Parsed("b\xC3\xBC"
                   "cher.example:1"),
            "name xn--bcher-kva.example:1");
  EXPECT_EQ(Parsed("\xC3\xBC\xFF.example"), "HOST_INVALID");
  EXPECT_EQ(Parsed("a\xE2\x80\xAE.example"), "HOST_INVALID");  // right-to-left override
}

// ABUSE 102.
TEST(ParseHostPort, Ipv4InOtherFormsIsRefused) {
  for (const char* text : {"2130706433", "0x7f.1", "0x7f000001", "010.0.0.1", "127.1", "127.0.0.1.",
                           "127.0.0", "0177.0.0.1", "127.0.0.0x1", "256.0.0.1", "1.2.3.4.5", "0x",
                           "127.0.0.01", "\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.0.0.1",
                           "127\xE3\x80\x82"
                           "0.0.1"}) {
    const auto parsed = ParseHostPort(text, 443);
    ASSERT_FALSE(parsed) << text << " is " << parsed.value().ToString();
    EXPECT_EQ(parsed.error().word, "HOST_INVALID") << text;
    EXPECT_FALSE(parsed.error().remedy.empty()) << text;
  }
}

TEST(ParseHostPort, WhatIsNoHostIsRefused) {
  for (const std::string& text : std::vector<std::string>{"",
                                                          ":443",
                                                          ".",
                                                          "..",
                                                          "a..b",
                                                          "-a",
                                                          "a-.b",
                                                          "http://a",
                                                          "file:///etc/passwd",
                                                          "gopher://a:70/_x",
                                                          "a/b",
                                                          "user@a",
                                                          "user:pw@a:1",
                                                          "a?b",
                                                          "a#b",
                                                          "a b",
                                                          "a\n",
                                                          " a",
                                                          "a\\b",
                                                          "2001:db8::1",
                                                          "::1",
                                                          "[::1",
                                                          "[]",
                                                          "[::1]x",
                                                          "[127.0.0.1]",
                                                          "[a]",
                                                          "[fe80::1%eth0]",
                                                          "a%00b",
                                                          std::string("a\0b", 3),
                                                          "a,b",
                                                          "a'b",
                                                          "a<b",
                                                          "a&b",
                                                          "*.a",
                                                          std::string(64, 'a'),
                                                          std::string(254, 'a'),
                                                          std::string(2000, 'a')}) {
    const auto parsed = ParseHostPort(text, 443);
    ASSERT_FALSE(parsed) << text << " is " << parsed.value().ToString();
    EXPECT_EQ(parsed.error().word, "HOST_INVALID") << text;
    EXPECT_EQ(parsed.error().kind, Kind::kUsage) << text;
    EXPECT_FALSE(parsed.error().remedy.empty()) << text;
  }
  EXPECT_THAT(ParseHostPort("2001:db8::1", 1).error().remedy, HasSubstr("brackets"));
}

TEST(ParseHostPort, WhatIsNoPortIsRefused) {
  for (const char* text : {"a:", "a:0", "a:65536", "a:-1", "a:+1", "a:0443", "a:0x1", "a:4 4",
                           "a:https", "[::1]:", "[::1]:99999", "a:443x"}) {
    const auto parsed = ParseHostPort(text, 443);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().word == "PORT_INVALID" || std::string(text) == "a:4 4") << text;
    EXPECT_FALSE(parsed.error().remedy.empty()) << text;
  }
}

}  // namespace
}  // namespace signet
