#include "rpc/host_filter.h"

#include <algorithm>

namespace signet::rpc {

namespace {
std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "[::1]" -> "::1".
std::string_view WithoutBrackets(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    return text.substr(1, text.size() - 2);
  return text;
}
}  // namespace

HostFilter::HostFilter(std::vector<std::string> names) {
  for (const std::string& name : names) {
    if (!name.empty()) names_.push_back(Lower(WithoutBrackets(name)));
  }
  names_.insert(names_.end(), {"localhost", "127.0.0.1", "::1"});
}

bool HostFilter::Allows(std::string_view host, std::string_view own) const {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view port = host.substr(colon + 1);
    if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
      return false;
    host = host.substr(0, colon);
  }
  if (host.find(':') != std::string_view::npos && host.front() != '[') return false;
  if (host.size() > 255) return false;
  const std::string name = Lower(WithoutBrackets(host));
  if (name.empty()) return false;
  return name == own || std::find(names_.begin(), names_.end(), name) != names_.end();
}

bool HostFilter::AllowsOrigin(std::string_view origin, std::string_view own) const {
  constexpr std::string_view kScheme = "https://";
  return origin.substr(0, kScheme.size()) == kScheme && Allows(origin.substr(kScheme.size()), own);
}

}  // namespace signet::rpc
