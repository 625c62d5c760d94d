#include "keystore/x509/names.h"

#include <arpa/inet.h>
#include <idn2.h>

#include <algorithm>
#include <array>
#include <memory>

#include "platform/encoding.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxInput = 2048;
constexpr std::size_t kMaxHost = 253;  // RFC 1035 §2.3.4, without the root's dot
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxLocalPart = 64;                   // RFC 5321 §4.5.3.1.1
constexpr std::string_view kForbidden = ",;\"'`<>\\{}|^ ";  // separators of other syntaxes

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlnum(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Error Invalid(std::string_view text, std::string_view reason) {
  return MakeError(Kind::kUsage, "NAME_INVALID",
                   "'" + EscapeLine(text, 128) + "': " + std::string(reason),
                   "Give one name a field, such as DNS:host.example.com, IP:192.0.2.1, "
                   "email:admin@example.com or URI:sip:host.example.com.");
}

struct Idn2Free {
  void operator()(char* p) const { idn2_free(p); }
};
using IdnText = std::unique_ptr<char, Idn2Free>;

// IDNA 2008 (with UTS 46's mapping of case), every label checked.
Result<std::string> ToALabels(std::string_view host, std::string_view whole) {
  char* out = nullptr;
  const int code =
      idn2_to_ascii_8z(std::string(host).c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const IdnText owner(out);
  if (code != IDN2_OK) return Invalid(whole, std::string("IDNA 2008: ") + idn2_strerror(code));
  return std::string(out);
}

// An xn-- label that nobody's registry would hand out (RFC 5891 §4.2) does not survive the way
// there and back.
Status CheckALabels(const std::string& host, std::string_view whole) {
  char* out = nullptr;
  const int code = idn2_to_unicode_8z8z(host.c_str(), &out, 0);
  const IdnText owner(out);
  if (code != IDN2_OK) return Invalid(whole, std::string("IDNA 2008: ") + idn2_strerror(code));
  SIGNET_TRY(auto again, ToALabels(out, whole));
  if (again != host)
    return Invalid(whole, "an xn-- label is not the A-label of what it decodes to");
  return Ok();
}

Status CheckLabel(std::string_view label, std::string_view whole) {
  if (label.empty()) return Invalid(whole, "an empty label (two dots, or a dot at an end)");
  if (label.size() > kMaxLabel) return Invalid(whole, "a label of more than 63 characters");
  for (const char c : label) {
    if (c == '_') return Invalid(whole, "an underscore is not allowed in a host name (RFC 1123)");
    if (c == '*') return Invalid(whole, "a wildcard stands for a whole left-most label only");
    if (!IsAlnum(c) && c != '-') return Invalid(whole, "only letters, digits, '-' and '.'");
  }
  if (label.front() == '-' || label.back() == '-') {
    return Invalid(whole, "a label begins or ends with '-'");
  }
  if (label.size() >= 4 && label.substr(2, 2) == "--" && label.substr(0, 2) != "xn") {
    return Invalid(whole, "a label with '--' in its third place is no A-label");
  }
  return Ok();
}

Result<std::string> HostName(std::string_view text, std::string_view whole) {
  if (text.empty()) return Invalid(whole, "the name is empty");
  if (text.size() > kMaxInput) return Invalid(whole.substr(0, 64), "the name is too long");
  if (text.find('\0') != std::string_view::npos) return Invalid(whole, "a NUL octet");
  if (EscapeLine(text, 2 * kMaxInput) != text) return Invalid(whole, "a control character");
  if (text.back() == '.') return Invalid(whole, "a dot at the end");
  std::string host(text);
  if (!IsAscii(host)) {
    SIGNET_TRY(auto converted, ToALabels(text, whole));
    host = std::move(converted);
  }
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (host.size() > kMaxHost) return Invalid(whole, "the name has more than 253 characters");
  std::string_view rest = host;
  std::string_view label;
  bool encoded = false;
  while (true) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    SIGNET_TRY(CheckLabel(label, whole));
    encoded = encoded || label.starts_with("xn--");
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (std::all_of(label.begin(), label.end(), IsDigit)) {
    return Invalid(whole, "the last label is a number: an address is given as IP:");
  }
  if (encoded) {
    SIGNET_TRY(CheckALabels(host, whole));
  }
  return host;
}

Result<GeneralName> Dns(std::string_view text, std::string_view whole) {
  const bool wildcard = text.starts_with("*.");
  SIGNET_TRY(auto host, HostName(wildcard ? text.substr(2) : text, whole));
  if (wildcard && host.find('.') == std::string::npos) {
    return Invalid(whole, "a wildcard needs two more labels (*.example.com)");
  }
  if (wildcard && host.size() + 2 > kMaxHost) return Invalid(whole, "more than 253 characters");
  return GeneralName{GeneralName::Type::kDns, wildcard ? "*." + host : std::move(host)};
}

Result<std::string> Address(std::string_view text, std::string_view whole) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) {
    return Invalid(whole, "not an IP address");
  }
  const std::string input(text);
  std::array<unsigned char, 16> octets{};
  const int family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  if (inet_pton(family, input.c_str(), octets.data()) != 1) {
    return Invalid(whole, "not an IP address (no leading zeros, zone or prefix)");
  }
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  inet_ntop(family, octets.data(), canonical.data(), canonical.size());
  return std::string(canonical.data());
}

