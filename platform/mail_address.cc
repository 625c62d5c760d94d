#include "platform/mail_address.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "platform/encoding.h"
#include "platform/host_port.h"

namespace signet {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t kMaxLocal = 64;     // RFC 5321 section 4.5.3.1.1
constexpr std::size_t kMaxAddress = 254;  // a path of 256 without its brackets, section 4.5.3.1.3
constexpr std::size_t kMaxTyped = 1024;   // a domain may be longer as U-labels
constexpr std::size_t kMaxAddresses = 50;
constexpr std::string_view kIpv6Tag = "IPv6:";
constexpr std::string_view kWhiteSpace = " \t\r\n";

// Characters that tell that something else than a mailbox was given.
struct Telltale {
  char character;
  std::string_view problem;
};
constexpr std::array<Telltale, 8> kTelltales{{
    {'<', "without a display name and angle brackets, please"},
    {'>', "without a display name and angle brackets, please"},
    {'"', "quoted local parts and display names are not taken"},
    {'(', "comments are not taken"},
    {')', "comments are not taken"},
    {',', "several addresses are split by ';'"},
    {' ', "white space inside the address"},
    {'\\', "no backslashes"},
}};

Error Invalid(std::string_view text, std::string_view problem) {
  return MakeError(Kind::kUsage, "MAIL_ADDRESS_INVALID",
                   "'" + EscapeLine(text, 120) + "': " + std::string(problem),
                   "Give an address like pki@example.com; several are split by ';'.");
}

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1);
}

bool IsAtomText(char c) {  // RFC 5322 section 3.2.3
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool IsDotString(std::string_view local) {
  return !local.empty() && local.front() != '.' && local.back() != '.' &&
         local.find("..") == std::string_view::npos &&
         std::all_of(local.begin(), local.end(), [](char c) { return c == '.' || IsAtomText(c); });
}

// Of section 4.1.3, in canonical form.
Result<std::string> AddressLiteral(std::string_view text, std::string_view inside) {
  const bool v6 = inside.starts_with(kIpv6Tag);
  const std::string number(v6 ? inside.substr(kIpv6Tag.size()) : inside);
  boost::system::error_code ec;
  const ip::address address = ip::make_address(number, ec);
  if (ec || address.is_v6() != v6 || number.find('%') != std::string::npos) {
    return Invalid(text, "an address literal is [192.0.2.1] or [IPv6:2001:db8::1]");
  }
  return "[" + std::string(v6 ? kIpv6Tag : "") + address.to_string() + "]";
}

Result<std::string> Domain(std::string_view text, std::string_view domain) {
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    return AddressLiteral(text, domain.substr(1, domain.size() - 2));
  }
  if (domain.find_first_of(":[]") != std::string_view::npos) {
    return Invalid(text, "no domain after the '@'");
  }
  Result<HostPort> host = ParseHostPort(domain, 25);
  if (!host) return Invalid(text, "no domain after the '@': " + host.error().detail);
  if (host.value().address) return Invalid(text, "an IP address is written in brackets");
  return std::move(host).value().host;
}

}  // namespace

Result<std::string> ParseMailAddress(std::string_view typed) {
  const std::string_view text = Trim(typed);
  if (text.empty()) return Invalid(text, "no address was given");
  if (text.size() > kMaxTyped) return Invalid(text, "too long");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) {
      return Invalid(text, "a control character");
    }
  }
  for (const Telltale& telltale : kTelltales) {
    if (text.find(telltale.character) != std::string_view::npos) {
      return Invalid(text, telltale.problem);
    }
  }
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return Invalid(text, "no '@'");
  const std::string_view local = text.substr(0, at);
  if (local.find('@') != std::string_view::npos) {
    return Invalid(text, "more than one '@'; source routes are not taken");
  }
  if (local.size() > kMaxLocal) return Invalid(text, "more than 64 octets before the '@'");
  if (!IsDotString(local)) {
    return Invalid(text,
                   "before the '@' are ASCII letters, digits, !#$%&'*+-/=?^_`{|}~ and single "
                   "dots between them");
  }
  SIGNET_TRY(const std::string domain, Domain(text, text.substr(at + 1)));
  std::string address = std::string(local) + "@" + domain;
  if (address.size() > kMaxAddress) return Invalid(text, "more than 254 octets");
  return address;
}

Result<std::vector<std::string>> ParseMailAddresses(std::string_view text) {
  std::vector<std::string> addresses;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view one = Trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (one.empty()) continue;
    SIGNET_TRY(std::string address, ParseMailAddress(one));
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) continue;
    if (addresses.size() == kMaxAddresses) {
      return MakeError(Kind::kUsage, "TOO_MANY_MAIL_ADDRESSES",
                       "more than " + std::to_string(kMaxAddresses) + " addresses",
                       "Have your mail server make a list, and give the list's address.");
    }
    addresses.push_back(std::move(address));
  }
  if (addresses.empty() && !text.empty()) return Invalid(text, "no address between the separators");
  return addresses;
}

}  // namespace signet
