// A server as a person names it: HOST or HOST:PORT.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/error.h"

namespace signet {

struct HostPort {
  std::string host;  // lower-case A-labels without a final dot, or the address in canonical form
  std::uint16_t port = 0;
  std::optional<boost::asio::ip::address> address;  // when the host is an address

  std::string ToString() const;  // "host:port", "[v6]:port"
};

// Takes "host", "host:port", "192.0.2.1:port", "[2001:db8::1]" and "[2001:db8::1]:port"; names with
// letters beyond ASCII become A-labels (IDNA 2008). Nothing else: no scheme, user, path or zone, no
// IPv4 address in other forms than four decimal numbers (2130706433, 0x7f.1 and 010.0.0.1 mean
// different hosts to different programs). kUsage HOST_INVALID, PORT_INVALID.
Result<HostPort> ParseHostPort(std::string_view text, std::uint16_t default_port);

}  // namespace signet
