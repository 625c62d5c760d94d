#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "platform/mail_sender.h"
#include "tests/platform/mail_peer.h"

namespace signet {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using namespace signet::testing;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using MailSenderFaults = MailSender;

TEST_F(MailSenderFaults, EachRecipientHasItsOwnAnswer) {
  const MailPeer peer("plain");
  Mail mail = Digest();
  mail.to = {"550@example.com", "pki@example.com", "450@example.com"};
  const auto sent = SendMail(At("127.0.0.1", peer.port(), MailSecurity::kNone), mail);
  ASSERT_TRUE(sent) << sent.error().ToString();
  const std::vector<MailOutcome>& outcomes = sent.value();
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_FALSE(outcomes[0].accepted);
  EXPECT_FALSE(outcomes[0].retry);
  EXPECT_EQ(outcomes[0].answer, "550 that is what was asked for\\x1b[2J");
  EXPECT_TRUE(outcomes[1].accepted);
  EXPECT_FALSE(outcomes[2].accepted);
  EXPECT_TRUE(outcomes[2].retry);
  EXPECT_THAT(outcomes[2].answer, StartsWith("450 "));
  EXPECT_EQ(json::serialize(peer.Taken().at("to")), R"(["pki@example.com"])");
}

TEST_F(MailSenderFaults, WhereAllRecipientsAreRefusedEachSaysWhy) {
  const MailPeer peer("plain");
  Mail mail = Digest();
  mail.to = {"450@example.com", "550@example.com"};
  const auto sent = SendMail(At("127.0.0.1", peer.port(), MailSecurity::kNone), mail);
  ASSERT_TRUE(sent) << sent.error().ToString();
  EXPECT_TRUE(sent.value()[0].retry);
  EXPECT_FALSE(sent.value()[0].accepted || sent.value()[1].accepted || sent.value()[1].retry);
  EXPECT_THAT(sent.value()[1].answer, StartsWith("550 "));
  EXPECT_TRUE(peer.TookNothing());
}

TEST_F(MailSenderFaults, RefusalsForNowAndForGoodAreToldApart) {
  for (const auto& [sender, word, command] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"451@example.com", "MAIL_DEFERRED", "MAIL"},
           {"550@example.com", "MAIL_REFUSED", "MAIL"},
           {"data-452@example.com", "MAIL_DEFERRED", "the message"},
           {"data-554@example.com", "MAIL_REFUSED", "the message"}}) {
    const MailPeer peer("plain");
    Mail mail = Digest();
    mail.from = sender;
    const auto sent = SendMail(At("127.0.0.1", peer.port(), MailSecurity::kNone), mail);
    ASSERT_EQ(Word(sent), word) << sender << (sent ? "" : sent.error().ToString());
    EXPECT_THAT(sent.error().detail,
                HasSubstr("says to " + command + ": " + sender.substr(sender.find('@') - 3, 3)));
    EXPECT_EQ(IsForNow(sent.error()), word == "MAIL_DEFERRED");
    EXPECT_EQ(sent.error().kind, word == "MAIL_DEFERRED" ? Kind::kUnavailable : Kind::kRefused);
  }
  for (const auto& [mode, word] :
       std::vector<std::pair<std::string, std::string>>{{"busy", "MAIL_DEFERRED"},
                                                        {"closed-shop", "MAIL_REFUSED"},
                                                        {"close", "MAIL_FAILED"},
                                                        {"close-later", "MAIL_FAILED"},
                                                        {"endless", "MAIL_FAILED"}}) {
    const MailPeer peer(mode);
    MailServer server = At("127.0.0.1", peer.port(), MailSecurity::kNone);
    server.limit = 5s;
    const auto sent = SendMail(server, Digest());
    ASSERT_EQ(Word(sent), word) << mode << (sent ? "" : sent.error().ToString());
    EXPECT_EQ(IsForNow(sent.error()), word != "MAIL_REFUSED") << mode;
  }
}

