// The PKCS#11 URI (RFC 7512) that names the token.
#pragma once

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include <memory>
#include <string>

#include "hsm/module.h"
#include "platform/error.h"

namespace signet::hsm {

// Names a token by label or serial, never by slot number (those change).
class TokenUri {
 public:
  // kUsage TOKEN_URI_INVALID, with the part that does not belong there: module-path and module-name
  // (the module is configured, not named by data), pin-value (a PIN in a configuration),
  // pin-source, objects, slots, unknown parts.
  static Result<TokenUri> Parse(const std::string& text);

  bool Matches(const CK_TOKEN_INFO& token) const;

 private:
  struct UriFree {
    void operator()(P11KitUri* uri) const { p11_kit_uri_free(uri); }
  };
  explicit TokenUri(P11KitUri* uri) : uri_(uri) {}

  std::unique_ptr<P11KitUri, UriFree> uri_;
};

struct FoundToken {
  CK_SLOT_ID slot = 0;
  CK_TOKEN_INFO info{};
};

// The initialised token that the URI names. kNotFound TOKEN_NOT_FOUND, kConflict TOKEN_AMBIGUOUS.
Result<FoundToken> FindToken(Module& module, const TokenUri& uri);

// A blank-padded field of CK_TOKEN_INFO as text, safe for one line.
std::string PaddedText(const unsigned char* field, std::size_t size);

}  // namespace signet::hsm
