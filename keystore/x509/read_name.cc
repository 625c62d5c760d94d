#include <arpa/inet.h>
#include <openssl/asn1t.h>

#include <array>
#include <cctype>
#include <string>

#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::size_t kMaxNameText = 2048;

// The string types that OpenSSL compares as text (ASN1_MASK_CANON); others are compared as octets.
bool IsText(const ASN1_STRING* value) {
  switch (ASN1_STRING_type(value)) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_VISIBLESTRING:
      return true;
    default:
      return false;
  }
}

// RFC 5280 §7.1 as OpenSSL does it: ASCII case folded, outer spaces dropped, inner ones made one.
std::string FoldText(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && std::isspace(byte)) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out += ' ';
    space = false;
    out += byte < 0x80 ? static_cast<char>(std::tolower(byte)) : c;
  }
  return out;
}

std::string DrainBio(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

// A name as OpenSSL keeps it inside of X509_NAME, which itself holds on to the octets that it was
// read from, and works out a form for comparison of its own each time that it is changed.
using RdnSet = STACK_OF(X509_NAME_ENTRY);
struct RdnSequence;

// clang-format off
ASN1_ITEM_TEMPLATE(RdnSet) =
  ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SET_OF, 0, RdnSet, X509_NAME_ENTRY)
static_ASN1_ITEM_TEMPLATE_END(RdnSet)

ASN1_ITEM_TEMPLATE(RdnSequence) =
  ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SEQUENCE_OF, 0, RdnSequence, RdnSet)
static_ASN1_ITEM_TEMPLATE_END(RdnSequence)
    // clang-format on

    std::string IpText(std::string_view octets) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = octets.size() == 4 ? AF_INET : octets.size() == 16 ? AF_INET6 : 0;
  if (family == 0 || inet_ntop(family, octets.data(), text.data(), text.size()) == nullptr) {
    return "invalid";
  }
  return text.data();
}

// A copy of a name that may be changed.
class Rdns {
 public:
  explicit Rdns(std::string_view der) : der_(der) {
    const unsigned char* p = Octets(der);
    value_ = ASN1_item_d2i(nullptr, &p, static_cast<long>(der.size()), ASN1_ITEM_rptr(RdnSequence));
  }
  ~Rdns() { ASN1_item_free(value_, ASN1_ITEM_rptr(RdnSequence)); }
  Rdns(const Rdns&) = delete;
  Rdns& operator=(const Rdns&) = delete;

  // It is what it was read from, and no set in it is empty.
  bool IsDer() const {
    if (value_ == nullptr || Encode() != der_) return false;
    for (int i = 0; i < OPENSSL_sk_num(sets()); ++i) {
      if (sk_X509_NAME_ENTRY_num(set(i)) <= 0) return false;
    }
    return true;
  }

  // RFC 5280 §7.1. Empty when memory is out.
  std::string Canonical() {
    for (int i = 0; i < OPENSSL_sk_num(sets()); ++i) {
      for (int j = 0; j < sk_X509_NAME_ENTRY_num(set(i)); ++j) {
        X509_NAME_ENTRY* entry = sk_X509_NAME_ENTRY_value(set(i), j);
        const auto text = Utf8Value(X509_NAME_ENTRY_get_data(entry));
        if (!text) continue;  // compared as it is
        const std::string fold = FoldText(*text);
        if (X509_NAME_ENTRY_set_data(entry, V_ASN1_UTF8STRING, Octets(fold),
                                     static_cast<int>(fold.size())) != 1) {
          return {};
        }
      }
    }
    return Encode();
  }

 private:
  const OPENSSL_STACK* sets() const { return reinterpret_cast<const OPENSSL_STACK*>(value_); }
  const RdnSet* set(int i) const { return static_cast<const RdnSet*>(OPENSSL_sk_value(sets(), i)); }
  std::string Encode() const {
    unsigned char* out = nullptr;
    const int size = ASN1_item_i2d(value_, &out, ASN1_ITEM_rptr(RdnSequence));
    const std::unique_ptr<unsigned char, Deleter<FreeOpenSsl>> owner(out);
    if (size <= 0) return {};
    return {reinterpret_cast<char*>(out), static_cast<std::size_t>(size)};
  }

  std::string_view der_;
  ASN1_VALUE* value_ = nullptr;
};

}  // namespace

std::optional<std::string> Utf8Value(const ASN1_STRING* value) {
  if (!IsText(value)) return std::nullopt;
  unsigned char* out = nullptr;
  const int size = ASN1_STRING_to_UTF8(&out, value);
  if (size < 0) return std::nullopt;
  std::string text(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
  OPENSSL_free(out);
  return text;
}

std::string NameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const unsigned long flags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, flags) < 0) return "(unreadable name)";
  return EscapeLine(DrainBio(bio.get()), kMaxNameText);
}

std::string FirstCommonName(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return {};
  return Utf8Value(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index))).value_or("");
}

std::string OidText(const ASN1_OBJECT* object) {
  std::array<char, 256> text{};
  const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  return size > 0 ? std::string(text.data()) : std::string("0.0");
}

std::string ObjectName(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  return nid == NID_undef ? OidText(object) : std::string(OBJ_nid2ln(nid));
}

std::string GeneralNameText(const GENERAL_NAME& name) {
  switch (name.type) {
    case GEN_DNS:
      return "DNS:" + EscapeLine(View(name.d.dNSName));
    case GEN_EMAIL:
      return "email:" + EscapeLine(View(name.d.rfc822Name));
    case GEN_URI:
      return "URI:" + EscapeLine(View(name.d.uniformResourceIdentifier), kMaxNameText);
    case GEN_IPADD:
      return "IP:" + IpText(View(name.d.iPAddress));
    case GEN_DIRNAME:
      return "dirName:" + NameText(name.d.directoryName);
    case GEN_OTHERNAME:
      return "other:" + OidText(name.d.otherName->type_id);
    case GEN_RID:
      return "rid:" + OidText(name.d.registeredID);
    case GEN_X400:
      return "other:x400";
    default:
      return "other:ediParty";
  }
}

std::string_view NameDer(const X509_NAME* name) {
  const unsigned char* octets = nullptr;
  std::size_t size = 0;
  if (X509_NAME_get0_der(name, &octets, &size) != 1) return {};
  return {reinterpret_cast<const char*>(octets), size};
}

Result<std::string> ReadName(const X509_NAME* name, std::string_view word) {
  if (X509_NAME_entry_count(name) > kMaxNames) {
    return MakeError(Kind::kRefused, "TOO_MANY_NAMES",
                     "a name has " + std::to_string(X509_NAME_entry_count(name)) +
                         " attributes, at most " + std::to_string(kMaxNames) + " are taken",
                     "Have it issued with a shorter subject.");
  }
  Rdns rdns(NameDer(name));
  if (!rdns.IsDer()) return Malformed(word, "a name is not in DER");
  return rdns.Canonical();
}

}  // namespace signet::keystore::x509
