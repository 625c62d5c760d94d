// Typed names for certificates and CSRs. Built by API from checked values, never by concatenating
// text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet::keystore::x509 {

struct GeneralName {
  enum class Type : std::uint8_t { kDns, kIp, kEmail, kUri } type = Type::kDns;
  std::string value;  // DNS: A-label, lower case, no trailing dot; IP: canonical text; email and
                      // URI as given
  friend auto operator<=>(const GeneralName&, const GeneralName&) = default;
};
std::string ToString(const GeneralName& name);  // "DNS:a.example.com"

// "DNS:…", "IP:…", "email:…", "URI:…" (one name). U-labels become A-labels (IDNA 2008, libidn2).
// kUsage NAME_INVALID with the reason: commas and other injections, NUL, control and non-ASCII
// characters, trailing dot, empty label, underscore, wildcard other than a whole left-most label of
// a name with two more, IPv4 with leading zeros, zone ids, prefixes, two @, URIs other than sip,
// sips, xmpp, https, http with a host.
Result<GeneralName> ParseGeneralName(std::string_view text);
// A host name (no wildcard) as an A-label FQDN or single label.
Result<std::string> ParseHostName(std::string_view text);

// Subject attributes in the order in which they are written (C, ST, L, O, OU, CN); empty ones are
// left out.
struct Subject {
  std::string common_name, organization, organizational_unit, locality, state, country;
  friend bool operator==(const Subject&, const Subject&) = default;
};
// Lengths by RFC 5280 Appendix A upper bounds, valid UTF-8, no control characters; country two
// capital letters. kUsage SUBJECT_INVALID.
Status CheckSubject(const Subject& subject);

}  // namespace signet::keystore::x509
