#include "keystore/x509/strict_der.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>

#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

// RFC 5280 §4.1, with the members as OpenSSL's own templates read them.
struct KeyShape {
  X509_ALGOR* algorithm;
  ASN1_BIT_STRING* bits;
};
struct SignedShape {
  ASN1_INTEGER* version;
  ASN1_INTEGER* serial;
  X509_ALGOR* signature;
  ASN1_TYPE* issuer;
  X509_VAL* validity;
  ASN1_TYPE* subject;
  KeyShape* key;
  ASN1_BIT_STRING* issuer_id;
  ASN1_BIT_STRING* subject_id;
  STACK_OF(X509_EXTENSION) * extensions;
};
struct CertificateShape {
  SignedShape* content;
  X509_ALGOR* algorithm;
  ASN1_BIT_STRING* signature;
};

// clang-format off
ASN1_SEQUENCE(KeyShape) = {
  ASN1_SIMPLE(KeyShape, algorithm, X509_ALGOR),
  ASN1_SIMPLE(KeyShape, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(KeyShape)

ASN1_SEQUENCE(SignedShape) = {
  ASN1_EXP_OPT(SignedShape, version, ASN1_INTEGER, 0),
  ASN1_SIMPLE(SignedShape, serial, ASN1_INTEGER),
  ASN1_SIMPLE(SignedShape, signature, X509_ALGOR),
  ASN1_SIMPLE(SignedShape, issuer, ASN1_ANY),
  ASN1_SIMPLE(SignedShape, validity, X509_VAL),
  ASN1_SIMPLE(SignedShape, subject, ASN1_ANY),
  ASN1_SIMPLE(SignedShape, key, KeyShape),
  ASN1_IMP_OPT(SignedShape, issuer_id, ASN1_BIT_STRING, 1),
  ASN1_IMP_OPT(SignedShape, subject_id, ASN1_BIT_STRING, 2),
  ASN1_EXP_SEQUENCE_OF_OPT(SignedShape, extensions, X509_EXTENSION, 3),
} static_ASN1_SEQUENCE_END(SignedShape)

ASN1_SEQUENCE(CertificateShape) = {
  ASN1_SIMPLE(CertificateShape, content, SignedShape),
  ASN1_SIMPLE(CertificateShape, algorithm, X509_ALGOR),
  ASN1_SIMPLE(CertificateShape, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(CertificateShape)
    // clang-format on

    struct ShapeFree {
  void operator()(ASN1_VALUE* p) const { ASN1_item_free(p, ASN1_ITEM_rptr(CertificateShape)); }
};

}  // namespace

bool IsStrictDer(std::string_view certificate) {
  const unsigned char* p = Octets(certificate);
  const std::unique_ptr<ASN1_VALUE, ShapeFree> shape(ASN1_item_d2i(
      nullptr, &p, static_cast<long>(certificate.size()), ASN1_ITEM_rptr(CertificateShape)));
  unsigned char* out = nullptr;
  const int size = shape ? ASN1_item_i2d(shape.get(), &out, ASN1_ITEM_rptr(CertificateShape)) : -1;
  const std::unique_ptr<unsigned char, Deleter<FreeOpenSsl>> owner(out);
  ERR_clear_error();
  return size > 0 && std::string_view(reinterpret_cast<char*>(out),
                                      static_cast<std::size_t>(size)) == certificate;
}

}  // namespace signet::keystore::x509
