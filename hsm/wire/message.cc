#include "hsm/wire/message.h"

#include <algorithm>
#include <cstring>

namespace signet::hsm::wire {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

// Attributes whose value is not octets (what p11-kit 0.24 takes for which).
constexpr CK_ATTRIBUTE_TYPE kBytes[] = {CKA_TOKEN,
                                        CKA_PRIVATE,
                                        CKA_TRUSTED,
                                        CKA_SENSITIVE,
                                        CKA_ENCRYPT,
                                        CKA_DECRYPT,
                                        CKA_WRAP,
                                        CKA_UNWRAP,
                                        CKA_SIGN,
                                        CKA_SIGN_RECOVER,
                                        CKA_VERIFY,
                                        CKA_VERIFY_RECOVER,
                                        CKA_DERIVE,
                                        CKA_EXTRACTABLE,
                                        CKA_LOCAL,
                                        CKA_NEVER_EXTRACTABLE,
                                        CKA_ALWAYS_SENSITIVE,
                                        CKA_MODIFIABLE,
                                        CKA_COPYABLE,
                                        CKA_SECONDARY_AUTH,
                                        CKA_ALWAYS_AUTHENTICATE,
                                        CKA_WRAP_WITH_TRUSTED,
                                        CKA_RESET_ON_INIT,
                                        CKA_HAS_RESET,
                                        CKA_COLOR};
constexpr CK_ATTRIBUTE_TYPE kNumbers[] = {CKA_CLASS,
                                          CKA_CERTIFICATE_TYPE,
                                          CKA_CERTIFICATE_CATEGORY,
                                          CKA_JAVA_MIDP_SECURITY_DOMAIN,
                                          CKA_KEY_TYPE,
                                          CKA_MODULUS_BITS,
                                          CKA_PRIME_BITS,
                                          CKA_SUB_PRIME_BITS,
                                          CKA_VALUE_BITS,
                                          CKA_VALUE_LEN,
                                          CKA_KEY_GEN_MECHANISM,
                                          CKA_AUTH_PIN_FLAGS,
                                          CKA_HW_FEATURE_TYPE,
                                          CKA_PIXEL_X,
                                          CKA_PIXEL_Y,
                                          CKA_RESOLUTION,
                                          CKA_CHAR_ROWS,
                                          CKA_CHAR_COLUMNS,
                                          CKA_BITS_PER_PIXEL,
                                          CKA_MECHANISM_TYPE};
constexpr CK_ATTRIBUTE_TYPE kDates[] = {CKA_START_DATE, CKA_END_DATE};
constexpr CK_ATTRIBUTE_TYPE kUnsupported[] = {CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE,
                                              CKA_DERIVE_TEMPLATE, CKA_ALLOWED_MECHANISMS};

bool IsTemplate(CK_ATTRIBUTE_TYPE type) {
  return type == CKA_WRAP_TEMPLATE || type == CKA_UNWRAP_TEMPLATE || type == CKA_DERIVE_TEMPLATE;
}

template <std::size_t N>
bool Contains(const CK_ATTRIBUTE_TYPE (&list)[N], CK_ATTRIBUTE_TYPE type) {
  return std::find(std::begin(list), std::end(list), type) != std::end(list);
}

// Whose parameters are three numbers: spelt out, or, by clients that do not know the mechanism, as
// the octets of the structure.
bool IsPss(CK_MECHANISM_TYPE type) {
  return type == CKM_RSA_PKCS_PSS || type == CKM_SHA1_RSA_PKCS_PSS ||
         type == CKM_SHA224_RSA_PKCS_PSS || type == CKM_SHA256_RSA_PKCS_PSS ||
         type == CKM_SHA384_RSA_PKCS_PSS || type == CKM_SHA512_RSA_PKCS_PSS;
}

std::uint32_t DecodeWord(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string Native(CK_ULONG value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

Header ReadHeader(std::string_view bytes) {
  return {DecodeWord(bytes), DecodeWord(bytes.substr(4)), DecodeWord(bytes.substr(8))};
}

ValueKind KindOf(CK_ATTRIBUTE_TYPE type) {
  if (Contains(kBytes, type)) return ValueKind::kByte;
  if (Contains(kNumbers, type)) return ValueKind::kNumber;
  if (Contains(kDates, type)) return ValueKind::kDate;
  if (Contains(kUnsupported, type)) return ValueKind::kUnsupported;
  return ValueKind::kOctets;
}

Attribute FlagAttribute(CK_ATTRIBUTE_TYPE type, bool value) {
  return {type, std::string(1, value ? CK_TRUE : CK_FALSE)};
}

Attribute NumberAttribute(CK_ATTRIBUTE_TYPE type, CK_ULONG value) { return {type, Native(value)}; }

std::string_view Reader::Take(std::size_t size) {
  if (!ok_ || size > bytes_.size()) {
    Fail();
    return {};
  }
  const std::string_view taken = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return taken;
}

std::uint8_t Reader::Byte() {
  const std::string_view taken = Take(1);
  return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
}

std::uint32_t Reader::Word() {
  const std::string_view taken = Take(4);
  return taken.empty() ? 0 : DecodeWord(taken);
}

CK_ULONG Reader::Number() {
  const std::string_view taken = Take(8);
  if (taken.empty()) return 0;
  return static_cast<CK_ULONG>(DecodeWord(taken)) << 32 | DecodeWord(taken.substr(4));
}

std::optional<std::string_view> Reader::Octets() {
  const std::uint32_t size = Word();
  if (!ok_ || size == kNone) return std::nullopt;
  return Take(size);
}

std::string_view Reader::Array() {
  const std::uint8_t there = Byte();
  if (there == 0) {
    if (Word() != 0) Fail();  // a length without octets
    return {};
  }
  return Octets().value_or(std::string_view());
}

Mechanism Reader::ReadMechanism() {
  Mechanism mechanism;
  mechanism.type = Word();
  CK_RSA_PKCS_PSS_PARAMS pss{};
  // The upper half of a hash's number is 0, and no structure has 0 octets.
  const bool spelt_out = bytes_.size() >= 4 && DecodeWord(bytes_) == 0;
  if (IsPss(mechanism.type) && spelt_out) {
    pss.hashAlg = Number();
    pss.mgf = Number();
    pss.sLen = Number();
    mechanism.pss = pss;
    return mechanism;
  }
  mechanism.octets = Octets().value_or(std::string_view());
  if (IsPss(mechanism.type) && mechanism.octets.size() == sizeof pss) {
    std::memcpy(&pss, mechanism.octets.data(), sizeof pss);  // numbers only, no pointers
    mechanism.pss = pss;
    mechanism.octets.clear();
  }
  return mechanism;
}

std::string Reader::Value(ValueKind kind) {
  switch (kind) {
    case ValueKind::kByte: {
      const std::uint8_t byte = Byte();
      return std::string(1, static_cast<char>(byte));
    }
    case ValueKind::kNumber:
      return Native(Number());
    case ValueKind::kOctets:
    case ValueKind::kDate:
      return std::string(Octets().value_or(std::string_view()));
    case ValueKind::kUnsupported:
      break;
  }
  Fail();
  return {};
}

std::vector<Attribute> Reader::Template() {
  const std::uint32_t count = Word();
  std::vector<Attribute> attributes;
  if (count > kMaxAttributes) Fail();
  for (std::uint32_t i = 0; i < count && ok_; ++i) {
    Attribute& attribute = attributes.emplace_back();
    attribute.type = Word();
    if (Byte() == 0) {  // a length that says "not to be had"
      Fail();
      break;
    }
    const std::uint32_t size = Word();
    attribute.value = Value(KindOf(attribute.type));
    // An empty value is how a search asks for "none"; the client sends a number or octet anyway.
    if (size == 0) attribute.value.clear();
    if (attribute.value.size() != size) Fail();
  }
  if (!ok_) attributes.clear();
  return attributes;
}

std::vector<CK_ATTRIBUTE_TYPE> Reader::WantedTypes() {
  const std::uint32_t count = Word();
  std::vector<CK_ATTRIBUTE_TYPE> types;
  if (count > kMaxAttributes) Fail();
  for (std::uint32_t i = 0; i < count && ok_; ++i) {
    types.push_back(Word());
    // The size of the client's buffer; of a template within a template more would follow.
    if (Word() != 0 && IsTemplate(types.back())) Fail();
  }
  if (!ok_) types.clear();
  return types;
}

void Writer::Word(std::uint32_t value) {
  const char bytes[4] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                         static_cast<char>(value >> 8), static_cast<char>(value)};
  out_.append(bytes, sizeof bytes);
}

void Writer::Number(CK_ULONG value) {
  Word(static_cast<std::uint32_t>(value >> 32));
  Word(static_cast<std::uint32_t>(value));
}

void Writer::Octets(std::string_view bytes) {
  Word(static_cast<std::uint32_t>(bytes.size()));
  out_.append(bytes);
}

void Writer::Padded(std::string_view text, std::size_t size) {
  std::string padded(text.substr(0, size));
  padded.resize(size, ' ');
  Octets(padded);
}

void Writer::Version(std::uint8_t major, std::uint8_t minor) {
  Byte(major);
  Byte(minor);
}

void Writer::Array(std::string_view bytes) {
  Byte(1);
  Octets(bytes);
}

void Writer::ArraySize(std::size_t size) {
  Byte(0);
  Word(static_cast<std::uint32_t>(size));
}

void Writer::Numbers(const std::vector<CK_ULONG>& numbers) {
  Byte(1);
  Word(static_cast<std::uint32_t>(numbers.size()));
  for (const CK_ULONG number : numbers) Number(number);
}

void Writer::NumbersSize(std::size_t count) {
  Byte(0);
  Word(static_cast<std::uint32_t>(count));
}

void Writer::WriteAttribute(CK_ATTRIBUTE_TYPE type, const std::string* value) {
  Word(static_cast<std::uint32_t>(type));
  Byte(value != nullptr ? 1 : 0);
  if (value == nullptr) return;
  Word(static_cast<std::uint32_t>(value->size()));
  switch (KindOf(type)) {
    case ValueKind::kByte:
      Byte(value->empty() ? 0 : static_cast<std::uint8_t>(value->front()));
      break;
    case ValueKind::kNumber: {
      CK_ULONG number = 0;
      std::memcpy(&number, value->data(), std::min(value->size(), sizeof number));
      Number(number);
      break;
    }
    default:
      Octets(*value);
  }
}

void Writer::WriteMechanism(const Mechanism& mechanism) {
  Word(static_cast<std::uint32_t>(mechanism.type));
  if (mechanism.pss) {
    Number(mechanism.pss->hashAlg);
    Number(mechanism.pss->mgf);
    Number(mechanism.pss->sLen);
  } else if (mechanism.octets.empty()) {
    Word(kNone);
  } else {
    Octets(mechanism.octets);
  }
}

void Writer::Template(const std::vector<Attribute>& attributes) {
  AttributeCount(attributes.size());
  for (const Attribute& attribute : attributes) WriteAttribute(attribute.type, &attribute.value);
}

std::string Frame(std::uint32_t code, std::uint32_t call, std::string_view signature,
                  std::string_view arguments) {
  std::string frame;
  frame.reserve(kHeaderSize + 8 + signature.size() + arguments.size());
  Writer writer(frame);
  writer.Word(code);
  writer.Word(0);
  writer.Word(static_cast<std::uint32_t>(8 + signature.size() + arguments.size()));
  writer.Word(call);
  writer.Octets(signature);
  frame.append(arguments);
  return frame;
}

}  // namespace signet::hsm::wire
