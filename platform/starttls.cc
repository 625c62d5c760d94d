#include "platform/starttls.h"

#include <openssl/asn1.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMaxPreamble = 16 * 1024;

enum class Verdict : std::uint8_t { kMore, kYes, kNo };

struct Step {
  std::string_view send;  // "$HOST" stands for the host; empty: the server speaks first
  Verdict (*judge)(std::string_view answer, const Step& step);  // of all that has arrived since
  std::string_view expect;                                      // the answer's code or element
  std::string_view offer;  // what the answer must name besides, or empty
};

// Every line of a reply carries its code, and all but the last a '-' after it (RFC 5321 section
// 4.2). Octets after the last line would be taken for the server's TLS: refused (RFC 3207
// section 6).
Verdict JudgeSmtp(std::string_view answer, const Step& step) {
  std::string_view rest = answer;
  for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!line.starts_with(step.expect)) return Verdict::kNo;
    if (line.substr(step.expect.size()).starts_with('-')) continue;
    return rest.empty() && answer.find(step.offer) != std::string_view::npos ? Verdict::kYes
                                                                             : Verdict::kNo;
  }
  return Verdict::kMore;
}

std::string_view WithoutEndingSpace(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

// A stanza is there when the text ends with its element. Not an XML parser: nothing of the text is
// used, and a peer that plays with it gets a failed handshake.
Verdict JudgeXmpp(std::string_view answer, const Step& step) {
  for (const std::string_view no : {"<stream:error"sv, "<failure"sv, "</stream:stream>"sv}) {
    if (answer.find(no) != std::string_view::npos) return Verdict::kNo;
  }
  const std::string_view text = WithoutEndingSpace(answer);
  // Text that is no XML at all, for instance the banner of another protocol.
  if (!text.empty() && text.front() != '<') return Verdict::kNo;
  const std::size_t start = text.find("<" + std::string(step.expect));
  if (start == std::string_view::npos) return Verdict::kMore;
  const bool empty_element = text.ends_with("/>") && text.find('>', start) == text.size() - 1;
  if (!empty_element && !text.ends_with("</" + std::string(step.expect) + ">")) {
    return Verdict::kMore;
  }
  return text.find(step.offer, start) != std::string_view::npos ? Verdict::kYes : Verdict::kNo;
}

struct Element {
  Verdict verdict = Verdict::kNo;  // kYes: the whole element is there
  std::string_view content, rest;
};

// The next BER element, which must have the given class and number and a definite length.
Element NextElement(std::string_view bytes, int want_class, int want_number) {
  if (bytes.empty()) return {Verdict::kMore, {}, {}};
  // The header is read from a copy with zeros behind it, longer than any header is: what is
  // incomplete ends beyond `bytes`, and nothing is read beyond the copy.
  std::array<unsigned char, 256> head{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), head.size()), head.begin());
  const unsigned char* at = head.data();
  long length = 0;
  int number = 0, tag_class = 0;
  const int form = ASN1_get_object(&at, &length, &number, &tag_class, kMaxPreamble);
  if ((form & 0x81) != 0 || number != want_number || tag_class != want_class) return {};
  const auto header = static_cast<std::size_t>(at - head.data());
  if (header + static_cast<std::size_t>(length) > bytes.size()) return {Verdict::kMore, {}, {}};
  return {Verdict::kYes, bytes.substr(header, static_cast<std::size_t>(length)),
          bytes.substr(header + static_cast<std::size_t>(length))};
}

// LDAPMessage ::= SEQUENCE { messageID 1, [APPLICATION 24] { resultCode ENUMERATED success, … } }
Verdict JudgeLdap(std::string_view answer, const Step& step) {
  const Element message = NextElement(answer, V_ASN1_UNIVERSAL, V_ASN1_SEQUENCE);
  if (message.verdict != Verdict::kYes) return message.verdict;
  const Element id = NextElement(message.content, V_ASN1_UNIVERSAL, V_ASN1_INTEGER);
  const Element response = NextElement(id.rest, V_ASN1_APPLICATION, 24);
  const Element code = NextElement(response.content, V_ASN1_UNIVERSAL, V_ASN1_ENUMERATED);
  const bool success = message.rest.empty() && id.verdict == Verdict::kYes &&
                       response.verdict == Verdict::kYes && code.verdict == Verdict::kYes &&
                       id.content == "\x01"sv && code.content == step.expect;
  return success ? Verdict::kYes : Verdict::kNo;
}

