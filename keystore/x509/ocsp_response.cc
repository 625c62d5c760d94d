#include "keystore/x509/ocsp_response.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <span>

#include "keystore/x509/ocsp.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kWord = "OCSP_MALFORMED";
constexpr int kMaxStatements = 64;
constexpr int kMaxEmbedded = 16;
constexpr std::string_view kVersion1{"\xA0\x03\x02\x01\x00", 5};

struct Remedy {
  std::string_view word, text;
};
constexpr std::string_view kAskTheCa =
    "Tell the CA's operator; until then nothing is known of the certificate.";
constexpr std::string_view kWhoMaySign =
    "Check the responder's address. Where it is right and its certificate comes from elsewhere, "
    "store that with: signet trust upload --as ocsp-responder.";
constexpr std::string_view kClocks = "Compare this node's clock with the responder's.";
constexpr std::string_view kAgain = "Check again later.";
constexpr std::string_view kRenew =
    "Take the certificate out of service; have it issued anew, or ask the CA why.";
// Of all others: kAskTheCa.
constexpr std::array<Remedy, 14> kRemedies{{
    {"OCSP_REVOKED", kRenew},
    {"OCSP_ON_HOLD", "Take the certificate out of service until the CA releases it."},
    {"OCSP_STALE", kClocks},
    {"OCSP_FUTURE", kClocks},
    {"OCSP_TRY_LATER", kAgain},
    {"OCSP_RESPONDER_FAILED", kAgain},
    {"OCSP_REFUSED", "Check the responder's address: it does not answer for this CA."},
    {"OCSP_WRONG_ID", "Check the responder's address: it answers for another certificate or CA."},
    {"OCSP_MALFORMED", "Check the responder's address, and proxies on the way to it."},
    {"OCSP_NONCE_WRONG", "Check again; if it stays, somebody replays old answers."},
    {"OCSP_NONCE_MISSING", "Switch the nonce off if this responder prepares its answers."},
    {"OCSP_RESPONDER_UNAUTHORISED", kWhoMaySign},
    {"OCSP_SIGNATURE_INVALID", kWhoMaySign},
    {"OCSP_WRONG_ISSUER", "Name the CA certificate that issued it."},
}};

// §2.3. What has no word here (success, numbers that nobody assigned) is malformed.
struct ResponderError {
  int status;
  const char* word;
  const char* text;
};
constexpr std::array<ResponderError, 5> kErrors{{
    {OCSP_RESPONSE_STATUS_MALFORMEDREQUEST, "OCSP_REQUEST_MALFORMED",
     "the responder does not understand the request"},
    {OCSP_RESPONSE_STATUS_INTERNALERROR, "OCSP_RESPONDER_FAILED",
     "the responder reports an error of its own"},
    {OCSP_RESPONSE_STATUS_TRYLATER, "OCSP_TRY_LATER", "the responder is too busy to answer"},
    {OCSP_RESPONSE_STATUS_SIGREQUIRED, "OCSP_REQUEST_UNSIGNED",
     "the responder answers signed requests only"},
    {OCSP_RESPONSE_STATUS_UNAUTHORIZED, "OCSP_REFUSED",
     "the responder may not or can not answer about this certificate"},
}};

// What may be critical and changes nothing for us. certificateIssuer and delta lists do.
constexpr std::array kResponseExtensions{NID_id_pkix_OCSP_Nonce};
constexpr std::array kStatementExtensions{NID_id_pkix_OCSP_CrlID, NID_id_pkix_OCSP_archiveCutoff,
                                          NID_crl_reason, NID_invalidity_date,
                                          NID_hold_instruction_code};

struct FreeStack {
  void operator()(STACK_OF(X509_EXTENSION) * stack) const { sk_X509_EXTENSION_free(stack); }
};
using ExtensionView = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeStack>;
using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, Deleter<OCSP_RESPONSE_free>>;

Error Broken(std::string detail) { return OcspFault(kWord, std::move(detail)); }

Status CheckCritical(const STACK_OF(X509_EXTENSION) * extensions, std::span<const int> known) {
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions, i);
    ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
    const bool is_known = std::ranges::find(known, OBJ_obj2nid(object)) != known.end();
    if (X509_EXTENSION_get_critical(extension) == 0 || is_known) continue;
    return OcspFault("OCSP_CRITICAL_EXTENSION", "the response has the critical extension " +
                                                    ObjectName(object) + ", which is not known");
  }
  return Ok();
}

// Strict as of certificates: each in DER, none there twice.
template <class T>
Status CheckExtensions(T* holder, int (*count)(T*), X509_EXTENSION* (*get)(T*, int),
                       std::span<const int> known) {
  const ExtensionView all(sk_X509_EXTENSION_new_null());
  for (int i = 0; i < count(holder); ++i) {
    if (!all || sk_X509_EXTENSION_push(all.get(), get(holder, i)) <= 0) {
      return Broken("out of memory");
    }
  }
  auto read = ReadExtensions(all.get(), kWord);
  if (!read) return Broken(read.error().detail);
  return CheckCritical(all.get(), known);
}

// OpenSSL shows no version: RFC 6960 §4.2.1's first member, which DER leaves out when it is v1.
Status CheckVersion(const OCSP_BASICRESP* basic) {
  const std::string data = ToDer(OCSP_resp_get0_respdata(basic), i2d_OCSP_RESPDATA);
  const unsigned char* p = Octets(data);
  const SequencePtr parts(d2i_ASN1_SEQUENCE_ANY(nullptr, &p, static_cast<long>(data.size())));
  const ASN1_TYPE* first = parts ? sk_ASN1_TYPE_value(parts.get(), 0) : nullptr;
  if (first == nullptr) return Broken("the response's data can not be decoded");
  if (first->type != V_ASN1_OTHER) return Ok();
  const std::string_view text = View(first->value.asn1_string);
  if (!text.starts_with(kVersion1.front()) || text == kVersion1) return Ok();
  return Broken("the response is of another version than 1");
}

