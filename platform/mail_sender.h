// One mail over SMTP (RFC 5321) to a server of the administrator's choice.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "platform/address_policy.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/host_port.h"
#include "platform/mail_address.h"
#include "platform/secret.h"

namespace signet {

enum class MailSecurity : std::uint8_t {
  kNone,
  kStartTls,  // RFC 3207; a server that does not offer it gets neither the password nor the mail
  kTls,       // from the first octet (RFC 8314)
};

struct MailServer {
  HostPort target;  // its name is what the server's certificate must bear
  MailSecurity security = MailSecurity::kStartTls;
  std::string user = {};  // empty: no authentication
  Secret password = {};
  std::string trust_pem = {};  // anchors, these and no others; empty: this machine's trust store
  std::string helo = {};       // name or address of this machine; empty: its own host name
  AddressPolicy policy = {};
  Duration limit = std::chrono::seconds(60);  // of everything together
};

struct Mail {
  std::string from;             // addresses by ParseMailAddress
  std::vector<std::string> to;  // at most 50
  std::string subject;          // UTF-8, whatever is in it: see MailHeaderText
  std::string text, html;       // UTF-8, lines ended by LF; html may be empty
  std::string message_id;       // "unique@domain" without angle brackets; the same for each retry
  WallTime date;
};

// What became of one recipient.
struct MailOutcome {
  std::string recipient;
  bool accepted = false;
  bool retry = false;  // refused for the moment (4yz): later it may work
  std::string answer;  // the server's to RCPT, escaped for one line
};

// Blocks for `limit` and a second at most: call it in a lane. The mail is
// multipart/alternative with Date, Message-ID and Auto-Submitted (RFC 3834). A success: the server
// said of each recipient what it does, in the order of `to`, and has taken the mail where one at
// least was accepted.
//
// Authentication is PLAIN or LOGIN, over TLS only, and only where the server offers it.
//
// The errors of Dial, and
//   MAIL_INVALID, MAIL_ADDRESS_INVALID   kUsage: our own parameters
//   MAIL_TRUST_INVALID                   kUsage: no certificates in trust_pem
//   MAIL_PASSWORD_IN_CLEAR               kRefused: a password without TLS
//   MAIL_NO_STARTTLS                     kRefused: not offered, or stripped by somebody on the way
//   MAIL_TLS_UNTRUSTED                   kRefused: the server's certificate
//   MAIL_LOGIN_REFUSED, MAIL_REFUSED     kRefused: what the server says for good (5yz)
//   MAIL_DEFERRED                        kUnavailable: what it says for now (4yz)
//   MAIL_TLS_FAILED, MAIL_FAILED         kUnavailable: broken off, or not understood
//   MAIL_TIMED_OUT                       kTimeout
Result<std::vector<MailOutcome>> SendMail(const MailServer& server, const Mail& mail);

}  // namespace signet
