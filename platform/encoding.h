// Hex, base64, digests and random names. Thin over OpenSSL; nothing of X.509 here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "platform/error.h"

namespace signet {

using Bytes = std::string;  // raw octets

std::string HexEncode(std::string_view bytes);     // lower case
Result<Bytes> HexDecode(std::string_view hex);     // kUsage NOT_HEX; either case
std::string Base64Encode(std::string_view bytes);  // standard alphabet, padded, one line
Result<Bytes> Base64Decode(
    std::string_view text);  // strict: no white space, canonical padding; kUsage NOT_BASE64
Bytes Sha256(std::string_view bytes);  // 32 octets
std::string Sha256Hex(std::string_view bytes);
Bytes RandomBytes(std::size_t count);      // from the OS's generator; aborts if there is none
std::string RandomHex(std::size_t count);  // 2*count characters

// Text from outside (certificate names, labels, error texts) made safe for one line of terminal,
// log or HTML-free text: control characters, DEL, bidirectional overrides, U+2028/2029 and invalid
// UTF-8 become \xHH or \u{HHHH}; at most `limit` bytes, then "…".
std::string EscapeLine(std::string_view text, std::size_t limit = 512);

}  // namespace signet
