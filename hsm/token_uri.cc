#include "hsm/token_uri.h"

#include <vector>

#include "hsm/pkcs11_error.h"
#include "platform/encoding.h"

namespace signet::hsm {
namespace {

Error Invalid(const std::string& why) {
  return MakeError(Kind::kUsage, "TOKEN_URI_INVALID", "the token's URI " + why,
                   "Name the token by label or serial, for example pkcs11:token=signet.");
}

}  // namespace

Result<TokenUri> TokenUri::Parse(const std::string& text) {
  TokenUri uri(p11_kit_uri_new());
  if (uri.uri_ == nullptr) return InternalError("out of memory");
  P11KitUri* raw = uri.uri_.get();
  const int code = p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, raw);
  if (code != P11_KIT_URI_OK) {
    const char* why = p11_kit_uri_message(code);
    return Invalid("is not one of RFC 7512: " + std::string(why != nullptr ? why : "syntax"));
  }
  if (p11_kit_uri_get_module_path(raw) != nullptr || p11_kit_uri_get_module_name(raw) != nullptr) {
    return Invalid("names a module; the module is a setting of its own");
  }
  if (p11_kit_uri_get_pin_value(raw) != nullptr) {
    return Invalid("holds a PIN, and a configuration must not: change that PIN");
  }
  if (p11_kit_uri_get_pin_source(raw) != nullptr) {
    return Invalid("names a pin-source; the PIN's source is a setting of its own");
  }
  CK_ULONG attributes = 0;
  p11_kit_uri_get_attributes(raw, &attributes);
  if (attributes > 0) return Invalid("names an object, not a token");
  if (p11_kit_uri_get_slot_id(raw) != static_cast<CK_SLOT_ID>(-1)) {
    return Invalid("names a slot by number, and those change");
  }
  if (p11_kit_uri_any_unrecognized(raw) != 0) return Invalid("has a part that is not understood");
  const CK_TOKEN_INFO* info = p11_kit_uri_get_token_info(raw);
  if (info->label[0] == 0 && info->serialNumber[0] == 0) {
    return Invalid("names neither a token's label nor its serial");
  }
  return uri;
}

bool TokenUri::Matches(const CK_TOKEN_INFO& token) const {
  CK_TOKEN_INFO copy = token;
  return p11_kit_uri_match_token_info(uri_.get(), &copy) == 1;
}

Result<FoundToken> FindToken(Module& module, const TokenUri& uri) {
  CK_ULONG count = 0;
  SIGNET_CK("C_GetSlotList", module->C_GetSlotList(CK_TRUE, nullptr, &count));
  count = std::min<CK_ULONG>(count, 4096) + 16;  // room for a slot that appears in between
  std::vector<CK_SLOT_ID> slots(count);
  SIGNET_CK("C_GetSlotList", module->C_GetSlotList(CK_TRUE, slots.data(), &count));
  slots.resize(std::min<std::size_t>(slots.size(), count));
  std::vector<FoundToken> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (module->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0 || !uri.Matches(info)) continue;
    found.push_back({slot, info});
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return MakeError(Kind::kNotFound, "TOKEN_NOT_FOUND",
                     "no initialised token matches the configured URI",
                     "Initialise a token, or correct the token's uri in the configuration.");
  }
  return MakeError(Kind::kConflict, "TOKEN_AMBIGUOUS",
                   std::to_string(found.size()) + " tokens match the configured URI",
                   "Add serial=… to the token's uri in the configuration.");
}

std::string PaddedText(const unsigned char* field, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(field), size);
  const auto last = text.find_last_not_of(std::string_view(" \0", 2));
  return EscapeLine(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

}  // namespace signet::hsm
