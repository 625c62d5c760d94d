#include "platform/mail_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/mail_headers.h"
#include "tests/support/command.h"

namespace signet {
namespace {

using namespace signet::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(MailAddress, TakesMailboxesAsAdministratorsTypeThem) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"pki@example.com", "pki@example.com"},
      {"  pki@Example.COM \n", "pki@example.com"},
      {"First.Last+alarm@mail.example", "First.Last+alarm@mail.example"},
      {"o'neill@example.com", "o'neill@example.com"},
      {"root@localhost", "root@localhost"},
      {"a@bücher.example", "a@xn--bcher-kva.example"},
      {"a@faß.example", "a@xn--fa-hia.example"},
      {"a@example.com.", "a@example.com"},
      {"a@[192.0.2.1]", "a@[192.0.2.1]"},
      {"a@[IPv6:2001:DB8:0::1]", "a@[IPv6:2001:db8::1]"},
      {std::string(64, 'x') + "@example.com", std::string(64, 'x') + "@example.com"},
  };
  for (const auto& [typed, wanted] : cases) {
    const auto address = ParseMailAddress(typed);
    ASSERT_TRUE(address) << typed << ": " << address.error().ToString();
    EXPECT_EQ(address.value(), wanted);
  }
}

TEST(MailAddress, WhatIsNoMailboxIsRefused) {
  const std::string long_domain = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                                  std::string(63, 'c') + "." + std::string(50, 'd');
  for (const std::string& typed : {
           std::string(""),
           std::string("   "),
           std::string("pki"),
           std::string("@example.com"),
           std::string("pki@"),
           std::string("pki@@example.com"),
           std::string("a@b@example.com"),
           std::string("Alice <alice@example.com>"),
           std::string("<alice@example.com>"),
           std::string("@relay,@other:alice@example.com"),
           std::string("@relay:alice@example.com"),
           std::string("alice@example.com\r\nBcc: all@example.com"),
           std::string("alice\n@example.com"),
           std::string("alice\x01@example.com"),
           std::string("alice\0@example.com", 18),
           std::string("alice\x7f@example.com"),
           std::string("alice@example.com>\r\nDATA"),
           std::string("al ice@example.com"),
           std::string("\"al ice\"@example.com"),
           std::string("alice(work)@example.com"),
           std::string("alice@example.com, bob@example.com"),
           std::string(".alice@example.com"),
           std::string("alice.@example.com"),
           std::string("al..ice@example.com"),
           std::string("älice@example.com"),
           std::string("alice@192.0.2.1"),
           std::string("alice@[192.0.2.256]"),
           std::string("alice@[2001:db8::1]"),
           std::string("alice@[IPv6:192.0.2.1]"),
           std::string("alice@[IPv6:fe80::1%eth0]"),
           std::string("alice@[]"),
           std::string("alice@example.com:25"),
           std::string("alice@-example.com"),
           std::string("alice@exa mple.com"),
           std::string("alice@example..com"),
           std::string("alice@2130706433"),
           std::string("alice@\xff\xfe.example"),
           std::string("alice@example.com/x"),
           std::string(65, 'x') + "@example.com",
           "pki-of-everything@" + long_domain,
           std::string(1 << 20, 'x') + "@example.com",
       }) {
    const auto address = ParseMailAddress(typed);
    ASSERT_FALSE(address) << typed.substr(0, 200) << " became " << address.value();
    EXPECT_EQ(address.error().word, "MAIL_ADDRESS_INVALID") << typed.substr(0, 200);
    EXPECT_THAT(address.error().remedy, Not(IsEmpty()));
    EXPECT_LT(address.error().detail.size(), 800u);
    EXPECT_EQ(address.error().detail.find_first_of(std::string("\r\n\x01\x7f\0", 5)),
              std::string::npos);
  }
}

