#include "keystore/x509/pkcs7_read.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>

#include <memory>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

// OpenSSL's own PKCS7 decodes each certificate, 0.1 ms a piece, before any can be counted, and
// fails as a whole at the first bad one. These templates stop at the certificates' outer SEQUENCE.
struct InnerContent {
  ASN1_OBJECT* type;
  ASN1_TYPE* value;
};
struct SignedShape {
  ASN1_INTEGER* version;
  STACK_OF(ASN1_TYPE) * digests;
  InnerContent* content;
  STACK_OF(ASN1_TYPE) * certificates;
  STACK_OF(ASN1_TYPE) * crls;
  STACK_OF(ASN1_TYPE) * signers;
};
struct OuterContent {
  ASN1_OBJECT* type;
  SignedShape* content;
};

// clang-format off
ASN1_SEQUENCE(InnerContent) = {
  ASN1_SIMPLE(InnerContent, type, ASN1_OBJECT),
  ASN1_EXP_OPT(InnerContent, value, ASN1_ANY, 0),
} static_ASN1_SEQUENCE_END(InnerContent)

ASN1_SEQUENCE(SignedShape) = {
  ASN1_SIMPLE(SignedShape, version, ASN1_INTEGER),
  ASN1_SET_OF(SignedShape, digests, ASN1_ANY),
  ASN1_SIMPLE(SignedShape, content, InnerContent),
  ASN1_IMP_SET_OF_OPT(SignedShape, certificates, ASN1_ANY, 0),
  ASN1_IMP_SET_OF_OPT(SignedShape, crls, ASN1_ANY, 1),
  ASN1_SET_OF(SignedShape, signers, ASN1_ANY),
} static_ASN1_SEQUENCE_END(SignedShape)

ASN1_SEQUENCE(OuterContent) = {
  ASN1_SIMPLE(OuterContent, type, ASN1_OBJECT),
  ASN1_EXP(OuterContent, content, SignedShape, 0),
} static_ASN1_SEQUENCE_END(OuterContent)
    // clang-format on

    struct OuterFree {
  void operator()(OuterContent* p) const {
    ASN1_item_free(reinterpret_cast<ASN1_VALUE*>(p), ASN1_ITEM_rptr(OuterContent));
  }
};

std::size_t Count(const STACK_OF(ASN1_TYPE) * stack) {
  return stack == nullptr ? 0 : static_cast<std::size_t>(sk_ASN1_TYPE_num(stack));
}

}  // namespace

bool LooksLikePkcs7(std::string_view der) {
  const unsigned char* p = Octets(der);
  const unsigned char* end = p + der.size();
  long length = 0;
  int tag = 0;
  int xclass = 0;
  bool found = (ASN1_get_object(&p, &length, &tag, &xclass, end - p) & 0x80) == 0 &&
               tag == V_ASN1_SEQUENCE &&
               (ASN1_get_object(&p, &length, &tag, &xclass, end - p) & 0x80) == 0 &&
               tag == V_ASN1_OBJECT && xclass == V_ASN1_UNIVERSAL;
  ERR_clear_error();
  return found;
}

Result<Pkcs7Parts> TakePkcs7Apart(std::string_view der, std::size_t most) {
  const unsigned char* p = Octets(der);
  const std::unique_ptr<OuterContent, OuterFree> outer(reinterpret_cast<OuterContent*>(
      ASN1_item_d2i(nullptr, &p, static_cast<long>(der.size()), ASN1_ITEM_rptr(OuterContent))));
  ERR_clear_error();
  if (!outer || p != Octets(der) + der.size() || OBJ_obj2nid(outer->type) != NID_pkcs7_signed) {
    return MakeError(Kind::kRefused, "PEM_MALFORMED", "this is no certs-only PKCS#7 bundle",
                     "Make it with 'openssl crl2pkcs7 -nocrl -certfile …'.");
  }
  const SignedShape& data = *outer->content;
  const std::size_t count = Count(data.certificates);
  if (count > most) return TooManyCertificates(most);
  Pkcs7Parts parts;
  parts.crls = Count(data.crls);
  parts.signers = Count(data.signers);
  const ASN1_TYPE* content = data.content->value;
  if (content != nullptr && content->type == V_ASN1_OCTET_STRING) {
    parts.content = View(content->value.octet_string);
  }
  parts.certificates.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const ASN1_TYPE* item = sk_ASN1_TYPE_value(data.certificates, static_cast<int>(i));
    parts.certificates.push_back(item->type == V_ASN1_SEQUENCE
                                     ? std::string(View(item->value.sequence))
                                     : ToDer(item, i2d_ASN1_TYPE));
  }
  return parts;
}

Error TooManyCertificates(std::size_t most) {
  return MakeError(Kind::kRefused, "TOO_MANY_CERTIFICATES",
                   "more than " + std::to_string(most) + " certificates in one upload",
                   "Split the upload, or use bundle mode for a trust store (--mode bundle).");
}

}  // namespace signet::keystore::x509
