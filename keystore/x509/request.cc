#include <openssl/err.h>

#include "keystore/x509/certificate.h"
#include "keystore/x509/key_strength.h"
#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kWord = "CSR_MALFORMED";
constexpr int kMaxAttributes = 32;

Status CheckStrictDer(X509_REQ* request, std::string_view der) {
  unsigned char* tbs = nullptr;
  const int size = i2d_re_X509_REQ_tbs(request, &tbs);
  OPENSSL_free(tbs);
  if (size <= 0 || ToDer(request, i2d_X509_REQ) != der) {
    return Malformed(kWord, "the request is not in DER");
  }
  return Ok();
}

// Only the extensionRequest is honoured; a challenge password or anything else is named and left
// out.
Status ReadAttributes(X509_REQ* request, RequestFields& fields) {
  const int count = X509_REQ_get_attr_count(request);
  if (count > kMaxAttributes) return Malformed(kWord, std::to_string(count) + " attributes");
  int extension_requests = 0;
  for (int i = 0; i < count; ++i) {
    ASN1_OBJECT* object = X509_ATTRIBUTE_get0_object(X509_REQ_get_attr(request, i));
    const int nid = OBJ_obj2nid(object);
    if (nid == NID_ext_req || nid == NID_ms_ext_req) {
      ++extension_requests;
    } else {
      fields.dropped.push_back(ObjectName(object));
    }
  }
  if (extension_requests > 1) return Malformed(kWord, "more than one request of extensions");
  return Ok();
}

bool IsHonoured(int nid) {
  return nid == NID_subject_alt_name || nid == NID_key_usage || nid == NID_ext_key_usage ||
         nid == NID_basic_constraints || nid == NID_subject_key_identifier;
}

Status ReadRequested(X509_REQ* request, RequestFields& fields) {
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request));
  SIGNET_TRY(auto read, ReadExtensions(extensions.get(), kWord));
  for (int i = 0; extensions && i < sk_X509_EXTENSION_num(extensions.get()); ++i) {
    const ASN1_OBJECT* object =
        X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions.get(), i));
    if (!IsHonoured(OBJ_obj2nid(object))) fields.dropped.push_back(ObjectName(object));
  }
  fields.sans = std::move(read.sans);
  fields.key_usage = read.key_usage.value_or(std::vector<bool>(kKeyUsageBits));
  fields.extended = std::move(read.extended).value_or(std::vector<std::string>());
  fields.ca = read.ca;
  fields.path_length = read.path_length;
  return Ok();
}

}  // namespace

Result<RequestFields> ParseRequest(std::string_view der) {
  if (der.size() > kMaxDer) {
    return Malformed(kWord, "a request of " + std::to_string(der.size()) + " octets");
  }
  const unsigned char* p = Octets(der);
  const ReqPtr request(d2i_X509_REQ(nullptr, &p, static_cast<long>(der.size())));
  if (!request) return Malformed(kWord, "this is not a DER certification request");
  if (p != Octets(der) + der.size()) return Malformed(kWord, "octets follow the request");
  if (X509_REQ_get_version(request.get()) != 0) return Malformed(kWord, "the version is unknown");

  RequestFields fields;
  const X509_NAME* subject = X509_REQ_get_subject_name(request.get());
  SIGNET_TRY(fields.subject_der, ReadName(subject, kWord));
  SIGNET_TRY(CheckStrictDer(request.get(), der));
  SIGNET_TRY(auto key, ReadPublicKey(X509_REQ_get_X509_PUBKEY(request.get()), kWord));
  fields.key = std::move(key);
  EVP_PKEY* pkey = X509_REQ_get0_pubkey(request.get());
  if (fields.key.text.starts_with("rsa")) fields.key_weaknesses = RsaWeaknesses(pkey);
  fields.subject = NameText(subject);
  fields.common_name = EscapeLine(FirstCommonName(subject));
  SIGNET_TRY(ReadAttributes(request.get(), fields));
  SIGNET_TRY(ReadRequested(request.get(), fields));
  if (X509_REQ_verify(request.get(), pkey) != 1) {
    ERR_clear_error();
    return MakeError(Kind::kRefused, "CSR_SIGNATURE_INVALID",
                     "the request's signature is not by the key that it holds",
                     "Make the request again where the key is.");
  }
  return fields;
}

}  // namespace signet::keystore::x509
