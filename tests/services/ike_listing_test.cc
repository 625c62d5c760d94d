#include "services/connections/ike_listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/command.h"

namespace signet::services {
namespace {

using signet::testing::ReadWhole;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Recording(const std::string& name) {
  const std::string text = ReadWhole(std::string(IKE_RECORDINGS) + "/" + name);
  EXPECT_NE("", text) << name;
  return text;
}

std::vector<IkeSa> Sas(const std::string& listing) {
  const auto read = ReadIkeSas(listing);
  EXPECT_TRUE(read) << read.error().ToString();
  return read ? read.value() : std::vector<IkeSa>{};
}

std::string Word(const std::string& listing) {
  const auto read = ReadIkeSas(listing);
  return read ? "" : read.error().word;
}

constexpr char kReply[] = "list-sas reply {\n}\n";

std::string Event(const std::string& fields, const std::string& name = "site") {
  return "list-sa event {\n  " + name + " {\n    uniqueid = 7\n    state = ESTABLISHED\n" +
         "    remote-host = 192.0.2.1\n" + fields + "  }\n}\n";
}

TEST(IkeListing, WhatStrongSwanWroteIsRead) {
  const auto sas = Sas(Recording("list-sas.txt"));
  ASSERT_EQ(3U, sas.size());
  EXPECT_EQ("3", sas[0].id);
  EXPECT_EQ("third", sas[0].connection);
  EXPECT_EQ("CONNECTING", sas[0].state);
  EXPECT_EQ("%any", sas[0].identity);
  EXPECT_FALSE(sas[0].IsUp());
  EXPECT_EQ("1", sas[2].id);
  EXPECT_EQ("site", sas[2].connection);
  EXPECT_EQ("ESTABLISHED", sas[2].state);
  EXPECT_EQ("10.99.0.2", sas[2].host);
  EXPECT_EQ("C=DE, O=??mlaut, CN=b} state=X, E=b@x.org", sas[2].identity);
  EXPECT_TRUE(sas[2].IsUp());
}

TEST(IkeListing, WithoutIkeSasItIsEmpty) { EXPECT_TRUE(Sas(Recording("list-none.txt")).empty()); }

TEST(IkeListing, MessagesOfLibrariesBeforeAndAfterAreNotOfIt) {
  EXPECT_EQ(1U, Sas("plugin 'agent': failed to load - agent_plugin_create returned NULL\n" +
                    Event("    remote-id = a\n") + kReply + "bye\n")
                    .size());
}

TEST(IkeListing, ChildrenAndListsAreNotTheIkeSasFields) {
  const auto sas = Sas(Event("    remote-id = a\n    local-vips = [\n      10.50.0.1\n    ]\n"
                             "    child-sas {\n      net-1 {\n        uniqueid = 9\n"
                             "        state = INSTALLED\n        local-ts = [\n"
                             "          10.1.0.0/16\n          10.3.0.0/16\n        ]\n      }\n"
                             "    }\n") +
                       kReply);
  ASSERT_EQ(1U, sas.size());
  EXPECT_EQ("7", sas[0].id);
  EXPECT_EQ("ESTABLISHED", sas[0].state);
}

TEST(IkeListing, APeersNameIsNothingButItsName) {
  for (const std::string name :
       {"", "[", "]", "{", "}", "a {", "a = b", "CN=x state = DEAD", "list-sas reply {", "  ",
        "C=DE, CN=a} site {uniqueid=1", "0x00ff", "\\x00", "%any", "uniqueid = 8"}) {
    const auto sas = Sas(Event("    remote-id = " + name + "\n    initiator = yes\n") + kReply);
    ASSERT_EQ(1U, sas.size()) << name;
    EXPECT_EQ(name, sas[0].identity);
    EXPECT_EQ("7", sas[0].id);
  }
}

TEST(IkeListing, AConnectionsNameIsMadeSafe) {
  const auto sas = Sas(Event("    remote-id = a\n", "\x1b[31mb\xc3\xa4h {") + kReply);
  ASSERT_EQ(1U, sas.size());
  EXPECT_EQ("\\x1b[31mb\xc3\xa4h {", sas[0].connection);
}

TEST(IkeListing, WhatIsNotAsItShouldBeIsRefused) {
  const std::string good = Event("    remote-id = a\n");
  ASSERT_EQ("", Word(good + kReply));
  const std::vector<std::string> odd = {
      "",
      "nothing of the kind\n",
      good,                          // no reply
      good + "list-sas reply {\n",   // cut off
      std::string(kReply) + good,    // the reply is the end
      std::string(kReply) + kReply,  // and there is one
      Event("") + kReply,            // no identity
      Event("    remote-id = a\n    remote-id = b\n") + kReply,
      Event("    remote-id = a\n    uniqueid = 8\n") + kReply,
      Event("    remote-id = a\x01\n") + kReply,
      Event("    remote-id = a\xc3\xa4\n") + kReply,
      Event(std::string("    remote-id = a\0b\n", 20)) + kReply,
      Event("    remote-id = " + std::string(5000, 'x') + "\n") + kReply,
      Event("  remote-id = a\n") + kReply,           // too far left
      Event("    remote-id = a\n    ]\n") + kReply,  // the end of no list
      Event("    remote-id = a\n    vips = [\n    x\n    ]\n") + kReply,
      Event("    remote-id = a\n    word\n") + kReply,
      Event("    remote-id = a\n\n") + kReply,
      Event("    remote-id = a\n  }\n") + kReply,  // ends what is not begun
  };
  for (const std::string& text : odd) EXPECT_EQ("IKE_LISTING_ODD", Word(text)) << text;
  std::string number = good + kReply;
  number.replace(number.find("= 7"), 3, "= x");
  EXPECT_EQ("IKE_LISTING_ODD", Word(number));
  number.replace(number.find("= x"), 3, "= 12345678901");
  EXPECT_EQ("IKE_LISTING_ODD", Word(number));
}

TEST(IkeListing, EveryCutAndEveryChangedOctetIsReadOrRefused) {
  const std::string whole = Recording("list-sas.txt");
  const std::size_t end = whole.size() - std::string(kReply).size();
  for (std::size_t size = 0; size < end; ++size)
    EXPECT_EQ("IKE_LISTING_ODD", Word(whole.substr(0, size))) << size;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char c : {'\n', '\0', ' ', '{', '}', '[', '=', '\xff'}) {
      std::string changed = whole;
      changed[i] = c;
      const auto read = ReadIkeSas(changed);
      if (!read) {
        EXPECT_EQ("IKE_LISTING_ODD", read.error().word);
      } else {
        EXPECT_LE(read.value().size(), 3U);
      }
    }
  }
}

TEST(IkeListing, NestingWithoutEndIsRefused) {
  std::string text = "list-sa event {\n";
  for (int depth = 1; depth < 10000; ++depth)
    text += std::string(static_cast<std::size_t>(std::min(depth, 100)) * 2, ' ') + "a {\n";
  EXPECT_EQ("IKE_LISTING_ODD", Word(text));
}

TEST(IkeListing, WhatPeopleReadOfItHasNoControlCharacters) {
  const auto read = ReadIkeSas("list-sa event {\n\x1b[2J\n");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().detail, HasSubstr("\\x1b[2J"));
  EXPECT_THAT(read.error().detail, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace signet::services
