// What an SMTP server answered to which command, learned from what curl shows of its conversation.
// Of what curl sends only the commands' names are looked at: passwords are neither kept nor passed
// on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/curl_session.h"
#include "platform/mail_sender.h"

namespace signet {

class SmtpTranscript {
 public:
  explicit SmtpTranscript(const std::vector<std::string>& recipients);

  // From now on until the session is done it may not move.
  void Attach(CurlSession& session);

  // The server's answer to the last command; 0 and "" when there is none.
  int LastCode() const { return code_; }
  std::string LastAnswer() const;
  std::string LastCommand() const;  // for people: "the connection", "MAIL", "the message"
  bool InLogin() const { return phase_ == Phase::kAuth; }
  bool MailTaken() const { return taken_; }
  // All were answered, and none accepted.
  bool AllRefused() const;
  std::vector<MailOutcome> TakeOutcomes() { return std::move(outcomes_); }

 private:
  enum class Phase : std::uint8_t {
    kGreeting,
    kHello,
    kTls,
    kAuth,
    kMail,
    kRcpt,
    kData,
    kMessage,
    kQuit
  };

  static int OnDebug(CURL*, curl_infotype type, char* data, std::size_t size, void* self) noexcept;
  void Sent(std::string_view line);
  void Received(std::string_view line);
  void Answered();
  void ForgetAnswer();

  CurlSession* session_ = nullptr;
  bool over_ = false;  // QUIT was said
  Phase phase_ = Phase::kGreeting;
  std::size_t asked_ = 0;  // recipients so far
  std::string lines_;      // of the answer that is coming in
  std::string answer_;
  int code_ = 0;
  bool taken_ = false;
  std::vector<MailOutcome> outcomes_;
};

}  // namespace signet
