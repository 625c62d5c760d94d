#include "services/key_uri.h"

#include "platform/encoding.h"

namespace signet::services {
namespace {

std::string PercentEncode(std::string_view bytes) {
  const std::string hex = HexEncode(bytes);
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += "%" + hex.substr(i, 2);
  return out;
}

bool IsPlainInPath(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
         c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string KeyUri(std::string_view token_uri, const std::string& key_id) {
  const auto id = HexDecode(key_id);
  return std::string(token_uri) + ";id=" + (id ? PercentEncode(id.value()) : "") + ";type=private";
}

std::string KeyAddress(std::string_view socket) {
  std::string address = "unix:path=";
  for (const char c : socket) {
    address += IsPlainInPath(c) ? std::string(1, c) : PercentEncode(std::string_view(&c, 1));
  }
  return address;
}

}  // namespace signet::services