// What email and URI have in common: printable ASCII without the separators of other syntaxes.
Status CheckPlain(std::string_view text, std::string_view whole) {
  if (text.size() > kMaxInput) return Invalid(whole.substr(0, 64), "the name is too long");
  for (const char c : text) {
    if (c <= 0x20 || c >= 0x7F || kForbidden.find(c) != std::string_view::npos) {
      return Invalid(whole, "a space, comma, quote, control or non-ASCII character");
    }
  }
  return Ok();
}

Status CheckLocalPart(std::string_view local, std::string_view whole) {
  constexpr std::string_view kAtext = "!#$%&'*+-/=?^_`{|}~.";  // RFC 5322 §3.2.3
  if (local.empty() || local.size() > kMaxLocalPart || local.front() == '.' ||
      local.back() == '.' || local.find("..") != std::string_view::npos) {
    return Invalid(whole, "the part before '@' is malformed");
  }
  for (const char c : local) {
    if (!IsAlnum(c) && kAtext.find(c) == std::string_view::npos) {
      return Invalid(whole, "the part before '@' is malformed");
    }
  }
  return Ok();
}

Result<GeneralName> Email(std::string_view text, std::string_view whole) {
  SIGNET_TRY(CheckPlain(text, whole));
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || text.find('@', at + 1) != std::string_view::npos) {
    return Invalid(whole, "an e-mail address has exactly one '@'");
  }
  SIGNET_TRY(CheckLocalPart(text.substr(0, at), whole));
  SIGNET_TRY(HostName(text.substr(at + 1), whole));
  return GeneralName{GeneralName::Type::kEmail, std::string(text)};
}

// "host", "host:5061", "[2001:db8::1]:5061"
Status CheckHostPort(std::string_view text, std::string_view whole) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return Invalid(whole, "the address has no ']'");
    SIGNET_TRY(Address(text.substr(1, close - 1), whole));
    port = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    const std::string_view host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    if (!Address(host, whole) || host.find(':') != std::string_view::npos) {
      SIGNET_TRY(HostName(host, whole));
    }
  }
  if (port.empty()) return Ok();
  const std::string_view digits = port.substr(1);
  if (port.front() != ':' || digits.empty() || digits.size() > 5 ||
      !std::all_of(digits.begin(), digits.end(), IsDigit)) {
    return Invalid(whole, "the port is malformed");
  }
  return Ok();
}

