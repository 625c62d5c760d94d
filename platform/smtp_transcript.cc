#include "platform/smtp_transcript.h"

#include <algorithm>
#include <array>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

constexpr std::size_t kMaxAnswer = 300;
constexpr std::chrono::seconds kGoodBye(1);  // for QUIT, which changes nothing any more

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

SmtpTranscript::SmtpTranscript(const std::vector<std::string>& recipients) {
  for (const std::string& recipient : recipients) {
    outcomes_.emplace_back().recipient = recipient;
  }
}

void SmtpTranscript::Attach(CurlSession& session) {
  session_ = &session;
  session.Set(CURLOPT_VERBOSE, 1L);  // to OnDebug alone
  session.Set(CURLOPT_DEBUGFUNCTION, &OnDebug);
  session.Set(CURLOPT_DEBUGDATA, static_cast<void*>(this));
}

int SmtpTranscript::OnDebug(CURL*, curl_infotype type, char* data, std::size_t size,
                            void* self) noexcept {
  auto& transcript = *static_cast<SmtpTranscript*>(self);
  try {
    const std::string_view line(data, size);
    if (type == CURLINFO_HEADER_OUT) transcript.Sent(line);
    if (type == CURLINFO_HEADER_IN) transcript.Received(line);
  } catch (const std::exception&) {  // memory: what is missing then is an answer
  }
  return 0;
}

void SmtpTranscript::Sent(std::string_view line) {
  struct Command {
    std::string_view start;
    Phase phase;
  };
  constexpr std::array<Command, 8> kCommands{{
      {"EHLO ", Phase::kHello},
      {"HELO ", Phase::kHello},
      {"STARTTLS", Phase::kTls},
      {"AUTH ", Phase::kAuth},
      {"MAIL FROM:", Phase::kMail},
      {"RCPT TO:", Phase::kRcpt},
      {"DATA", Phase::kData},
      {"QUIT", Phase::kQuit},
  }};
  for (const Command& command : kCommands) {
    if (!line.starts_with(command.start)) continue;
    // After 334 comes base64, which may look like a word.
    if (over_ || (phase_ == Phase::kAuth && code_ == 334)) return;
    if (command.phase == Phase::kQuit) {
      over_ = true;  // what failed, or not, is told by the answer before
      return;
    }
    phase_ = command.phase;
    ForgetAnswer();
    if (phase_ == Phase::kRcpt) ++asked_;
    return;
  }
}

void SmtpTranscript::Received(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, IsDigit)) return;
  const bool last = line.size() == 3 || line[3] != '-';
  if (lines_.size() <= kMaxAnswer) {
    // The code once, then the words of each line (RFC 5321 section 4.2.1).
    if (lines_.empty()) lines_ = line.substr(0, 3);
    if (line.size() > 4) lines_ += " " + std::string(line.substr(4));
  }
  if (!last || over_) return;
  code_ = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  answer_ = EscapeLine(lines_, kMaxAnswer);
  lines_.clear();
  Answered();
}

void SmtpTranscript::ForgetAnswer() {
  code_ = 0;
  answer_.clear();
  lines_.clear();
}

void SmtpTranscript::Answered() {
  if (phase_ == Phase::kRcpt && asked_ > 0 && asked_ <= outcomes_.size()) {
    MailOutcome& outcome = outcomes_[asked_ - 1];
    outcome.accepted = code_ / 100 == 2;
    outcome.retry = code_ / 100 == 4;
    outcome.answer = answer_;
  } else if (phase_ == Phase::kData && code_ == 354) {
    phase_ = Phase::kMessage;
    ForgetAnswer();
  } else if (phase_ == Phase::kMessage && code_ / 100 == 2) {
    taken_ = true;
    if (session_ != nullptr) session_->EndWithin(kGoodBye);
  }
}

std::string SmtpTranscript::LastAnswer() const { return answer_; }

std::string SmtpTranscript::LastCommand() const {
  constexpr std::array<std::string_view, 9> kNames{"the connection", "EHLO",        "STARTTLS",
                                                   "the log-in",     "MAIL",        "RCPT",
                                                   "DATA",           "the message", "QUIT"};
  return std::string(kNames[static_cast<std::size_t>(phase_)]);
}

bool SmtpTranscript::AllRefused() const {
  return std::all_of(outcomes_.begin(), outcomes_.end(), [](const MailOutcome& outcome) {
    return !outcome.accepted && !outcome.answer.empty();
  });
}

}  // namespace signet