TEST(MailAddress, SeveralAreSplitBySemicolons) {
  EXPECT_THAT(ParseMailAddresses("").value(), IsEmpty());
  EXPECT_THAT(ParseMailAddresses(" a@x.example ;; b@x.example;\n a@X.example; ").value(),
              ElementsAre("a@x.example", "b@x.example"));
  for (const std::string typed : {";", "  ", " ; ; ", "a@x.example, b@x.example",
                                  "a@x.example b@x.example", "a@x.example;b"}) {
    const auto addresses = ParseMailAddresses(typed);
    ASSERT_FALSE(addresses) << typed;
    EXPECT_EQ(addresses.error().word, "MAIL_ADDRESS_INVALID") << typed;
  }
}

TEST(MailAddress, FiftyAreEnough) {
  std::string typed;
  for (int i = 0; i < 50; ++i) typed += std::to_string(i) + "@x.example;";
  EXPECT_EQ(ParseMailAddresses(typed + "0@x.example").value().size(), 50u);
  const auto more = ParseMailAddresses(typed + "51@x.example");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().word, "TOO_MANY_MAIL_ADDRESSES");
}

TEST(MailHeaders, ShortAsciiStaysReadable) {
  EXPECT_EQ(MailHeaderText("3 certificates expire"), "3 certificates expire");
  EXPECT_EQ(MailHeaderText(""), "");
}

// Python's email module is the judge.
std::string Decoded(const std::string& value) {
  return MustRun(
      {"/usr/bin/python3", "-c",
       "import sys, email, email.policy\n"
       "m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.SMTP)\n"
       "assert len(m.items()) == 1 and not m['Subject'].defects, m.items()\n"
       "sys.stdout.buffer.write(str(m['Subject']).encode())"},
      {.input = "Subject: " + value + "\r\n\r\n"});
}

TEST(MailHeaders, EverythingElseBecomesEncodedWordsOfShortLines) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"läuft ab: é", "läuft ab: é"},
      {"not =?utf-8?Q?encoded?= by us", "not =?utf-8?Q?encoded?= by us"},
      {" ends with a blank ", " ends with a blank "},
      {"x\r\nBcc: all@example", "x\\x0d\\x0aBcc: all@example"},
      {"tab\there \x1b[2J", "tab\\x09here \\x1b[2J"},
      {std::string("nul\0!", 5), "nul\\x00!"},
      {"\xff\xfe latin \xe9", "\\xff\\xfe latin \\xe9"},
      {"{{secret}} {{{more}}}", "{{secret}} {{{more}}}"},
      {std::string(200, 'a'), std::string(200, 'a')},
      {std::string(1 << 20, 'a'), std::string(240, 'a') + "…"},
  };
  for (const auto& [text, wanted] : cases) {
    const std::string value = MailHeaderText(text);
    EXPECT_EQ(Decoded(value), wanted);
    std::size_t begin = 0;
    for (std::size_t end = 0; end != std::string::npos; begin = end + 2) {
      end = value.find("\r\n", begin);
      EXPECT_LE(std::min(end, value.size()) - begin, 66u) << value;
      EXPECT_TRUE(end == std::string::npos || value[end + 2] == ' ');
    }
  }
  // Words of whole code points: each can be read alone (RFC 2047 section 5).
  const std::string value = MailHeaderText("a€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞");
  EXPECT_THAT(value, HasSubstr("\r\n =?utf-8?B?"));
  std::string joined;
  for (std::size_t begin = 0; begin != std::string::npos;) {
    const std::size_t end = value.find("\r\n ", begin);
    joined += Decoded(value.substr(begin, end - begin));
    begin = end == std::string::npos ? end : end + 3;
  }
  EXPECT_EQ(joined, "a€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞");
}

TEST(MailHeaders, DatesAreThoseOfTheStandard) {
  EXPECT_EQ(MailDate(ParseTime("1997-11-21T09:55:06Z").value()), "Fri, 21 Nov 1997 09:55:06 +0000");
  EXPECT_EQ(MailDate(ParseTime("2024-02-29T23:59:59Z").value()), "Thu, 29 Feb 2024 23:59:59 +0000");
  EXPECT_EQ(MailDate(ParseTime("2038-01-19T03:14:08Z").value()), "Tue, 19 Jan 2038 03:14:08 +0000");
  EXPECT_EQ(MailDate(ParseTime("9999-12-31T00:00:00Z").value()), "Fri, 31 Dec 9999 00:00:00 +0000");
}

}  // namespace
}  // namespace signet