Result<GeneralName> Uri(std::string_view text, std::string_view whole) {
  SIGNET_TRY(CheckPlain(text, whole));
  const std::size_t colon = text.find(':');
  std::string scheme(text.substr(0, std::min(colon, text.size())));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const bool web = scheme == "http" || scheme == "https";
  const bool call = scheme == "sip" || scheme == "sips" || scheme == "xmpp";
  if (colon == std::string_view::npos || (!web && !call)) {
    return Invalid(whole, "a URI of another scheme than sip, sips, xmpp, https or http");
  }
  std::string_view rest = text.substr(colon + 1);
  if (web) {
    if (!rest.starts_with("//")) return Invalid(whole, "the URI names no host");
    rest.remove_prefix(2);
  }
  rest = rest.substr(0, rest.find_first_of(web ? "/?#" : "/?;#"));
  const std::size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    if (web) return Invalid(whole, "user information in a web address");
    SIGNET_TRY(CheckLocalPart(rest.substr(0, at), whole));
    rest.remove_prefix(at + 1);
  }
  if (rest.empty()) return Invalid(whole, "the URI names no host");
  SIGNET_TRY(CheckHostPort(rest, whole));
  return GeneralName{GeneralName::Type::kUri, std::string(text)};
}

struct Bound {
  std::string Subject::*field;
  const char* name;
  std::size_t most;  // characters, RFC 5280 Appendix A.1
};
constexpr std::array<Bound, 5> kBounds{{{&Subject::common_name, "common name", 64},
                                        {&Subject::organization, "organization", 64},
                                        {&Subject::organizational_unit, "organizational unit", 64},
                                        {&Subject::locality, "locality", 128},
                                        {&Subject::state, "state", 128}}};

Error SubjectInvalid(std::string detail) {
  return MakeError(
      Kind::kUsage, "SUBJECT_INVALID", std::move(detail),
      "Common name, organization and unit have at most 64 characters, locality and state 128, "
      "the country two capital letters (ISO 3166).");
}

std::size_t CountCharacters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

}  // namespace

std::string ToString(const GeneralName& name) {
  switch (name.type) {
    case GeneralName::Type::kDns:
      return "DNS:" + name.value;
    case GeneralName::Type::kIp:
      return "IP:" + name.value;
    case GeneralName::Type::kEmail:
      return "email:" + name.value;
    case GeneralName::Type::kUri:
      return "URI:" + name.value;
  }
  return name.value;
}

Result<GeneralName> ParseGeneralName(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view type = text.substr(0, std::min(colon, text.size()));
  const std::string_view value =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (type == "DNS") return Dns(value, text);
  if (type == "IP") {
    SIGNET_TRY(auto address, Address(value, text));
    return GeneralName{GeneralName::Type::kIp, std::move(address)};
  }
  if (type == "email") return Email(value, text);
  if (type == "URI") return Uri(value, text);
  return Invalid(text, "the name does not begin with DNS:, IP:, email: or URI:");
}

Result<std::string> ParseHostName(std::string_view text) { return HostName(text, text); }

Status CheckSubject(const Subject& subject) {
  for (const Bound& bound : kBounds) {
    const std::string& value = subject.*bound.field;
    if (value.size() > 4 * bound.most || CountCharacters(value) > bound.most) {
      return SubjectInvalid(std::string("the ") + bound.name + " has more than " +
                            std::to_string(bound.most) + " characters");
    }
    // EscapeLine changes control characters, bidirectional overrides and invalid UTF-8.
    if (EscapeLine(value, 4096) != value) {
      return SubjectInvalid(std::string("the ") + bound.name +
                            " holds control characters or invalid UTF-8: '" + EscapeLine(value) +
                            "'");
    }
  }
  const std::string& country = subject.country;
  const bool letters = country.size() == 2 && country[0] >= 'A' && country[0] <= 'Z' &&
                       country[1] >= 'A' && country[1] <= 'Z';
  if (!country.empty() && !letters) {
    return SubjectInvalid("the country '" + EscapeLine(country, 64) +
                          "' is not two capital letters");
  }
  return Ok();
}

}  // namespace signet::keystore::x509
