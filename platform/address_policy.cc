#include "platform/address_policy.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "platform/encoding.h"

namespace signet {
namespace {

namespace ip = boost::asio::ip;

struct DefaultRule {
  std::string_view prefix;
  std::string_view what;
};

// What is never meant by "another server". Addresses of metadata services outside the link-local
// range stand here one by one.
constexpr std::array<DefaultRule, 17> kRefused{{
    {"0.0.0.0/8", "'this network' (RFC 1122)"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local, where clouds keep their metadata service"},
    {"100.100.100.200/32", "the metadata service of a cloud"},
    {"168.63.129.16/32", "the metadata service of a cloud"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved (RFC 1112)"},
    {"255.255.255.255/32", "broadcast"},
    {"::/128", "the unspecified address"},
    {"::1/128", "loopback"},
    {"fe80::/10", "link-local"},
    {"fec0::/10", "site-local (RFC 3879)"},
    {"ff00::/8", "multicast"},
    {"fd00:ec2::254/128", "the metadata service of a cloud"},
    {"fd20:ce::254/128", "the metadata service of a cloud"},
    {"2001::/32", "Teredo, which hides an IPv4 address"},
    {"64:ff9b:1::/48", "NAT64 of local use (RFC 8215)"},
}};

// IPv6 addresses that lead to an IPv4 address, and the octet where that begins.
struct Embedding {
  std::string_view prefix;
  std::size_t offset;
};
constexpr std::array<Embedding, 4> kEmbeddings{{
    {"::/96", 12},            // IPv4-compatible, RFC 4291 section 2.5.5.1
    {"::ffff:0:0:0/96", 12},  // IPv4-translated, RFC 2765
    {"64:ff9b::/96", 12},     // NAT64, RFC 6052
    {"2002::/16", 2},         // 6to4, RFC 3056
}};

// A table's text as prefixes, in its order. The texts are constants, so they parse.
template <class Table>
std::vector<AddressPrefix> Parsed(const Table& table) {
  std::vector<AddressPrefix> prefixes;
  for (const auto& row : table) {
    auto prefix = AddressPrefix::Parse(row.prefix);
    if (prefix) prefixes.push_back(std::move(prefix).value());
  }
  return prefixes;
}

const std::vector<AddressPrefix>& RefusedPrefixes() {
  static const std::vector<AddressPrefix> prefixes = Parsed(kRefused);
  return prefixes;
}

const std::vector<AddressPrefix>& EmbeddingPrefixes() {
  static const std::vector<AddressPrefix> prefixes = Parsed(kEmbeddings);
  return prefixes;
}

// ::ffff:1.2.3.4 is the IPv4 address for the kernel, so it is for us.
IpAddress Unmapped(const IpAddress& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

std::optional<IpAddress> Embedded(const IpAddress& address) {
  // :: and ::1 have the form of compatible addresses and are none.
  if (!address.is_v6() || address.is_unspecified() || address.is_loopback()) return std::nullopt;
  const ip::address_v6::bytes_type octets = address.to_v6().to_bytes();
  const std::vector<AddressPrefix>& prefixes = EmbeddingPrefixes();
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    if (!prefixes[i].Contains(address)) continue;
    ip::address_v4::bytes_type inner{};
    std::memcpy(inner.data(), octets.data() + kEmbeddings[i].offset, inner.size());
    return ip::address_v4(inner);
  }
  return std::nullopt;
}

bool SameBits(std::span<const unsigned char> a, std::span<const unsigned char> b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const unsigned mask = 0xFFu << (8 - bits % 8);
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

bool SamePrefix(const IpAddress& a, const IpAddress& b, unsigned bits) {
  if (a.is_v4() != b.is_v4()) return false;
  if (a.is_v4()) return SameBits(a.to_v4().to_bytes(), b.to_v4().to_bytes(), bits);
  return SameBits(a.to_v6().to_bytes(), b.to_v6().to_bytes(), bits);
}

IpAddress Truncated(const IpAddress& address, unsigned bits) {
  const auto truncate = [bits](auto octets) {
    for (std::size_t i = 0; i < octets.size(); ++i) {
      const unsigned kept =
          bits > 8 * i ? std::min<unsigned>(8, bits - 8 * static_cast<unsigned>(i)) : 0;
      octets[i] = static_cast<unsigned char>(octets[i] & (0xFF00u >> kept));
    }
    return octets;
  };
  if (address.is_v4()) return ip::address_v4(truncate(address.to_v4().to_bytes()));
  return ip::address_v6(truncate(address.to_v6().to_bytes()));
}

bool IsOfThisMachine(const IpAddress& address) {
  if (address.is_loopback()) return true;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return true;  // not known: the cautious answer
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const auto own = AddressOf(*entry->ifa_addr);
    if (own && SamePrefix(*own, address, address.is_v4() ? 32 : 128)) return true;
  }
  return false;
}

Error PrefixInvalid(std::string_view text, std::string problem, std::string remedy) {
  return MakeError(Kind::kUsage, "ADDRESS_PREFIX_INVALID",
                   "'" + EscapeLine(text, 80) + "': " + std::move(problem), std::move(remedy));
}

Result<std::vector<AddressPrefix>> ParseList(std::string_view key,
                                             const std::vector<std::string>& texts) {
  std::vector<AddressPrefix> prefixes;
  for (const std::string& text : texts) {
    auto prefix = AddressPrefix::Parse(text);
    if (!prefix) {
      Error error = std::move(prefix).error();
      error.detail = "[outgoing] " + std::string(key) + ": " + error.detail;
      return error;
    }
    prefixes.push_back(std::move(prefix).value());
  }
  return prefixes;
}

Error NotAllowed(std::string detail, std::string remedy) {
  return MakeError(Kind::kRefused, "ADDRESS_NOT_ALLOWED", std::move(detail), std::move(remedy));
}

const AddressPrefix* Longest(const std::vector<AddressPrefix>& prefixes, const IpAddress& address) {
  const AddressPrefix* longest = nullptr;
  for (const AddressPrefix& prefix : prefixes) {
    if (!prefix.Contains(address)) continue;
    if (longest == nullptr || prefix.length() > longest->length()) longest = &prefix;
  }
  return longest;
}

}  // namespace

std::optional<IpAddress> AddressOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    ip::address_v6::bytes_type octets{};
    std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
    return ip::address_v6(octets);
  }
  return std::nullopt;
}

Result<AddressPrefix> AddressPrefix::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string head(text.substr(0, slash));
  boost::system::error_code ec;
  IpAddress network = ip::make_address(head, ec);
  // make_address ends at a NUL, and takes the name of an interface after '%'.
  if (ec || head.find_first_of(std::string_view("%\0", 2)) != std::string::npos) {
    return PrefixInvalid(text, "no IP address before the '/'",
                         "Write a prefix like 10.0.0.0/8, fd00::/8 or 192.0.2.7.");
  }
  const unsigned width = network.is_v4() ? 32 : 128;
  unsigned length = width;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || length > width ||
        digits != std::to_string(length)) {
      return PrefixInvalid(text, "no prefix length after the '/'",
                           "Write a number of bits from 0 to " + std::to_string(width) + ".");
    }
  }
  const IpAddress first = Truncated(network, length);
  if (first != network) {
    return PrefixInvalid(text, "the address has bits beyond the prefix length",
                         "Write " + first.to_string() + "/" + std::to_string(length) + ".");
  }
  if (network.is_v6() && network.to_v6().is_v4_mapped() && length >= 96) {
    return AddressPrefix(Unmapped(network), length - 96);
  }
  return AddressPrefix(network, length);
}

