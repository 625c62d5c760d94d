#include "platform/mail_sender.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "platform/curl_session.h"
#include "platform/dialer.h"
#include "platform/encoding.h"
#include "platform/mail_headers.h"
#include "platform/smtp_transcript.h"

namespace signet {
namespace {

constexpr std::size_t kMaxRecipients = 50;
constexpr std::size_t kMaxMessageId = 250;

Error MailInvalid(const std::string& problem) {
  return MakeError(Kind::kUsage, "MAIL_INVALID", problem, "Correct the settings of the mail.");
}

bool IsMessageId(std::string_view id) {  // RFC 5322 section 3.6.4, without folding
  const std::size_t at = id.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < id.size() &&
         id.find('@', at + 1) == std::string_view::npos && id.size() <= kMaxMessageId &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return c > ' ' && c <= '~' && c != '<' && c != '>'; });
}

// Line ends as mail has them, whatever they were.
std::string WithCrLf(std::string_view text) {
  std::string lines;
  lines.reserve(text.size() + text.size() / 32 + 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n' || text[i] == '\r') {
      lines += "\r\n";
    } else {
      lines += text[i];
    }
  }
  return lines;
}

// What is sent, checked. curl copies neither the lists nor the parts: they stay until it is done.
struct Letter {
  std::string from, helo;
  std::vector<std::string> to;
  CurlList recipients, headers;
  CurlUrl url;
  CurlMime parts;
};

Result<std::string> HeloOf(const MailServer& server) {
  if (server.helo.empty()) return std::string();
  Result<HostPort> name = ParseHostPort(server.helo, 25);
  if (!name) return MailInvalid("the name of this machine: " + name.error().detail);
  const HostPort& own = name.value();
  if (!own.address) return own.host;
  return (own.address->is_v6() ? "[IPv6:" : "[") + own.host + "]";  // RFC 5321 section 4.1.3
}

Result<Letter> CheckMail(const MailServer& server, const Mail& mail) {
  Letter letter;
  SIGNET_TRY(letter.from, ParseMailAddress(mail.from));
  for (const std::string& address : mail.to) {
    SIGNET_TRY(std::string checked, ParseMailAddress(address));
    letter.to.push_back(std::move(checked));
  }
  if (letter.to.empty()) return MailInvalid("nobody to send it to");
  if (letter.to.size() > kMaxRecipients) return MailInvalid("more than 50 recipients");
  if (!IsMessageId(mail.message_id)) {
    return MailInvalid("'" + EscapeLine(mail.message_id, 80) + "' is no Message-ID");
  }
  SIGNET_TRY(letter.helo, HeloOf(server));
  if (server.password.Reveal().find('\0') != std::string_view::npos ||
      server.user.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos) {
    return MailInvalid("the user's name or password has a character that cannot be sent");
  }
  if (!server.user.empty() && server.security == MailSecurity::kNone) {
    return MakeError(Kind::kRefused, "MAIL_PASSWORD_IN_CLEAR",
                     server.target.ToString() + ": the password would cross the network readable",
                     "Set the mail server's security to starttls or tls, or drop the user.");
  }
  return letter;
}

bool AddPart(curl_mime* mime, const char* type, std::string_view text) {
  const std::string lines = WithCrLf(text);
  curl_mimepart* const part = curl_mime_addpart(mime);
  return part != nullptr && curl_mime_data(part, lines.data(), lines.size()) == CURLE_OK &&
         curl_mime_type(part, type) == CURLE_OK &&
         curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
}

bool AddHeaders(const Mail& mail, Letter& letter) {
  std::string to;
  for (const std::string& address : letter.to) to += (to.empty() ? "" : ",\r\n ") + address;
  CurlList& headers = letter.headers;
  const std::string subject = MailHeaderText(mail.subject);
  return headers.Add("From: " + letter.from) && headers.Add("To: " + to) &&
         (subject.empty() || headers.Add("Subject: " + subject)) &&
         headers.Add("Date: " + MailDate(mail.date)) &&
         headers.Add("Message-ID: <" + mail.message_id + ">") &&
         headers.Add("Auto-Submitted: auto-generated") &&
         headers.Add("Content-Type: multipart/alternative");
}

bool MakeUrl(const MailServer& server, Letter& letter) {
  const bool v6 = server.target.address && server.target.address->is_v6();
  const std::string host = v6 ? "[" + server.target.host + "]" : server.target.host;
  const auto set = [&](CURLUPart part, const std::string& text) {
    return curl_url_set(letter.url.get(), part, text.c_str(), CURLU_URLENCODE) == CURLUE_OK;
  };
  letter.url.reset(curl_url());
  return letter.url &&
         set(CURLUPART_SCHEME, server.security == MailSecurity::kTls ? "smtps" : "smtp") &&
         set(CURLUPART_HOST, host) && set(CURLUPART_PORT, std::to_string(server.target.port)) &&
         (letter.helo.empty() || set(CURLUPART_PATH, "/" + letter.helo));
}

