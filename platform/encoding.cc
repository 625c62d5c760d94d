#include "platform/encoding.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace signet {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr std::size_t kMaxBase64 = std::size_t{1} << 30;  // OpenSSL counts in int

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error NotBase64() {
  return MakeError(Kind::kUsage, "NOT_BASE64", "the text is not canonical base64",
                   "Send standard base64 with padding, on one line (base64 -w0).");
}

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  // 0: not valid UTF-8
};

// One code point of RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
CodePoint DecodeUtf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  std::size_t length = 0;
  std::uint32_t value = 0;
  std::uint32_t least = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2, value = lead & 0x1Fu, least = 0x80;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3, value = lead & 0x0Fu, least = 0x800;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4, value = lead & 0x07u, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, length};
}

// Code points that move the cursor, reorder or hide what is beside them.
bool IsHostile(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE007F);
}

void AppendHexEscape(std::string& out, unsigned char byte) {
  out += "\\x";
  out += kHexDigits[byte >> 4];
  out += kHexDigits[byte & 15];
}

}  // namespace

std::string HexEncode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

Result<Bytes> HexDecode(std::string_view hex) {
  const auto refuse = [] {
    return MakeError(Kind::kUsage, "NOT_HEX", "the text is not an even number of hex digits",
                     "Send hex digits only, two for each octet.");
  };
  if (hex.size() % 2 != 0) return refuse();
  Bytes out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexValue(hex[i]);
    const int low = HexValue(hex[i + 1]);
    if (high < 0 || low < 0) return refuse();
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string Base64Encode(std::string_view bytes) {
  if (bytes.size() > kMaxBase64) std::abort();            // nothing in Signet is that large
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

Result<Bytes> Base64Decode(std::string_view text) {
  if (text.empty()) return Bytes();
  if (text.size() % 4 != 0 || text.size() > kMaxBase64) return NotBase64();
  Bytes out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return NotBase64();
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  if (static_cast<std::size_t>(size) < padding) return NotBase64();
  out.resize(static_cast<std::size_t>(size) - padding);
  // EVP_DecodeBlock skips white space, takes '=' anywhere and non-zero spare bits; this round trip
  // does not.
  if (Base64Encode(out) != text) return NotBase64();
  return out;
}

Bytes Sha256(std::string_view bytes) {
  Bytes out(SHA256_DIGEST_LENGTH, '\0');
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
                 EVP_sha256(), nullptr) != 1) {
    std::abort();  // no SHA-256 in libcrypto: nothing in Signet would be true any more
  }
  return out;
}

std::string Sha256Hex(std::string_view bytes) { return HexEncode(Sha256(bytes)); }

Bytes RandomBytes(std::size_t count) {
  Bytes out(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = getrandom(out.data() + done, count - done, 0);
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (got < 0 && errno != EINTR) {
      std::abort();
    }
  }
  return out;
}

std::string RandomHex(std::size_t count) { return HexEncode(RandomBytes(count)); }

std::string EscapeLine(std::string_view text, std::size_t limit) {
  // A backslash stays as it is, which makes the function idempotent: text is often escaped where it
  // enters and once more where it is logged.
  std::string out;
  out.reserve(std::min(text.size(), limit) + 4);
  std::string piece;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    const std::size_t length = point.length == 0 ? 1 : point.length;
    piece.clear();
    if (point.length == 0 || (length == 1 && IsHostile(point.value))) {
      AppendHexEscape(piece, static_cast<unsigned char>(text[0]));
    } else if (IsHostile(point.value)) {
      char buffer[16];
      std::snprintf(buffer, sizeof buffer, "\\u{%04X}", static_cast<unsigned>(point.value));
      piece = buffer;
    } else {
      piece.assign(text.substr(0, length));
    }
    if (out.size() + piece.size() > limit) {
      out += "…";
      return out;
    }
    out += piece;
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace signet