constexpr std::array kSmtpSteps{
    Step{"", &JudgeSmtp, "220", ""},
    Step{"EHLO signet.invalid\r\n", &JudgeSmtp, "250", "STARTTLS"},
    Step{"STARTTLS\r\n", &JudgeSmtp, "220", ""},
};
constexpr std::string_view kXmppTls = "urn:ietf:params:xml:ns:xmpp-tls";
constexpr Step kXmppStart{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", &JudgeXmpp,
                          "proceed", kXmppTls};
constexpr std::array kXmppSteps{
    Step{"<?xml version='1.0'?><stream:stream to='$HOST' xmlns='jabber:client' "
         "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
         &JudgeXmpp, "stream:features", kXmppTls},
    kXmppStart,
};
constexpr std::array kXmppServerSteps{
    Step{"<?xml version='1.0'?><stream:stream to='$HOST' xmlns='jabber:server' "
         "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
         &JudgeXmpp, "stream:features", kXmppTls},
    kXmppStart,
};
constexpr std::array kLdapSteps{
    // ExtendedRequest with messageID 1 and requestName 1.3.6.1.4.1.1466.20037.
    Step{"\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
         "1.3.6.1.4.1.1466.20037"sv,
         &JudgeLdap, "\0"sv, ""},
};

struct Preamble {
  StartTls protocol;
  std::string_view name;
  std::span<const Step> steps;
};
constexpr std::array<Preamble, 5> kPreambles{{
    {StartTls::kNone, "none", {}},
    {StartTls::kXmpp, "xmpp", kXmppSteps},
    {StartTls::kXmppServer, "xmpp-server", kXmppServerSteps},
    {StartTls::kSmtp, "smtp", kSmtpSteps},
    {StartTls::kLdap, "ldap", kLdapSteps},
}};

const Preamble& PreambleOf(StartTls protocol) {
  for (const Preamble& preamble : kPreambles) {
    if (preamble.protocol == protocol) return preamble;
  }
  return kPreambles.front();
}

Error Refused(const Preamble& preamble, std::string_view problem, std::string_view answer) {
  std::string detail = "the server does not start TLS by " + std::string(preamble.name) + ": " +
                       std::string(problem);
  if (!answer.empty()) detail += ": '" + EscapeLine(answer, 200) + "'";
  return MakeError(Kind::kRefused, "STARTTLS_REFUSED", std::move(detail),
                   "Check the port and the protocol, and that the server has TLS switched on; a "
                   "port that speaks TLS at once is asked without --starttls.");
}

Status IoFailed(const Preamble& preamble, Connection::Io io, std::string_view answer) {
  switch (io) {
    case Connection::Io::kOk:
      return Ok();
    case Connection::Io::kEnd:
      return Refused(preamble, "it closed the connection", answer);
    case Connection::Io::kTooLarge:
      return MakeError(
          Kind::kRefused, "PEER_TOO_LARGE",
          "the server sent more than 16 KiB before TLS by " + std::string(preamble.name),
          "Check the port: this is not how the protocol answers.");
    case Connection::Io::kTimedOut:
      break;
  }
  return MakeError(Kind::kTimeout, "HANDSHAKE_TIMED_OUT",
                   "the server did not get to TLS by " + std::string(preamble.name) + " in time",
                   "Check the port and the protocol; a port that speaks TLS at once is asked "
                   "without --starttls. A busy server may answer when asked again.");
}

std::string Filled(std::string_view text, const std::string& host) {
  std::string filled(text);
  if (const std::size_t at = filled.find("$HOST"); at != std::string::npos) {
    filled.replace(at, 5, host);
  }
  return filled;
}

}  // namespace

std::string_view StartTlsName(StartTls protocol) { return PreambleOf(protocol).name; }

std::optional<StartTls> StartTlsFromName(std::string_view name) {
  for (const Preamble& preamble : kPreambles) {
    if (preamble.name == name) return preamble.protocol;
  }
  return std::nullopt;
}

Status NegotiateStartTls(StartTls protocol, const std::string& host, Connection& connection) {
  const Preamble& preamble = PreambleOf(protocol);
  connection.AllowBytes(kMaxPreamble);
  for (const Step& step : preamble.steps) {
    std::string answer;
    SIGNET_TRY(IoFailed(preamble, connection.Send(Filled(step.send, host)), answer));
    Verdict verdict = Verdict::kMore;
    while (verdict == Verdict::kMore) {
      SIGNET_TRY(IoFailed(preamble, connection.Receive(answer), answer));
      verdict = step.judge(answer, step);
    }
    if (verdict == Verdict::kNo) return Refused(preamble, "it answered", answer);
  }
  return Ok();
}

}  // namespace signet
