// The token's objects as they are, for the one client that may change them. Handles are numbers of
// our own: they outlive the token's (which are new after each rebuild) as long as the object has a
// CKA_ID, and none is ever given to another object.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "hsm/pkcs11_token.h"
#include "hsm/softhsm.h"
#include "hsm/token_link.h"
#include "hsm/wire/message.h"

namespace signet::hsm {

// Thread-safe, blocking. Errors: of the token; CKR_OBJECT_HANDLE_INVALID for a number that leads to
// nothing any more; and the CK_RV that is named at each call. What changes the token is on its disk
// when the call returns.
class TokenObjects {
 public:
  using Number = std::uint64_t;

  TokenObjects(TokenLink& link, Pkcs11Token& token, const Durability& durability);

  Result<std::vector<Number>> Find(const std::vector<wire::Attribute>& match);
  // In the order of `types`; nothing where the object has no such attribute or does not show it.
  Result<std::vector<std::optional<std::string>>> Attributes(
      Number object, const std::vector<CK_ATTRIBUTE_TYPE>& types);
  // The CKA_ID of a private key.
  Result<KeyId> KeyOf(Number object);

  struct Pair {
    Number public_key = 0, private_key = 0;
  };
  // RSA and EC pairs that stay on the token: CKR_TEMPLATE_INCONSISTENT unless the private half is a
  // sensitive, private token object that signs and does nothing else; CKR_MECHANISM_INVALID.
  Result<Pair> Generate(CK_MECHANISM_TYPE mechanism,
                        const std::vector<wire::Attribute>& public_part,
                        const std::vector<wire::Attribute>& private_part);
  // CKA_LABEL and CKA_ID; anything else is CKR_ATTRIBUTE_READ_ONLY.
  Status Name(Number object, const std::vector<wire::Attribute>& attributes);
  // Keys alone.
  Status Destroy(Number object);
  // A private key that may leave its token only under a trusted key, by a secret key that is one
  // (CKM_AES_KEY_WRAP_PAD): CKR_KEY_NOT_WRAPPABLE, CKR_WRAPPING_KEY_HANDLE_INVALID,
  // CKR_MECHANISM_INVALID.
  Result<std::string> Wrap(CK_MECHANISM_TYPE mechanism, Number wrapping, Number key);
  // The key comes up with attributes as Generate demands them.
  Result<Number> Unwrap(CK_MECHANISM_TYPE mechanism, Number unwrapping, std::string_view wrapped,
                        const std::vector<wire::Attribute>& attributes);

  // For a successor of this process.
  struct Entry {
    CK_OBJECT_CLASS object_class = 0;
    std::string id;  // CKA_ID, octets
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    std::uint64_t generation = 0;  // of the link, in which `handle` is good
  };
  std::unordered_map<Number, Entry> Table() const;
  void Adopt(std::unordered_map<Number, Entry> table);

 private:
  Number Remember(CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS object_class);
  void Rename(Number object, std::string id);
  // Runs work(session, handle) with a handle that is good now.
  template <class Work>
  auto With(Number object, const Work& work)
      -> std::invoke_result_t<const Work&, Session&, CK_OBJECT_HANDLE>;
  Result<CK_OBJECT_HANDLE> Resolve(Session& session, Number object);

  TokenLink& link_;
  Pkcs11Token& token_;
  const Durability& durability_;
  mutable std::mutex mutex_;
  std::unordered_map<Number, Entry> table_;
  Number next_;
};

}  // namespace signet::hsm
