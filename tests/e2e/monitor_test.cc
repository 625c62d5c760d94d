// The certificate monitor at work in the daemon (SPEC M1, M3, B10), with a real mail server:
// aiosmtpd with STARTTLS and log-in.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/platform/mail_peer.h"
#include "tests/support/appliance.h"

namespace signet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Monitor : public ::testing::Test {
 protected:
  Monitor() {
    const Pair own = MakePair(folder_ / "mail", kEcKey,
                              {"-addext", "subjectAltName=DNS:localhost", "-days", "3650"});
    certificate_ = own.certificate;
    server_ = std::make_unique<MailPeer>("auth", std::vector{own.certificate, own.key});
    const std::string password = appliance_.Spare("mail-password");
    WriteWhole(password, std::string(kPassword) + "\n");
    std::filesystem::permissions(password, std::filesystem::perms(0600));
    appliance_.EditConfig("[outgoing]",
                          "[mail]\nserver = \"localhost:" + std::to_string(server_->port()) +
                              "\"\nfrom = \"signet@example.com\"\nuser = \"alice\"\n"
                              "password-source = \"file:" +
                              password + "\"\ntrust-store = \"tomcat-trust\"\n[outgoing]");
  }
  void Begin() {
    appliance_.StartAndWait();
    const Outcome trusted =
        appliance_.Cli({"trust", "upload", "tomcat-trust", certificate_, "--yes"});
    ASSERT_EQ(trusted.code, 0) << trusted.err;
  }
  void MailTo(const std::string& addresses) const {
    const Outcome set =
        appliance_.Cli({"monitor", "set", "--email", "on", "--addresses", addresses});
    ASSERT_EQ(set.code, 0) << set.err;
  }

  ScratchFolder folder_;
  std::string certificate_;
  std::unique_ptr<MailPeer> server_;
  Appliance appliance_;
};

