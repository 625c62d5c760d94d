#include "platform/mail_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/platform/mail_peer.h"

namespace signet {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using namespace signet::testing;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(MailSender, AMailArrivesAsItWasMeant) {
  const MailPeer peer("plain");
  MailServer server = At("127.0.0.1", peer.port(), MailSecurity::kNone);
  server.helo = "appliance.example";
  const auto sent = SendMail(server, Digest());
  ASSERT_TRUE(sent) << sent.error().ToString();
  ASSERT_EQ(sent.value().size(), 2u);
  for (const MailOutcome& outcome : sent.value()) {
    EXPECT_TRUE(outcome.accepted);
    EXPECT_FALSE(outcome.retry);
    EXPECT_EQ(outcome.answer, "250 " + outcome.recipient + " is known");
  }
  EXPECT_EQ(sent.value()[1].recipient, "ops@xn--bcher-kva.example");
  const json::object mail = peer.Taken();
  ExpectWellFormed(mail);
  EXPECT_EQ(mail.at("helo").as_string(), "appliance.example");
  EXPECT_EQ(mail.at("from").as_string(), "signet@appliance.example");
  EXPECT_EQ(json::serialize(mail.at("to")), R"(["pki@example.com","ops@xn--bcher-kva.example"])");
  EXPECT_EQ(HeaderOf(mail, "From"), "signet@appliance.example");
  EXPECT_EQ(HeaderOf(mail, "To"), "pki@example.com, ops@xn--bcher-kva.example");
  EXPECT_EQ(HeaderOf(mail, "Subject"), Digest().subject);
  EXPECT_EQ(HeaderOf(mail, "Date"), "Sun, 22 Nov 2026 20:13:39 +0000");
  EXPECT_EQ(HeaderOf(mail, "Message-ID"), "<17.abc@appliance.example>");
  EXPECT_EQ(HeaderOf(mail, "Auto-Submitted"), "auto-generated");
  EXPECT_EQ(HeaderOf(mail, "Mime-Version"), "1.0");
  EXPECT_THAT(HeaderOf(mail, "Content-Type"), StartsWith("multipart/alternative; boundary="));
  const json::array& parts = mail.at("parts").as_array();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].at(0).as_string(), "text/plain");
  EXPECT_EQ(parts[0].at(1).as_string(), "utf-8");
  EXPECT_EQ(parts[0].at(2).as_string(),
            "Grüße,\n.\n..\n\nFrom here on: " + std::string(2000, 'x') + "\nlast = line");
  EXPECT_EQ(parts[1].at(0).as_string(), "text/html");
  EXPECT_EQ(parts[1].at(2).as_string(), Digest().html);
}

TEST_F(MailSender, NothingInASubjectReachesTheWireAsAHeader) {
  for (const auto& [subject, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"CN=x\r\nBcc: all@example expires", "CN=x\\x0d\\x0aBcc: all@example expires"},
           {"CN=x\nBcc: all@example\n\nbody", "CN=x\\x0aBcc: all@example\\x0a\\x0abody"},
           {std::string("nul\0 esc\x1b[2J", 12), "nul\\x00 esc\\x1b[2J"},
           {std::string(1 << 20, 'A'), std::string(240, 'A') + "…"},
           {"", ""}}) {
    const MailPeer peer("plain");
    Mail mail = Digest();
    mail.subject = subject;
    ASSERT_EQ(Word(SendMail(At("127.0.0.1", peer.port(), MailSecurity::kNone), mail)), "sent");
    const json::object taken = peer.Taken();
    ExpectWellFormed(taken);
    EXPECT_EQ(HeaderOf(taken, "Subject"), wanted);
    EXPECT_THAT(HeadersOf(taken), Not(Contains(::testing::Pair("Bcc", ::testing::_))));
  }
}