void ConfigureServer(CurlSession& session, const MailServer& server, const Letter& letter) {
  session.Set(CURLOPT_CURLU, letter.url.get());
  session.Set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  session.Set(
      CURLOPT_USE_SSL,
      static_cast<long>(server.security == MailSecurity::kNone ? CURLUSESSL_NONE : CURLUSESSL_ALL));
  const auto whole = std::chrono::ceil<std::chrono::seconds>(server.limit).count();
  session.Set(CURLOPT_SERVER_RESPONSE_TIMEOUT, static_cast<long>(std::max<long>(whole, 1)));
  session.TrustOnly(server.trust_pem);
  if (server.user.empty()) return;
  session.Set(CURLOPT_USERNAME, server.user.c_str());
  // NTLM and GSSAPI, which curl would like better, need more than a password to work.
  session.Set(CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
  WipedString password;
  password.reserve(server.password.Reveal().size() + 32);
  password = server.password.Reveal();
  session.Set(CURLOPT_PASSWORD, password.c_str());
}

void ConfigureMail(CurlSession& session, const Mail& mail, Letter& letter) {
  for (const std::string& address : letter.to) session.Require(letter.recipients.Add(address));
  letter.parts.reset(curl_mime_init(session.handle()));
  session.Require(
      letter.parts != nullptr && AddHeaders(mail, letter) &&
      AddPart(letter.parts.get(), "text/plain; charset=utf-8", mail.text) &&
      (mail.html.empty() || AddPart(letter.parts.get(), "text/html; charset=utf-8", mail.html)));
  session.Set(CURLOPT_MAIL_FROM, letter.from.c_str());
  session.Set(CURLOPT_MAIL_RCPT, letter.recipients.get());
  session.Set(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  session.Set(CURLOPT_HTTPHEADER, letter.headers.get());
  session.Set(CURLOPT_MIMEPOST, letter.parts.get());
}

// An error of the way there, by curl's code.
struct Trouble {
  CURLcode code;
  Kind kind;
  std::string_view word, remedy;
};
constexpr std::string_view kTrustRemedy =
    "Put the CA of the mail server's certificate into the trust store that the settings name, and "
    "address the server by a name that is in the certificate.";
constexpr std::string_view kStartTlsRemedy =
    "Switch STARTTLS on there, set the security to tls if the port is for that (465), or look who "
    "stands in between and strips it.";
constexpr std::array<Trouble, 6> kTroubles{{
    {CURLE_OPERATION_TIMEDOUT, Kind::kTimeout, "MAIL_TIMED_OUT",
     "The mail server is slow; the mail can be tried again later."},
    {CURLE_USE_SSL_FAILED, Kind::kRefused, "MAIL_NO_STARTTLS", kStartTlsRemedy},
    {CURLE_PEER_FAILED_VERIFICATION, Kind::kRefused, "MAIL_TLS_UNTRUSTED", kTrustRemedy},
    {CURLE_SSL_ISSUER_ERROR, Kind::kRefused, "MAIL_TLS_UNTRUSTED", kTrustRemedy},
    {CURLE_SSL_CACERT_BADFILE, Kind::kUsage, "MAIL_TRUST_INVALID",
     "Give the trusted certificates as PEM."},
    {CURLE_SSL_CONNECT_ERROR, Kind::kUnavailable, "MAIL_TLS_FAILED",
     "Look at the server with 'openssl s_client -starttls smtp -connect HOST:PORT'; does the "
     "security of the settings fit the port?"},
}};

Error Failed(const MailServer& server, const CurlSession::Ending& ending,
             const SmtpTranscript& transcript) {
  const std::string said = transcript.LastAnswer();
  const std::string where = server.target.ToString() + ": ";
  const auto make = [&](Kind kind, std::string_view word, const std::string& what,
                        std::string_view remedy) {
    Error error = MakeError(kind, std::string(word), where + what, std::string(remedy));
    error.origin = {"curl", static_cast<std::uint64_t>(ending.code)};
    return error;
  };
  const int code = transcript.LastCode();
  const bool deferred = code >= 400 && code < 500;
  for (const Trouble& trouble : kTroubles) {
    // STARTTLS that is refused for the moment is the server's word, as below.
    if (ending.code != trouble.code || (ending.code == CURLE_USE_SSL_FAILED && deferred)) continue;
    return make(trouble.kind, trouble.word, ending.text, trouble.remedy);
  }
  const std::string answered = "the server says to " + transcript.LastCommand() + ": " + said;
  if (deferred) {
    return make(Kind::kUnavailable, "MAIL_DEFERRED", answered,
                "The mail can be tried again later; if it stays so, ask who runs the server.");
  }
  // 530: authentication required (RFC 4954 section 6).
  if ((transcript.InLogin() && code >= 500) || code == 530 || ending.code == CURLE_LOGIN_DENIED) {
    return make(Kind::kRefused, "MAIL_LOGIN_REFUSED", code >= 500 ? answered : ending.text,
                "Check the user and the password in the mail settings, and that the server takes "
                "PLAIN or LOGIN.");
  }
  if (code >= 500) {
    return make(Kind::kRefused, "MAIL_REFUSED", answered,
                "Check the sender's address and what the server lets this machine send.");
  }
  return make(Kind::kUnavailable, "MAIL_FAILED", ending.text,
              "The server broke off or does not speak SMTP; check the port, and whether the "
              "security of the settings fits it.");
}

}  // namespace

Result<std::vector<MailOutcome>> SendMail(const MailServer& server, const Mail& mail) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + server.limit;
  SIGNET_TRY(Letter letter, CheckMail(server, mail));
  SIGNET_TRY(Connection connection, Dial(server.target, server.policy, deadline));
  SmtpTranscript transcript(letter.to);
  CurlSession session(std::move(connection), server.target.port, deadline);
  session.Require(MakeUrl(server, letter));
  ConfigureServer(session, server, letter);
  ConfigureMail(session, mail, letter);
  transcript.Attach(session);
  if (!session.ok()) return InternalError("curl refuses an option for mail");
  const CurlSession::Ending ending = session.Perform();
  if (!server.user.empty()) WipeStackBelow();
  // What counts is what the server said, whatever curl makes of it: a mail that was taken must not
  // be sent again because the good-bye failed.
  if (transcript.MailTaken() || transcript.AllRefused()) return transcript.TakeOutcomes();
  if (ending.code == CURLE_OK) return InternalError("curl saw a success that was none");
  return Failed(server, ending, transcript);
}

}  // namespace signet