bool AddressPrefix::Contains(const IpAddress& address) const {
  return SamePrefix(network_, address, length_);
}

std::string AddressPrefix::ToString() const {
  return network_.to_string() + "/" + std::to_string(length_);
}

Result<AddressPolicy> AddressPolicy::Make(const std::vector<std::string>& allow,
                                          const std::vector<std::string>& deny) {
  AddressPolicy policy;
  SIGNET_TRY(policy.allow_, ParseList("allow", allow));
  SIGNET_TRY(policy.deny_, ParseList("deny", deny));
  return policy;
}

bool AddressPolicy::IsOwn(const IpAddress& address, std::uint16_t port) const {
  for (const OwnEndpoint& own : own_) {
    if (own.port != port) continue;
    // A connection to the unspecified address goes to this machine.
    if (address.is_unspecified() || Unmapped(own.address) == address) return true;
    if (own.address.is_unspecified() && IsOfThisMachine(address)) return true;
  }
  return false;
}

Status AddressPolicy::CheckForm(const IpAddress& form, const std::string& what) const {
  const AddressPrefix* denied = Longest(deny_, form);
  const AddressPrefix* allowed = Longest(allow_, form);
  if (denied != nullptr && (allowed == nullptr || denied->length() >= allowed->length())) {
    return NotAllowed(what + ": denied by " + denied->ToString(),
                      "Name another host, or take " + denied->ToString() +
                          " out of '[outgoing] deny' of the configuration.");
  }
  const std::vector<AddressPrefix>& defaults = RefusedPrefixes();
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    if (!defaults[i].Contains(form)) continue;
    if (allowed != nullptr && allowed->length() >= defaults[i].length()) continue;
    return NotAllowed(what + ": " + std::string(kRefused[i].what),
                      "Name the server by an address that others use for it. If exactly this one "
                      "is meant, add '" +
                          form.to_string() + "' to '[outgoing] allow' of the configuration.");
  }
  return Ok();
}

Status AddressPolicy::Check(const IpAddress& given, std::uint16_t port) const {
  const IpAddress address = Unmapped(given);
  const std::string what = address.to_string() + " port " + std::to_string(port);
  const std::optional<IpAddress> inner = Embedded(address);
  if (IsOwn(address, port) || (inner && IsOwn(*inner, port))) {
    return NotAllowed(what + ": the appliance itself listens there",
                      "Name the other server; a port of this appliance is never a target, whatever "
                      "'[outgoing] allow' says.");
  }
  SIGNET_TRY(CheckForm(address, what));
  if (inner) {
    SIGNET_TRY(CheckForm(*inner, what + " (leads to " + inner->to_string() + ")"));
  }
  return Ok();
}

}  // namespace signet
