// Servers to send mail to, each a process that ends with its object, and a mail to send. MAIL_PEERS
// is the path of mail_peers.py.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "platform/mail_sender.h"
#include "tests/platform/tls_peer.h"

namespace signet::testing {

inline constexpr std::string_view kPassword = "p4ss wörd; \"x\"";

// mail_peers.py in one of its modes.
class MailPeer : public Server {
 public:
  explicit MailPeer(const std::string& mode, const std::vector<std::string>& files = {})
      : Server(Words(mode, files), "port ([0-9]+)\n") {}

  // The mail that it took.
  boost::json::object Taken() const {
    Await("\n(taken)\n");
    const std::string output = Output();  // a regular expression over a long line needs much stack
    const std::size_t begin = output.find("mail {") + 5;
    return boost::json::parse(output.substr(begin, output.find('\n', begin) - begin)).as_object();
  }
  bool TookNothing() const { return Output().find("mail {") == std::string::npos; }

 private:
  static std::vector<std::string> Words(const std::string& mode,
                                        const std::vector<std::string>& files) {
    std::vector<std::string> words{"/usr/bin/python3", "-B", MAIL_PEERS, mode};
    words.insert(words.end(), files.begin(), files.end());
    return words;
  }
};

// Limits are 20 s, so that a loaded machine changes nothing; a test about time has its own.
inline MailServer At(const std::string& host, std::uint16_t port, MailSecurity security) {
  MailServer server;
  const TlsFetchRequest request = RequestTo(host, port);
  server.target = request.target;
  server.policy = request.policy;
  server.security = security;
  server.limit = std::chrono::seconds(20);
  return server;
}

inline Mail Digest() {
  Mail mail;
  mail.from = "signet@appliance.example";
  mail.to = {"pki@example.com", "ops@bücher.example"};
  mail.subject = "3 Zertifikate laufen ab – ÄÖÜ 𝄞";
  mail.text = "Grüße,\n.\n..\n\nFrom here on: " + std::string(2000, 'x') + "\r\nlast = line";
  mail.html = "<p>Grüße &amp; {{more}}</p>\n";
  mail.message_id = "17.abc@appliance.example";
  mail.date = ParseTime("2026-11-22T20:13:39Z").value();
  return mail;
}

// Of the kinds that pass by themselves; the others wait for a person.
inline bool IsForNow(const Error& error) {
  return error.kind == Kind::kUnavailable || error.kind == Kind::kTimeout ||
         error.kind == Kind::kExhausted || error.kind == Kind::kUnreachable;
}

inline std::string Word(const Result<std::vector<MailOutcome>>& sent) {
  if (sent) return "sent";
  EXPECT_FALSE(sent.error().remedy.empty()) << sent.error().ToString();
  EXPECT_EQ(sent.error().detail.find_first_of("\r\n\x1b"), std::string::npos);
  return sent.error().word;
}

inline std::vector<std::pair<std::string, std::string>> HeadersOf(const boost::json::object& mail) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const boost::json::value& header : mail.at("headers").as_array()) {
    headers.emplace_back(header.at(0).as_string(), header.at(1).as_string());
  }
  return headers;
}

inline std::string HeaderOf(const boost::json::object& mail, const std::string& name) {
  std::string found;
  for (const auto& [key, value] : HeadersOf(mail)) {
    if (key == name) found += (found.empty() ? "" : "|") + value;
  }
  return found;
}

// What holds for each mail, whatever it was made of.
inline void ExpectWellFormed(const boost::json::object& mail) {
  EXPECT_TRUE(mail.at("defects").as_array().empty()) << boost::json::serialize(mail);
  EXPECT_FALSE(mail.at("bare").as_bool());
  EXPECT_TRUE(mail.at("ascii").as_bool());
  EXPECT_FALSE(mail.at("controls").as_bool());
  EXPECT_LE(mail.at("longest_line").as_int64(), 90);  // curl's own Content-Type, else 78
  EXPECT_EQ(mail.at("type").as_string(), "multipart/alternative");
}

class MailSender : public ::testing::Test {
 protected:
  // A certificate of a CA for localhost.
  const Pair& Certificate() {
    if (own_.key.empty()) {
      own_ = MakePair(folder_ / "mail", kEcKey, {"-addext", "subjectAltName=DNS:localhost"});
    }
    return own_;
  }
  MailServer Trusting(const MailPeer& peer, MailSecurity security) {
    MailServer server = At("localhost", peer.port(), security);
    server.trust_pem = ReadWhole(Certificate().certificate);
    return server;
  }

  ScratchFolder folder_;

 private:
  Pair own_;
};

}  // namespace signet::testing
