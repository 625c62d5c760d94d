// Values of a mail's header fields, safe on the wire whatever they are made of.
#pragma once

#include <string>
#include <string_view>

#include "platform/clock.h"

namespace signet {

// Text (UTF-8) of an unstructured field such as Subject. As it is where it is short plain ASCII;
// otherwise encoded words (RFC 2047): base64 of whole code points, each word on a line of its own
// of at most 76 characters, the field's name counted in. Control characters, bidirectional
// overrides and what is not UTF-8 are escaped as EscapeLine does; beyond 240 octets comes "…".
std::string MailHeaderText(std::string_view text);

// "Fri, 21 Nov 1997 09:55:06 +0000", RFC 5322 section 3.3; years 1900 to 9999.
std::string MailDate(WallTime time);

}  // namespace signet