// SPEC M1.
TEST_F(Monitor, SettingsAreTakenAsTypedAndRefusedAsAWhole) {
  appliance_.StartAndWait();
  const json::value before = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(before.at("running"), true);
  EXPECT_EQ(before.at("startDays"), 30);
  EXPECT_EQ(before.at("frequency"), "7d");
  EXPECT_EQ(before.at("email"), false);
  const Outcome set = appliance_.Cli({"monitor", "set", "--start-days", "45", "--frequency",
                                      "12 hours", "--email", "on", "--addresses",
                                      " admin@Example.com; ;noc@b\xC3\xBC"
                                      "cher.example;admin@example.com "});
  EXPECT_EQ(set.code, 0) << set.err;
  const json::value after = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(after.at("startDays"), 45);
  EXPECT_EQ(after.at("frequency"), "12h");
  EXPECT_EQ(after.at("email"), true);
  EXPECT_EQ(after.at("addresses"), (json::array{"admin@example.com", "noc@xn--bcher-kva.example"}));
  for (const json::object& wrong : {
           json::object{{"startDays", 0}},
           json::object{{"startDays", 4000}},
           json::object{{"startDays", "30"}},
           json::object{{"frequency", "often"}},
           json::object{{"frequency", "0d"}},
           json::object{{"frequency", "-1h"}},
           json::object{{"frequency", "99999h"}},
           json::object{{"email", "on"}},
           json::object{{"addresses", "admin@example.com\r\nBcc: all@example.com"}},
           json::object{{"addresses", "nobody"}},
           json::object{{"addresses", "<a@b.example>"}},
           json::object{{"addresses", std::string(100'000, 'a') + "@example.com"}},
           json::object{{"startDays", 10}, {"frequency", "often"}},
           json::object{},
       }) {
    const Answer refused = appliance_.Rpc("monitor.set", wrong);
    EXPECT_FALSE(refused.ok()) << json::serialize(wrong).substr(0, 80);
  }
  const json::value kept = appliance_.MustRpc("monitor.show");
  EXPECT_EQ(kept.at("startDays"), 45);
  EXPECT_EQ(kept.at("frequency"), "12h");
  const Answer shown = appliance_.Rpc("monitor.set", {{"startDays", 7}, {"dryRun", true}});
  EXPECT_TRUE(shown.ok()) << shown.word();
  EXPECT_EQ(appliance_.MustRpc("monitor.show").at("startDays"), 45);
}

// SPEC M3: what the server says of each recipient.
TEST_F(Monitor, ATestMailSaysWhatTheServerAnswersOfEach) {
  Begin();
  EXPECT_EQ(appliance_.Rpc("monitor.testMail").word(), "MAIL_NO_ADDRESSES");
  MailTo("admin@example.com;550@example.com");
  const Outcome sent = appliance_.Cli({"monitor", "test-mail"});
  EXPECT_EQ(sent.code, 1) << sent.err;
  EXPECT_THAT(sent.out, AllOf(HasSubstr("admin@example.com"), HasSubstr("550")));
  const json::object mail = server_->Taken();
  ExpectWellFormed(mail);
  EXPECT_THAT(HeaderOf(mail, "Subject"), HasSubstr("Test mail"));
  // The password is nowhere to be seen.
  EXPECT_THAT(ReadWhole(appliance_.log_file()), Not(HasSubstr("p4ss")));
}

// SPEC M3: the digest of a certificate that ends soon, by a run that somebody asked for.
TEST_F(Monitor, WhatExpiresIsMailedByARun) {
  Begin();
  MailTo("admin@example.com");
  ASSERT_EQ(
      appliance_.Cli({"certificate", "generate", "cup", "--validity-days", "10", "--yes"}).code, 0);
  const Outcome run = appliance_.Cli({"monitor", "run"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("a mail goes to 1 address"));
  const json::object mail = server_->Taken();
  ExpectWellFormed(mail);
  EXPECT_EQ(HeaderOf(mail, "Subject"), "1 certificate warning on node1.signet.localhost");
  const std::string text = mail.at("parts").at(0).at(2).as_string().c_str();
  const std::string serial =
      appliance_.MustRpc("certificate.show", {{"purpose", "cup"}}).at("serial").as_string().c_str();
  EXPECT_THAT(text, AllOf(HasSubstr("cup expires in"), HasSubstr(serial),
                          HasSubstr("Cisco SIP Proxy"), HasSubstr("certificate generate cup")));
  EXPECT_EQ(mail.at("parts").at(1).at(0), "text/html");
  EXPECT_TRUE(Eventually([&] { return appliance_.MustRpc("monitor.show").at("mailsSent") == 1; },
                         Seconds(10)));
  // Told once; the status says it all the same, and events tell of the run and the mail.
  EXPECT_THAT(appliance_.Cli({"monitor", "run"}).out, HasSubstr("nobody is to be told anew"));
  EXPECT_THAT(appliance_.Cli({"status"}).err, HasSubstr("EXPIRES_SOON"));
  EXPECT_THAT(appliance_.Cli({"events"}).out, HasSubstr("mailed: 1 certificate warning"));
}

TEST_F(Monitor, AMailThatCannotGoIsKeptAndSaid) {
  Begin();
  MailTo("admin@example.com");
  server_.reset();
  ASSERT_EQ(
      appliance_.Cli({"certificate", "generate", "cup", "--validity-days", "10", "--yes"}).code, 0);
  EXPECT_EQ(appliance_.Cli({"monitor", "run"}).code, 0);
  EXPECT_TRUE(Eventually(
      [&] { return appliance_.Cli({"status"}).err.find("MAIL_WAITS") != std::string::npos; },
      Seconds(10)));
  EXPECT_EQ(appliance_.Stop(), 0);
  appliance_.StartAndWait();
  EXPECT_EQ(appliance_.MustRpc("monitor.show").at("mailsWaiting"), 1);
}

// SPEC B10.
TEST_F(Monitor, APreviewIsALookAtADayToCome) {
  appliance_.StartAndWait();
  const json::value later = appliance_.MustRpc("monitor.preview", {{"at", "2099-01-01T00:00:00Z"}});
  EXPECT_GT(later.at("expired").as_int64(), 8);
  EXPECT_GE(later.at("uncovered").as_array().size(), 9u);
  const Outcome shown = appliance_.Cli({"monitor", "preview", "--at", "2099-01-01T00:00:00Z"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("alarm"));
  for (const char* wrong : {"", "tomorrow", "2027-13-01T00:00:00Z", "10000-01-01T00:00:00Z"})
    EXPECT_NE(appliance_.Cli({"monitor", "preview", "--at", wrong}).code, 0) << wrong;
}

}  // namespace
}  // namespace signet::testing
