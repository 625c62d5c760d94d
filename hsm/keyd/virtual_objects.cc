#include "hsm/keyd/virtual_objects.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <set>

#include "hsm/public_key.h"
#include "hsm/token.h"
#include "platform/encoding.h"

namespace signet::hsm {
namespace {

using wire::Attribute;
using wire::FlagAttribute;
using wire::NumberAttribute;

constexpr std::size_t kMaxKeys = 1000;

struct Free {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(ASN1_OCTET_STRING* p) const { ASN1_OCTET_STRING_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Error Invalid(const std::string& label, const std::string& why) {
  return MakeError(Kind::kRefused, "VIEW_INVALID",
                   "the view of key '" + EscapeLine(label, 64) + "' " + why,
                   "This is a defect of signetd or a damaged view file: restart signetd, which "
                   "gives the view anew.");
}

const unsigned char* Octets(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// An i2d function's output.
template <class T, class Encode>
std::string Der(T* object, Encode encode) {
  unsigned char* der = nullptr;
  const int size = encode(object, &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

std::uint64_t NumberOf(std::string_view kind, std::string_view what) {
  const Bytes digest = Sha256(std::string(kind) + ":" + std::string(what));
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(digest[i]);
  return number;
}

std::string BigNumber(const EVP_PKEY& key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(&key, name, &raw) != 1) return {};
  const Owned<BIGNUM> number(raw);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return bytes;
}

// CKA_EC_POINT: the uncompressed point in an OCTET STRING (PKCS#11 v2.40 §2.3.3).
std::string EcPoint(const EVP_PKEY& key) {
  unsigned char point[160];
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(&key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &size) !=
      1) {
    return {};
  }
  const Owned<ASN1_OCTET_STRING> octets(ASN1_OCTET_STRING_new());
  if (octets == nullptr ||
      ASN1_OCTET_STRING_set(octets.get(), point, static_cast<int>(size)) != 1) {
    return {};
  }
  return Der(octets.get(), i2d_ASN1_OCTET_STRING);
}

// What both halves of a key pair have in common (PKCS#11 v2.40 §2.1.2, §2.3.3).
Result<std::vector<Attribute>> KeyAttributes(const ViewKey& key, const EVP_PKEY& public_key,
                                             const std::string& id, KeySpec& spec) {
  std::vector<Attribute> attributes = {
      FlagAttribute(CKA_TOKEN, true),
      FlagAttribute(CKA_PRIVATE, false),
      FlagAttribute(CKA_MODIFIABLE, false),
      {CKA_LABEL, key.label},
      {CKA_ID, id},
      FlagAttribute(CKA_LOCAL, true),
      FlagAttribute(CKA_DERIVE, false),
  };
  spec.bits = EVP_PKEY_get_bits(&public_key);
  if (EVP_PKEY_is_a(&public_key, "RSA") == 1) {
    spec.algorithm = KeyAlgorithm::kRsa;
    attributes.push_back(NumberAttribute(CKA_KEY_TYPE, CKK_RSA));
    attributes.push_back({CKA_MODULUS, BigNumber(public_key, OSSL_PKEY_PARAM_RSA_N)});
    attributes.push_back({CKA_PUBLIC_EXPONENT, BigNumber(public_key, OSSL_PKEY_PARAM_RSA_E)});
    attributes.push_back(NumberAttribute(CKA_MODULUS_BITS, static_cast<CK_ULONG>(spec.bits)));
    return attributes;
  }
  if (EVP_PKEY_is_a(&public_key, "EC") != 1) return Invalid(key.label, "is neither RSA nor EC");
  spec.algorithm = KeyAlgorithm::kEc;
  SIGNET_TRY(auto parameters, EcParams(spec.bits));
  attributes.push_back(NumberAttribute(CKA_KEY_TYPE, CKK_EC));
  attributes.push_back({CKA_EC_PARAMS, parameters});
  attributes.push_back({CKA_EC_POINT, EcPoint(public_key)});
  return attributes;
}

VirtualObject PrivateKey(std::vector<Attribute> attributes, const std::string& id,
                         std::size_t key) {
  attributes.push_back(NumberAttribute(CKA_CLASS, CKO_PRIVATE_KEY));
  for (const CK_ATTRIBUTE_TYPE yes :
       {CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_SIGN}) {
    attributes.push_back(FlagAttribute(yes, true));
  }
  for (const CK_ATTRIBUTE_TYPE no : {CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN_RECOVER,
                                     CKA_ALWAYS_AUTHENTICATE, CKA_WRAP_WITH_TRUSTED}) {
    attributes.push_back(FlagAttribute(no, false));
  }
  return {NumberOf("private", id), key, true, std::move(attributes)};
}

VirtualObject PublicKey(std::vector<Attribute> attributes, const std::string& id, std::size_t key) {
  attributes.push_back(NumberAttribute(CKA_CLASS, CKO_PUBLIC_KEY));
  attributes.push_back(FlagAttribute(CKA_VERIFY, true));
  for (const CK_ATTRIBUTE_TYPE no : {CKA_ENCRYPT, CKA_WRAP, CKA_VERIFY_RECOVER, CKA_TRUSTED})
    attributes.push_back(FlagAttribute(no, false));
  return {NumberOf("public", id), key, false, std::move(attributes)};
}

VirtualObject CertificateObject(const X509& certificate, const std::string& der,
                                const std::string& label, const std::string& id,
                                const std::string& owner, std::size_t key) {
  std::vector<Attribute> attributes = {
      NumberAttribute(CKA_CLASS, CKO_CERTIFICATE),
      NumberAttribute(CKA_CERTIFICATE_TYPE, CKC_X_509),
      FlagAttribute(CKA_TOKEN, true),
      FlagAttribute(CKA_PRIVATE, false),
      FlagAttribute(CKA_MODIFIABLE, false),
      FlagAttribute(CKA_TRUSTED, false),
      {CKA_LABEL, label},
      {CKA_ID, id},
      {CKA_VALUE, der},
      {CKA_SUBJECT, Der(X509_get_subject_name(&certificate), i2d_X509_NAME)},
      {CKA_ISSUER, Der(X509_get_issuer_name(&certificate), i2d_X509_NAME)},
      {CKA_SERIAL_NUMBER,
       Der(const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(&certificate)), i2d_ASN1_INTEGER)},
  };
  // Several keys have the same chain, and each its own object of it.
  const std::uint64_t number = NumberOf("certificate", owner + ":" + label + ":" + der);
  return {number, key, false, std::move(attributes)};
}

Status AddCertificates(const ViewKey& view, std::size_t key, const std::string& id,
                       const EVP_PKEY& public_key, std::vector<VirtualObject>& objects) {
  std::size_t place = 0;
  for (const std::string& encoded : view.certificates) {
    SIGNET_TRY(auto der, Base64Decode(encoded));
    const unsigned char* cursor = Octets(der);
    const Owned<X509> certificate(d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
    if (certificate == nullptr || cursor != Octets(der) + der.size()) {
      return Invalid(view.label, "has something that is no certificate");
    }
    const bool is_own = place == 0;
    if (is_own && EVP_PKEY_eq(X509_get0_pubkey(certificate.get()), &public_key) != 1) {
      return Invalid(view.label, "has a certificate of another key");
    }
    // Only the key's own certificate has its id: clients pair by it.
    const std::string label = is_own ? view.label : view.label + "-ca" + std::to_string(place);
    objects.push_back(CertificateObject(*certificate, der, label,
                                        is_own ? id : Sha256(der).substr(0, 20), id, key));
    ++place;
  }
  return Ok();
}

}  // namespace

const std::string* VirtualObject::Find(CK_ATTRIBUTE_TYPE type) const {
  for (const Attribute& attribute : attributes) {
    if (attribute.type == type) return &attribute.value;
  }
  return nullptr;
}

bool VirtualObject::Matches(const std::vector<Attribute>& match) const {
  const bool by_id = std::any_of(match.begin(), match.end(),
                                 [](const Attribute& wanted) { return wanted.type == CKA_ID; });
  return std::all_of(match.begin(), match.end(), [&](const Attribute& wanted) {
    const std::string* value = Find(wanted.type);
    if (value == nullptr) return false;
    const bool other =
        by_id && wanted.type == CKA_LABEL && !other_label.empty() && wanted.value == other_label;
    return other || *value == wanted.value;
  });
}

Result<std::shared_ptr<const VirtualObjects>> MakeVirtualObjects(const KeyView& view,
                                                                 std::uint64_t version) {
  if (view.keys.size() > kMaxKeys) return Invalid("", "is one of more than 1000");
  auto made = std::make_shared<VirtualObjects>();
  made->version = version;
  std::set<KeyId> seen;
  for (const ViewKey& key : view.keys) {
    auto id = HexDecode(key.id);
    auto spki = Base64Decode(key.spki);
    if (!id || id.value().empty() || !spki || key.label.empty() || key.label.size() > 128 ||
        key.certificates.size() > 32) {
      return Invalid(key.label, "is incomplete");
    }
    if (!seen.insert(key.id).second) return Invalid(key.label, "has the id of another one");
    const unsigned char* cursor = Octets(spki.value());
    const EvpPkeyPtr public_key(
        d2i_PUBKEY(nullptr, &cursor, static_cast<long>(spki.value().size())));
    if (public_key == nullptr) return Invalid(key.label, "has no public key");
    VirtualKey entry{key.purpose, key.services, key.id, {}};
    SIGNET_TRY(auto attributes, KeyAttributes(key, *public_key, id.value(), entry.spec));
    const std::size_t index = made->keys.size();
    made->keys.push_back(std::move(entry));
    made->objects.push_back(PrivateKey(attributes, id.value(), index));
    made->objects.push_back(PublicKey(std::move(attributes), id.value(), index));
    const bool is_current = key.label == key.purpose;
    for (std::size_t half = made->objects.size() - 2; half < made->objects.size(); ++half)
      made->objects[half].other_label = is_current ? key.purpose + kPreviousKey : key.purpose;
    SIGNET_TRY(AddCertificates(key, index, id.value(), *public_key, made->objects));
  }
  return std::shared_ptr<const VirtualObjects>(std::move(made));
}

}  // namespace signet::hsm
