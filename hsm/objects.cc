#include "hsm/objects.h"

#include "hsm/pkcs11_error.h"
#include "hsm/public_key.h"
#include "platform/encoding.h"

namespace signet::hsm {
namespace {

constexpr CK_ULONG kMaxAttribute = 64 * 1024;
constexpr CK_ULONG kUsualAttribute = 1024;
constexpr CK_ULONG kFindBatch = 256;

Error Nonsense(const std::string& what) {
  return MakeError(Kind::kTokenFailed, "TOKEN_ERROR",
                   "the PKCS#11 module answers nonsense: " + what,
                   "Check that the configured module is the right one for this token.");
}

}  // namespace

Template& Template::Flag(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL flag = value ? CK_TRUE : CK_FALSE;
  return Bytes(type, {reinterpret_cast<const char*>(&flag), sizeof flag});
}

Template& Template::Number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  return Bytes(type, {reinterpret_cast<const char*>(&value), sizeof value});
}

Template& Template::Bytes(CK_ATTRIBUTE_TYPE type, std::string_view value) {
  std::string& stored = values_.emplace_back(value);
  attributes_.push_back({type, stored.data(), static_cast<CK_ULONG>(stored.size())});
  return *this;
}

Result<std::vector<CK_OBJECT_HANDLE>> FindObjects(Session& session, Template match) {
  Module& module = session.module();
  SIGNET_CK("C_FindObjectsInit",
            module->C_FindObjectsInit(session.handle(), match.data(), match.size()));
  std::vector<CK_OBJECT_HANDLE> found;
  CK_RV code = CKR_OK;
  while (true) {
    CK_OBJECT_HANDLE batch[kFindBatch];
    CK_ULONG count = 0;
    code = module->C_FindObjects(session.handle(), batch, kFindBatch, &count);
    if (code != CKR_OK || count == 0) break;
    if (count > kFindBatch || found.size() > 1'000'000) {
      session.Discard();
      return Nonsense("more objects than were asked for");
    }
    found.insert(found.end(), batch, batch + count);
  }
  const CK_RV final_code = module->C_FindObjectsFinal(session.handle());
  if (code != CKR_OK) return CkError(code, "C_FindObjects");
  if (final_code != CKR_OK) return CkError(final_code, "C_FindObjectsFinal");
  return found;
}

Result<std::vector<CK_OBJECT_HANDLE>> FindKeysById(Session& session, CK_OBJECT_CLASS object_class,
                                                   std::string_view id) {
  Template match;
  match.Number(CKA_CLASS, object_class).Flag(CKA_TOKEN, true).Bytes(CKA_ID, id);
  return FindObjects(session, std::move(match));
}

Result<std::string> ReadBytes(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  // Most are short: the length is asked for only when the first guess was too small.
  std::string value(kUsualAttribute, '\0');
  CK_ATTRIBUTE attribute{type, value.data(), kUsualAttribute};
  Module& module = session.module();
  CK_RV code = module->C_GetAttributeValue(session.handle(), object, &attribute, 1);
  if (code == CKR_BUFFER_TOO_SMALL) {
    attribute = {type, nullptr, 0};
    SIGNET_CK("C_GetAttributeValue",
              module->C_GetAttributeValue(session.handle(), object, &attribute, 1));
    if (attribute.ulValueLen > kMaxAttribute) return Nonsense("an attribute of absurd length");
    value.resize(attribute.ulValueLen);
    attribute.pValue = value.data();
    code = module->C_GetAttributeValue(session.handle(), object, &attribute, 1);
  }
  if (code != CKR_OK) return CkError(code, "C_GetAttributeValue");
  if (attribute.ulValueLen > value.size()) return Nonsense("an attribute longer than its buffer");
  value.resize(attribute.ulValueLen);
  return value;
}

Result<std::string> ReadOptional(Session& session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE_TYPE type) {
  auto value = ReadBytes(session, object, type);
  if (!value) {
    const CK_RV code = CkCode(value.error());
    if (code == CKR_ATTRIBUTE_TYPE_INVALID || code == CKR_ATTRIBUTE_SENSITIVE) return std::string();
  }
  return value;
}

Result<CK_ULONG> ReadNumber(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ULONG number = 0;
  CK_ATTRIBUTE attribute{type, &number, sizeof number};
  SIGNET_CK("C_GetAttributeValue",
            session.module()->C_GetAttributeValue(session.handle(), object, &attribute, 1));
  if (attribute.ulValueLen != sizeof number) return Nonsense("a number of another size");
  return number;
}

Result<std::vector<bool>> ReadFlags(Session& session, CK_OBJECT_HANDLE object,
                                    const std::vector<CK_ATTRIBUTE_TYPE>& types) {
  std::vector<CK_BBOOL> values(types.size(), CK_FALSE);
  std::vector<CK_ATTRIBUTE> attributes;
  for (std::size_t i = 0; i < types.size(); ++i)
    attributes.push_back({types[i], &values[i], sizeof(CK_BBOOL)});
  SIGNET_CK("C_GetAttributeValue",
            session.module()->C_GetAttributeValue(session.handle(), object, attributes.data(),
                                                  attributes.size()));
  std::vector<bool> flags;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (attributes[i].ulValueLen != sizeof(CK_BBOOL)) return Nonsense("a flag of another size");
    flags.push_back(values[i] != CK_FALSE);
  }
  return flags;
}

Result<TokenKey> ReadTokenKey(Session& session, CK_OBJECT_HANDLE object) {
  TokenKey key;
  SIGNET_TRY(auto id, ReadOptional(session, object, CKA_ID));
  SIGNET_TRY(auto label, ReadOptional(session, object, CKA_LABEL));
  key.id = HexEncode(id);
  key.label = std::move(label);
  SIGNET_TRY(auto spec, ReadKeySpec(session, object));
  key.known_spec = spec.has_value();
  if (spec) key.spec = *spec;
  const auto flag = [&](CK_ATTRIBUTE_TYPE type, bool absent) -> Result<bool> {
    SIGNET_TRY(auto bytes, ReadOptional(session, object, type));
    return bytes.empty() ? absent : bytes[0] != CK_FALSE;
  };
  // An attribute that is not shown counts as its worse value.
  SIGNET_TRY(key.sensitive, flag(CKA_SENSITIVE, false));
  SIGNET_TRY(key.always_sensitive, flag(CKA_ALWAYS_SENSITIVE, false));
  SIGNET_TRY(key.extractable, flag(CKA_EXTRACTABLE, true));
  SIGNET_TRY(key.never_extractable, flag(CKA_NEVER_EXTRACTABLE, false));
  SIGNET_TRY(key.local, flag(CKA_LOCAL, false));
  SIGNET_TRY(key.wrap_with_trusted, flag(CKA_WRAP_WITH_TRUSTED, false));
  return key;
}

Result<std::string> KeyIdBytes(const KeyId& id) {
  auto bytes = HexDecode(id);
  if (!bytes || bytes.value().empty() || bytes.value().size() > 64) {
    return MakeError(Kind::kUsage, "KEY_ID_INVALID", "a key id is 2 to 128 hexadecimal digits",
                     "Take the id from the list of keys.");
  }
  return bytes;
}

}  // namespace signet::hsm
