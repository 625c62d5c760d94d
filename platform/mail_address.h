// Mail addresses as administrators type them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet {

// An RFC 5321 mailbox (section 4.1.2): a dot-string of ASCII, '@', and a domain, whose letters
// beyond ASCII become A-labels (IDNA 2008) and which comes out in lower case, or an address literal
// ([192.0.2.1], [IPv6:2001:db8::1]). White space around it is dropped. Not taken: display names,
// angle brackets, source routes, comments, quoted local parts (section 4.1.2 advises against them),
// control characters, more than 64 octets before the '@' or 254 in all. kUsage
// MAIL_ADDRESS_INVALID.
Result<std::string> ParseMailAddress(std::string_view text);

// Several, split by ';': empty ones are skipped, of equal ones the first stays, at most 50. None
// when the text has none. kUsage MAIL_ADDRESS_INVALID, TOO_MANY_MAIL_ADDRESSES; text that has
// nothing but separators is MAIL_ADDRESS_INVALID too.
Result<std::vector<std::string>> ParseMailAddresses(std::string_view text);

}  // namespace signet
