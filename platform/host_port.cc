#include "platform/host_port.h"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t kMaxText = 1024;  // a name of 253 octets as U-labels, and a port
constexpr std::size_t kMaxName = 253;   // RFC 1035 section 2.3.4
constexpr std::size_t kMaxLabel = 63;

constexpr std::string_view kForm = "Give HOST or HOST:PORT, for example cup1.example.com:8443.";
constexpr std::string_view kBrackets =
    "Write an IPv6 address in brackets: [2001:db8::1] or [2001:db8::1]:8443.";

// Characters that tell that something else than a host and a port was given.
struct Telltale {
  std::string_view text;
  std::string_view problem;
  std::string_view remedy;
};
constexpr std::array<Telltale, 7> kTelltales{{
    {"://", "a URL is not a host", kForm},
    {"/", "a path or a prefix is not a host", kForm},
    {"\\", "a path is not a host", kForm},
    {"?", "a query is not part of a host", kForm},
    {"#", "a fragment is not part of a host", kForm},
    {"@", "a user is not part of a host", kForm},
    {"%", "zones and percent signs are not part of a host",
     "Give an address that is valid on the whole network, without a zone."},
}};

Error HostInvalid(std::string_view text, std::string_view problem, std::string_view remedy) {
  return MakeError(Kind::kUsage, "HOST_INVALID",
                   "'" + EscapeLine(text, 120) + "': " + std::string(problem), std::string(remedy));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

Result<std::uint16_t> ParsePort(std::string_view text, std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0 ||
      digits.front() == '0') {
    return MakeError(
        Kind::kUsage, "PORT_INVALID",
        "'" + EscapeLine(text, 120) + "': '" + EscapeLine(digits, 40) + "' is not a port",
        "Give a port from 1 to 65535 after the colon, or no colon.");
  }
  return port;
}

struct Idn2Free {
  void operator()(char* text) const { idn2_free(text); }
};

Result<std::string> ToAscii(std::string_view text, const std::string& host) {
  char* out = nullptr;
  const int code = idn2_to_ascii_8z(host.c_str(), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, Idn2Free> owner(out);
  if (code != IDN2_OK) {
    return HostInvalid(text, std::string("no internationalised name: ") + idn2_strerror(code),
                       "Give the name as DNS has it, with labels like xn--bcher-kva.");
  }
  return std::string(out);
}

// Whether inet_aton, and so many a resolver, would take the name for a number: the last label is
// digits, or 0x and hexadecimal digits.
bool LooksNumeric(std::string_view name) {
  std::string_view last = name.substr(name.rfind('.') + 1);
  if (last.starts_with("0x")) return std::all_of(last.begin() + 2, last.end(), IsHexDigit);
  return !last.empty() && std::all_of(last.begin(), last.end(), IsDigit);
}

// Underscores are no letters of host names (RFC 1123), and in use inside companies.
bool IsLabel(std::string_view label) {
  const auto allowed = [](char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  };
  return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), allowed);
}

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  for (std::size_t begin = 0;;) {
    const std::size_t dot = name.find('.', begin);
    if (!IsLabel(name.substr(begin, dot - begin))) return false;
    if (dot == std::string_view::npos) return true;
    begin = dot + 1;
  }
}

Result<HostPort> FromBrackets(std::string_view text, std::string_view inside) {
  boost::system::error_code ec;
  const ip::address_v6 address = ip::make_address_v6(std::string(inside), ec);
  if (ec) return HostInvalid(text, "no IPv6 address in the brackets", kBrackets);
  HostPort parsed;
  parsed.host = address.to_string();
  parsed.address = address;
  return parsed;
}

Result<HostPort> FromName(std::string_view text, std::string_view given) {
  std::string name(given);
  if (std::any_of(name.begin(), name.end(), [](char c) { return (c & 0x80) != 0; })) {
    SIGNET_TRY(name, ToAscii(text, name));
  }
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  HostPort parsed;
  if (!name.empty() && LooksNumeric(name)) {
    boost::system::error_code ec;
    const ip::address_v4 address = ip::make_address_v4(name, ec);
    // The round trip refuses what an inet_pton might overlook, and digits beyond ASCII.
    if (ec || address.to_string() != given) {
      return HostInvalid(
          text, "not an IPv4 address of four decimal numbers",
          "Write the address like 192.0.2.7, without leading zeros, or give a name.");
    }
    parsed.address = address;
    parsed.host = std::move(name);
    return parsed;
  }
  if (name.ends_with('.')) name.pop_back();
  if (!IsName(name) || LooksNumeric(name)) {
    return HostInvalid(text, "not a host name or address", kForm);
  }
  parsed.host = std::move(name);
  return parsed;
}

}  // namespace

std::string HostPort::ToString() const {
  const bool v6 = address && address->is_v6();
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> ParseHostPort(std::string_view text, std::uint16_t default_port) {
  if (text.empty()) return HostInvalid(text, "no host was given", kForm);
  if (text.size() > kMaxText) return HostInvalid(text, "too long for a host name", kForm);
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) {
      return HostInvalid(text, "white space or a control character", kForm);
    }
  }
  for (const Telltale& telltale : kTelltales) {
    if (text.find(telltale.text) != std::string_view::npos) {
      return HostInvalid(text, telltale.problem, telltale.remedy);
    }
  }
  std::string_view host = text, rest;
  const bool bracket = text.front() == '[';
  if (bracket) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return HostInvalid(text, "no ']'", kBrackets);
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') {
      return HostInvalid(text, "something else than a port after ']'", kBrackets);
    }
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) != std::string_view::npos) {
      return HostInvalid(text, "more than one colon", kBrackets);
    }
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  SIGNET_TRY(HostPort parsed, bracket ? FromBrackets(text, host) : FromName(text, host));
  parsed.port = default_port;
  if (!rest.empty()) {
    SIGNET_TRY(parsed.port, ParsePort(text, rest.substr(1)));
  }
  return parsed;
}

}  // namespace signet
