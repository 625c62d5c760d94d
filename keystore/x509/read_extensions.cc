#include <openssl/err.h>

#include <climits>
#include <set>
#include <string>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/profile.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kNoCa{"\x30\x03\x01\x01\x00", 5};

struct AnyFree {
  const ASN1_ITEM* item = nullptr;
  void operator()(void* p) const { ASN1_item_free(static_cast<ASN1_VALUE*>(p), item); }
};
using AnyPtr = std::unique_ptr<void, AnyFree>;

// X509V3_EXT_d2i takes trailing octets and BER: here the value must be what it decodes to.
Status CheckStrict(const ASN1_OBJECT* object, std::string_view value, std::string_view word) {
  const X509V3_EXT_METHOD* method = X509V3_EXT_get_nid(OBJ_obj2nid(object));
  if (method == nullptr || method->it == nullptr) return Ok();
  const ASN1_ITEM* item = ASN1_ITEM_ptr(method->it);
  const unsigned char* p = Octets(value);
  const AnyPtr decoded(ASN1_item_d2i(nullptr, &p, static_cast<long>(value.size()), item),
                       AnyFree{item});
  if (!decoded || p != Octets(value) + value.size()) {
    return Malformed(word, "the extension " + ObjectName(object) + " can not be decoded");
  }
  unsigned char* out = nullptr;
  const int size = ASN1_item_i2d(static_cast<const ASN1_VALUE*>(decoded.get()), &out, item);
  const bool same = size >= 0 && std::string_view(reinterpret_cast<char*>(out),
                                                  static_cast<std::size_t>(size)) == value;
  OPENSSL_free(out);
  // The one breach of DER that CAs in service commit: CA:FALSE written out, though it is the
  // default.
  const bool written_default = OBJ_obj2nid(object) == NID_basic_constraints && value == kNoCa;
  if (!same && !written_default)
    return Malformed(word, "the extension " + ObjectName(object) + " is not in DER");
  return Ok();
}

template <class Ptr>
Ptr Decode(const STACK_OF(X509_EXTENSION) * extensions, int nid) {
  return Ptr(static_cast<typename Ptr::pointer>(X509V3_get_d2i(extensions, nid, nullptr, nullptr)));
}

Status ReadNames(const STACK_OF(X509_EXTENSION) * extensions, int max_sans,
                 ExtensionFields& fields) {
  const auto names = Decode<GeneralNamesPtr>(extensions, NID_subject_alt_name);
  if (!names) return Ok();
  const int count = sk_GENERAL_NAME_num(names.get());
  if (count > max_sans) {
    return MakeError(Kind::kRefused, "TOO_MANY_NAMES",
                     std::to_string(count) + " subject alternative names, at most " +
                         std::to_string(max_sans) + " are taken",
                     "Have it issued with fewer names.");
  }
  for (int i = 0; i < count; ++i) {
    fields.sans.push_back(GeneralNameText(*sk_GENERAL_NAME_value(names.get(), i)));
  }
  return Ok();
}

Status ReadBasicConstraints(const STACK_OF(X509_EXTENSION) * extensions, ExtensionFields& fields,
                            std::string_view word) {
  const auto basic = Decode<BasicConstraintsPtr>(extensions, NID_basic_constraints);
  if (!basic) return Ok();
  fields.ca = basic->ca != 0;
  if (basic->pathlen == nullptr) return Ok();
  std::int64_t length = 0;
  if (ASN1_INTEGER_get_int64(&length, basic->pathlen) != 1 || length < 0 || length > INT_MAX) {
    return Malformed(word, "basicConstraints holds an impossible path length");
  }
  fields.path_length = static_cast<int>(length);
  return Ok();
}

void ReadKeyUsage(const STACK_OF(X509_EXTENSION) * extensions, ExtensionFields& fields) {
  const auto usage = Decode<BitStringPtr>(extensions, NID_key_usage);
  if (!usage) return;
  std::vector<bool> bits(kKeyUsageBits);
  for (std::size_t i = 0; i < kKeyUsageBits; ++i) {
    bits[i] = ASN1_BIT_STRING_get_bit(usage.get(), static_cast<int>(i)) == 1;
  }
  fields.key_usage = std::move(bits);
}

Status ReadExtendedUsage(const STACK_OF(X509_EXTENSION) * extensions, ExtensionFields& fields,
                         std::string_view word) {
  const auto usage = Decode<ExtendedUsagePtr>(extensions, NID_ext_key_usage);
  if (!usage) return Ok();
  const int count = sk_ASN1_OBJECT_num(usage.get());
  if (count == 0 || count > kMaxNames) {
    return Malformed(word, "extendedKeyUsage lists " + std::to_string(count) + " usages");
  }
  std::vector<std::string> oids;
  for (int i = 0; i < count; ++i) {
    oids.push_back(OidText(sk_ASN1_OBJECT_value(usage.get(), i)));
  }
  fields.extended = std::move(oids);
  return Ok();
}

void ReadKeyIds(const STACK_OF(X509_EXTENSION) * extensions, ExtensionFields& fields) {
  if (const auto ski = Decode<OctetStringPtr>(extensions, NID_subject_key_identifier)) {
    fields.ski = HexEncode(View(ski.get()));
  }
  const std::unique_ptr<AUTHORITY_KEYID, Deleter<AUTHORITY_KEYID_free>> aki(
      static_cast<AUTHORITY_KEYID*>(
          X509V3_get_d2i(extensions, NID_authority_key_identifier, nullptr, nullptr)));
  if (aki && aki->keyid != nullptr) fields.aki = HexEncode(View(aki->keyid));
}

}  // namespace

Result<ExtensionFields> ReadExtensions(const STACK_OF(X509_EXTENSION) * extensions,
                                       std::string_view word, int max_sans) {
  ExtensionFields fields;
  if (extensions == nullptr) return fields;
  const int count = sk_X509_EXTENSION_num(extensions);
  if (count > kMaxExtensions) return Malformed(word, std::to_string(count) + " extensions");
  std::set<std::string> seen;
  for (int i = 0; i < count; ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions, i);
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
    if (!seen.insert(OidText(object)).second) {
      return Malformed(word, "the extension " + ObjectName(object) + " is there twice");
    }
    SIGNET_TRY(CheckStrict(object, View(X509_EXTENSION_get_data(extension)), word));
  }
  SIGNET_TRY(ReadNames(extensions, max_sans, fields));
  SIGNET_TRY(ReadBasicConstraints(extensions, fields, word));
  ReadKeyUsage(extensions, fields);
  SIGNET_TRY(ReadExtendedUsage(extensions, fields, word));
  ReadKeyIds(extensions, fields);
  ERR_clear_error();
  return fields;
}

}  // namespace signet::keystore::x509
