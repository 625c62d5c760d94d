// Objects of a token (PKCS#11 v2.40 §4, §5.7): found by template, read attribute by attribute. What
// a module answers is not believed: lengths and counts are bounded here.
#pragma once

#include <p11-kit/pkcs11.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/key_types.h"
#include "hsm/session.h"
#include "platform/error.h"

namespace signet::hsm {

// A CK_ATTRIBUTE list that owns its values.
class Template {
 public:
  Template& Flag(CK_ATTRIBUTE_TYPE type, bool value);
  Template& Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& Bytes(CK_ATTRIBUTE_TYPE type, std::string_view value);

  CK_ATTRIBUTE* data() { return attributes_.data(); }
  CK_ULONG size() const { return static_cast<CK_ULONG>(attributes_.size()); }

 private:
  std::deque<std::string> values_;  // a deque: addresses stay
  std::vector<CK_ATTRIBUTE> attributes_;
};

// All objects that match; kTokenFailed TOKEN_ERROR when the module's answer makes no sense.
Result<std::vector<CK_OBJECT_HANDLE>> FindObjects(Session& session, Template match);
// Private or public keys with this CKA_ID (raw octets).
Result<std::vector<CK_OBJECT_HANDLE>> FindKeysById(Session& session, CK_OBJECT_CLASS object_class,
                                                   std::string_view id);

Result<std::string> ReadBytes(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
// Like ReadBytes, but an attribute that the object does not have, or will not show, is empty.
Result<std::string> ReadOptional(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
Result<CK_ULONG> ReadNumber(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
// Flags in the order of `types`, in one call.
Result<std::vector<bool>> ReadFlags(Session& session, CK_OBJECT_HANDLE object,
                                    const std::vector<CK_ATTRIBUTE_TYPE>& types);

// One private key as List() shows it.
Result<TokenKey> ReadTokenKey(Session& session, CK_OBJECT_HANDLE object);

// CKA_ID as octets; kUsage KEY_ID_INVALID for anything but hex of 1 to 64 octets.
Result<std::string> KeyIdBytes(const KeyId& id);

}  // namespace signet::hsm