TEST_F(MailSender, StrangeTextAndManyRecipientsAreFine) {
  const MailPeer peer("plain");
  Mail mail = Digest();
  mail.html.clear();
  mail.text = std::string("a\r\rb\0\x1b[2J trailing \n", 19) + std::string(300'000, 'y') + "\n";
  mail.to.clear();
  for (int i = 0; i < 50; ++i) {
    mail.to.push_back(std::to_string(i) + std::string(40, 'r') + "@example.com");
  }
  const auto sent = SendMail(At("127.0.0.1", peer.port(), MailSecurity::kNone), mail);
  ASSERT_EQ(Word(sent), "sent");
  EXPECT_EQ(sent.value().size(), 50u);
  const json::object taken = peer.Taken();
  ExpectWellFormed(taken);
  EXPECT_EQ(taken.at("to").as_array().size(), 50u);
  ASSERT_EQ(taken.at("parts").as_array().size(), 1u);
  EXPECT_EQ(taken.at("parts").at(0).at(2).as_string(),
            std::string("a\n\nb\0\x1b[2J trailing \n", 19) + std::string(300'000, 'y') + "\n");
}

TEST_F(MailSender, StartTlsAndLoginProtectTheMail) {
  for (const std::string mode : {"starttls", "auth", "tls", "auth-tls"}) {
    const MailPeer peer(mode, Certificate().Files());
    MailServer server =
        Trusting(peer, mode.ends_with("tls") && mode != "starttls" ? MailSecurity::kTls
                                                                   : MailSecurity::kStartTls);
    if (mode.starts_with("auth")) {
      server.user = "alice";
      server.password = Secret(kPassword);
    }
    const auto sent = SendMail(server, Digest());
    ASSERT_TRUE(sent) << mode << ": " << sent.error().ToString();
    const json::object mail = peer.Taken();
    ExpectWellFormed(mail);
    EXPECT_EQ(mail.at("user").as_bool(), mode.starts_with("auth")) << mode;
  }
}

TEST_F(MailSender, AWrongOrMissingPasswordIsARefusalForGood) {
  const MailPeer peer("auth", Certificate().Files());
  MailServer server = Trusting(peer, MailSecurity::kStartTls);
  server.user = "alice";
  server.password = Secret("wrong-password");
  const auto wrong = SendMail(server, Digest());
  ASSERT_EQ(Word(wrong), "MAIL_LOGIN_REFUSED");
  EXPECT_THAT(wrong.error().detail, AllOf(HasSubstr("535"), Not(HasSubstr("wrong-password"))));
  EXPECT_FALSE(IsForNow(wrong.error()));
  server.user.clear();
  EXPECT_EQ(Word(SendMail(server, Digest())), "MAIL_LOGIN_REFUSED");  // 530
  EXPECT_TRUE(peer.TookNothing());
}

// How often the end of a password stands in memory that this process can write, as it is or as
// PLAIN sends it. Its end, since the allocator itself writes over the start of what is freed. It is
// given backwards, so that the question is not what is found.
int TimesInMemory(const std::string& backwards) {
  constexpr const char* kSearch = R"(
import base64, os, sys
password = sys.stdin.read()[::-1].encode()
wanted = [password[16:], base64.b64encode(b'\0alice\0' + password)[24:-4]]
found, process = 0, f'/proc/{os.getppid()}/'
with open(process + 'maps') as maps, open(process + 'mem', 'rb') as memory:
    for line in maps:
        area, access = line.split()[:2]
        begin, end = (int(at, 16) for at in area.split('-'))
        if access.startswith('rw') and end - begin < 1 << 32:  # not the shadow of a sanitizer
            memory.seek(begin)
            octets = memory.read(end - begin)
            found += sum(map(octets.count, wanted))
print(found)
)";
  return std::stoi(MustRun({"/usr/bin/python3", "-c", kSearch}, {.input = backwards}));
}

TEST_F(MailSender, CurlsCopiesOfThePasswordAreWiped) {
  const MailPeer peer("auth", Certificate().Files());
  MailServer server = Trusting(peer, MailSecurity::kStartTls);
  server.user = "alice";
  std::string password = RandomHex(24);
  server.password = Secret(password);
  std::reverse(password.begin(), password.end());
  EXPECT_EQ(TimesInMemory(password), 1);
  EXPECT_EQ(Word(SendMail(server, Digest())), "MAIL_LOGIN_REFUSED");
  EXPECT_EQ(TimesInMemory(password), 1);
}

TEST_F(MailSender, APasswordNeverCrossesTheNetworkReadable) {
  const Listener nobody;
  MailServer server = At("127.0.0.1", nobody.port(), MailSecurity::kNone);
  server.user = "alice";
  server.password = Secret(kPassword);
  const auto sent = SendMail(server, Digest());
  ASSERT_EQ(Word(sent), "MAIL_PASSWORD_IN_CLEAR");
  EXPECT_FALSE(IsForNow(sent.error()));
  EXPECT_FALSE(nobody.Called(0ms));
}

TEST_F(MailSender, WithoutStartTlsNothingIsSaid) {
  for (const auto& [mode, word] :
       std::vector<std::pair<std::string, std::string>>{{"stripped", "MAIL_NO_STARTTLS"},
                                                        {"tls-refused", "MAIL_NO_STARTTLS"},
                                                        {"tls-later", "MAIL_DEFERRED"},
                                                        {"inject", "MAIL_FAILED"}}) {
    const MailPeer peer(mode);
    MailServer server = At("127.0.0.1", peer.port(), MailSecurity::kStartTls);
    server.user = "alice";
    server.password = Secret(kPassword);
    const auto sent = SendMail(server, Digest());
    ASSERT_EQ(Word(sent), word) << mode << (sent ? "" : sent.error().ToString());
    EXPECT_EQ(IsForNow(sent.error()), word != "MAIL_NO_STARTTLS");
    EXPECT_THAT(peer.Output(), AllOf(Not(HasSubstr("AUTH")), Not(HasSubstr("MAIL FROM"))));
  }
}

TEST_F(MailSender, TheServersCertificateIsVerifiedWithItsName) {
  for (const auto& [mode, security] : std::vector<std::pair<std::string, MailSecurity>>{
           {"starttls", MailSecurity::kStartTls}, {"tls", MailSecurity::kTls}}) {
    const MailPeer peer(mode, Certificate().Files());
    MailServer server = Trusting(peer, security);
    server.target = RequestTo("127.0.0.1", peer.port()).target;
    EXPECT_EQ(Word(SendMail(server, Digest())), "MAIL_TLS_UNTRUSTED") << mode;
    server = Trusting(peer, security);
    server.trust_pem.clear();
    EXPECT_EQ(Word(SendMail(server, Digest())), "MAIL_TLS_UNTRUSTED") << mode;
    server.trust_pem = ReadWhole(MakePair(folder_ / "other", kEcKey).certificate);
    const auto sent = SendMail(server, Digest());
    ASSERT_EQ(Word(sent), "MAIL_TLS_UNTRUSTED") << mode;
    EXPECT_FALSE(IsForNow(sent.error()));
    server.trust_pem = "no certificate";
    EXPECT_EQ(Word(SendMail(server, Digest())), "MAIL_TRUST_INVALID") << mode;
    EXPECT_TRUE(peer.TookNothing());
  }
  const MailPeer plain("plain");
  const auto sent = SendMail(Trusting(plain, MailSecurity::kTls), Digest());
  ASSERT_EQ(Word(sent), "MAIL_TLS_FAILED");
  EXPECT_TRUE(IsForNow(sent.error()));
}

}  // namespace
}  // namespace signet