Status CheckName(const OCSP_BASICRESP* basic) {
  const ASN1_OCTET_STRING* key = nullptr;
  const X509_NAME* name = nullptr;
  if (OCSP_resp_get0_id(basic, &key, &name) != 1) return Broken("the response names no responder");
  if (name == nullptr) return Ok();
  auto read = ReadName(name, kWord);
  if (!read) return Broken(read.error().detail);
  return Ok();
}

Status CheckSizes(OCSP_BASICRESP* basic) {
  const int statements = OCSP_resp_count(basic);
  const int embedded = std::max(sk_X509_num(OCSP_resp_get0_certs(basic)), 0);
  if (statements < 1) return Broken("the response says nothing about any certificate");
  if (statements > kMaxStatements || embedded > kMaxEmbedded) {
    return OcspFault("OCSP_TOO_LARGE", "a response with " + std::to_string(statements) +
                                           " statements and " + std::to_string(embedded) +
                                           " certificates, at most " +
                                           std::to_string(kMaxStatements) + " and " +
                                           std::to_string(kMaxEmbedded) + " are taken");
  }
  return Ok();
}

// OpenSSL reads BER and verifies what it writes anew: what it writes must be what came.
bool IsDer(std::string_view der, OCSP_BASICRESP* basic) {
  const ResponsePtr anew(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
  return anew && ToDer(anew.get(), i2d_OCSP_RESPONSE) == der;
}

Result<ResponsePtr> Decode(std::string_view der) {
  if (der.empty()) return Broken("the answer is empty");
  if (der.size() > kMaxOcspResponse) {
    return OcspFault("OCSP_TOO_LARGE", "an answer of " + std::to_string(der.size()) +
                                           " octets, at most " + std::to_string(kMaxOcspResponse) +
                                           " are taken");
  }
  const unsigned char* p = Octets(der);
  ResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &p, static_cast<long>(der.size())));
  if (!response) return Broken("the answer is no OCSP response");
  if (p != Octets(der) + der.size()) return Broken("octets follow the OCSP response");
  const int status = OCSP_response_status(response.get());
  if (status == OCSP_RESPONSE_STATUS_SUCCESSFUL) return response;
  for (const ResponderError& error : kErrors) {
    if (error.status == status) return OcspFault(error.word, error.text);
  }
  return Broken("the responder reports the unassigned status " + std::to_string(status));
}

}  // namespace

Error OcspFault(std::string_view word, std::string detail) {
  const auto* known = std::ranges::find(kRemedies, word, &Remedy::word);
  return MakeError(Kind::kRefused, std::string(word), EscapeLine(detail),
                   std::string(known == kRemedies.end() ? kAskTheCa : known->text));
}

Result<OcspResponse> ReadOcspResponse(std::string_view der) {
  SIGNET_TRY(const ResponsePtr response, Decode(der));
  OcspResponse out;
  out.basic.reset(OCSP_response_get1_basic(response.get()));
  OCSP_BASICRESP* basic = out.basic.get();
  if (basic == nullptr) return Broken("the response is not of the basic type, or damaged");
  SIGNET_TRY(CheckSizes(basic));
  SIGNET_TRY(CheckName(basic));
  if (!IsDer(der, basic)) return Broken("the response is not in DER");
  SIGNET_TRY(CheckVersion(basic));
  SIGNET_TRY(CheckExtensions(basic, OCSP_BASICRESP_get_ext_count, OCSP_BASICRESP_get_ext,
                             kResponseExtensions));
  auto produced_at = ReadTime(OCSP_resp_get0_produced_at(basic), kWord);
  if (!produced_at) return Broken(produced_at.error().detail);
  out.produced_at = produced_at.value();
  const int nonce = OCSP_BASICRESP_get_ext_by_NID(basic, NID_id_pkix_OCSP_Nonce, -1);
  if (nonce >= 0) out.nonce = View(X509_EXTENSION_get_data(OCSP_BASICRESP_get_ext(basic, nonce)));
  const STACK_OF(X509)* embedded = OCSP_resp_get0_certs(basic);
  for (int i = 0; i < sk_X509_num(embedded); ++i) {
    auto certificate = Certificate::FromDer(ToDer(sk_X509_value(embedded, i), i2d_X509));
    if (certificate) out.certificates.push_back(std::move(certificate).value());
  }
  ERR_clear_error();
  return out;
}

Status CheckStatementExtensions(OCSP_SINGLERESP* single) {
  return CheckExtensions(single, OCSP_SINGLERESP_get_ext_count, OCSP_SINGLERESP_get_ext,
                         kStatementExtensions);
}

std::vector<CertIdPtr> CertIds(const Certificate& certificate, const Certificate& issuer) {
  std::vector<CertIdPtr> ids;
  for (const EVP_MD* hash : {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()}) {
    CertIdPtr id(OCSP_cert_to_id(hash, certificate.handle(), issuer.handle()));
    if (id) ids.push_back(std::move(id));
  }
  return ids;
}

std::string NonceValue(std::string_view nonce) {
  const OctetStringPtr value(ASN1_OCTET_STRING_new());
  if (!value ||
      ASN1_OCTET_STRING_set(value.get(), Octets(nonce), static_cast<int>(nonce.size())) != 1) {
    return {};
  }
  return ToDer(value.get(), i2d_ASN1_OCTET_STRING);
}

}  // namespace signet::keystore::x509