TEST_F(MailSenderFaults, SlowServersAreLeftAtTheLimit) {
  for (const auto& [mode, security] :
       std::vector<std::pair<std::string, MailSecurity>>{{"silent", MailSecurity::kNone},
                                                         {"silent", MailSecurity::kTls},
                                                         {"drip", MailSecurity::kStartTls},
                                                         {"no-smtp", MailSecurity::kNone}}) {
    const MailPeer peer(mode);
    MailServer server = At("127.0.0.1", peer.port(), security);
    server.limit = 1500ms;
    const auto start = std::chrono::steady_clock::now();
    const auto sent = SendMail(server, Digest());
    ASSERT_EQ(Word(sent), "MAIL_TIMED_OUT") << mode << (sent ? "" : sent.error().ToString());
    EXPECT_TRUE(IsForNow(sent.error()));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 4s) << mode;
  }
}

TEST_F(MailSenderFaults, AMailThatWasTakenIsSentWhateverTheGoodByeIs) {
  const MailPeer peer("mute-goodbye");
  MailServer server = At("127.0.0.1", peer.port(), MailSecurity::kNone);
  Mail mail = Digest();
  mail.to = {"pki@example.com"};
  const auto start = std::chrono::steady_clock::now();
  const auto sent = SendMail(server, mail);
  ASSERT_EQ(Word(sent), "sent") << (sent ? "" : sent.error().ToString());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
  EXPECT_EQ(sent.value().at(0).answer, "250 yes");
}

TEST_F(MailSenderFaults, NobodyThereIsToldApartFromAForbiddenAddress) {
  const auto refused = SendMail(At("127.0.0.1", FreePort(), MailSecurity::kNone), Digest());
  ASSERT_EQ(Word(refused), "CONNECTION_REFUSED");
  EXPECT_TRUE(IsForNow(refused.error()));
  const Listener nobody;
  MailServer server = At("localhost", nobody.port(), MailSecurity::kStartTls);
  server.policy = AddressPolicy();
  const auto forbidden = SendMail(server, Digest());
  ASSERT_EQ(Word(forbidden), "ADDRESS_NOT_ALLOWED");
  EXPECT_FALSE(IsForNow(forbidden.error()));
  EXPECT_FALSE(nobody.Called(0ms));
}

TEST_F(MailSenderFaults, OddParametersAreRefusedBeforeAnyConnection) {
  const Listener nobody;
  using Change = void (*)(MailServer&, Mail&);
  for (const auto& [word, change] : std::vector<std::pair<std::string, Change>>{
           {"MAIL_ADDRESS_INVALID", [](MailServer&, Mail&m) { m.from = "a@b\r\nDATA"; }},
           {"MAIL_ADDRESS_INVALID", [](MailServer&, Mail&m) { m.from.clear(); }},
           {"MAIL_ADDRESS_INVALID", [](MailServer&, Mail&m) { m.to.push_back("x> SIZE=1"); }},
           {"MAIL_INVALID", [](MailServer&, Mail&m) { m.to.clear(); }},
           {"MAIL_INVALID", [](MailServer&, Mail&m) { m.to.resize(51, "a@x.example"); }},
           {"MAIL_INVALID", [](MailServer&, Mail&m) { m.message_id = "a@b>\r\nBcc: c@d"; }},
           {"MAIL_INVALID", [](MailServer&, Mail&m) { m.message_id.clear(); }},
           {"MAIL_INVALID", [](MailServer&s, Mail&) { s.helo = "x\r\nMAIL FROM:<a@b>"; }},
           {"MAIL_INVALID", [](MailServer&s, Mail&) { s.user = "a\r\nb"; }},
           {"MAIL_INVALID",
            [](MailServer&s, Mail&) { s.password = Secret(std::string_view("a\0b", 3)); }}}) {
    MailServer server = At("127.0.0.1", nobody.port(), MailSecurity::kStartTls);
    Mail mail = Digest();
    mail.to = {"pki@example.com"};
    change(server, mail);
    EXPECT_EQ(Word(SendMail(server, mail)), word);
  }
  EXPECT_FALSE(nobody.Called(0ms));
}

}  // namespace
}  // namespace signet
