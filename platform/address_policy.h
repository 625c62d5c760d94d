// Which addresses an outgoing connection of the appliance may go to. The question is asked of the
// numeric address, after resolution and for each connection, so that a name that resolves to
// loopback or to a metadata service is refused like the address itself. Certificate import, OCSP
// and mail ask here.
#pragma once

#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet {

using IpAddress = boost::asio::ip::address;

// The address of an AF_INET or AF_INET6 socket address; nothing for other families.
std::optional<IpAddress> AddressOf(const sockaddr& address);

// "10.0.0.0/8", "fd00::/8"; an address alone is its own prefix. Prefixes of IPv4-mapped addresses
// are those of the IPv4 addresses.
class AddressPrefix {
 public:
  // kUsage ADDRESS_PREFIX_INVALID: not an address, a length out of range, or bits beyond the
  // length.
  static Result<AddressPrefix> Parse(std::string_view text);
  bool Contains(const IpAddress& address) const;
  unsigned length() const { return length_; }
  std::string ToString() const;

 private:
  AddressPrefix(IpAddress network, unsigned length) : network_(network), length_(length) {}
  IpAddress network_;
  unsigned length_ = 0;
};

// A place where the appliance itself listens. The unspecified address means every address of this
// machine.
struct OwnEndpoint {
  IpAddress address;
  std::uint16_t port = 0;
};

// A value; reading it from several threads is fine.
//
// Refused by default: unspecified and 0.0.0.0/8, loopback, link-local (with the metadata services),
// multicast, broadcast and reserved, Teredo, NAT64 of local use, and IPv6 addresses that carry an
// IPv4 address which is refused (mapped, compatible, translated, NAT64, 6to4). Private ranges (RFC
// 1918, RFC 4193) are allowed: appliances live there.
//
// The longest prefix that contains an address decides, of equal ones a denied before an allowed
// before a default. So `allow = ["127.0.0.0/8"]` opens loopback, `["0.0.0.0/0"]` does not, and
// `deny = ["0.0.0.0/0"]` with `allow = ["10.1.0.0/16"]` leaves that network alone (of IPv4).
// Own endpoints are refused whatever is allowed.
class AddressPolicy {
 public:
  // The default: nothing configured, no own endpoints.
  AddressPolicy() = default;
  // kUsage ADDRESS_PREFIX_INVALID names the list and the entry. Lists of [outgoing] allow, deny.
  static Result<AddressPolicy> Make(const std::vector<std::string>& allow,
                                    const std::vector<std::string>& deny);
  void AddOwn(OwnEndpoint endpoint) { own_.push_back(endpoint); }

  // kRefused ADDRESS_NOT_ALLOWED; the remedy names the key of the configuration.
  Status Check(const IpAddress& address, std::uint16_t port) const;

 private:
  bool IsOwn(const IpAddress& address, std::uint16_t port) const;
  Status CheckForm(const IpAddress& form, const std::string& what) const;

  std::vector<AddressPrefix> allow_, deny_;
  std::vector<OwnEndpoint> own_;
};

}  // namespace signet
