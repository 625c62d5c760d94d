#include "keystore/x509/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cctype>

#include "keystore/x509/key_strength.h"
#include "keystore/x509/openssl_ptr.h"
#include "keystore/x509/read.h"
#include "keystore/x509/reading_context.h"
#include "keystore/x509/strict_der.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kWord = "CERTIFICATE_MALFORMED";
constexpr int kMaxSerialOctets = 64;  // up to here a long serial is the lint's business

// Roots name themselves: what was worked out for one of two equal names is not worked out twice.
bool IssuerIsSubject(const X509* x509) {
  return NameDer(X509_get_subject_name(x509)) == NameDer(X509_get_issuer_name(x509));
}

std::string SerialText(const ASN1_INTEGER* serial) {
  const BnPtr number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (!number || BN_is_zero(number.get())) return "0";
  const std::unique_ptr<char, Deleter<FreeOpenSsl>> hex(BN_bn2hex(number.get()));
  if (!hex) return "0";
  std::string_view text(hex.get());
  std::string out;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
  for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Status CheckEnvelope(X509* x509) {
  const long version = X509_get_version(x509);
  if (version < 0 || version > 2) return Malformed(kWord, "the version is unknown");
  if (version < 2 && X509_get_ext_count(x509) > 0) {
    return Malformed(kWord, "a version " + std::to_string(version + 1) +
                                " certificate with extensions, which only version 3 has");
  }
  const X509_ALGOR* outer = nullptr;
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, &outer, x509);
  if (X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(x509)) != 0) {
    return Malformed(kWord, "the inner and the outer signature algorithm differ");
  }
  if (ASN1_STRING_length(X509_get0_serialNumber(x509)) > kMaxSerialOctets) {
    return Malformed(kWord, "the serial number has more than 64 octets");
  }
  return Ok();
}

Status FillExtensions(X509* x509, int max_sans, Certificate::Fields& fields) {
  SIGNET_TRY(auto read, ReadExtensions(X509_get0_extensions(x509), kWord, max_sans));
  fields.sans = std::move(read.sans);
  fields.ski = std::move(read.ski);
  fields.aki = std::move(read.aki);
  fields.ca = read.ca;
  fields.path_length = read.path_length;
  fields.key_usage = std::move(read.key_usage);
  fields.extended = std::move(read.extended);
  // OpenSSL fills its caches on first use: here, while no other thread sees the object.
  if (X509_check_purpose(x509, -1, 0) != 1 ||
      (X509_get_extension_flags(x509) & EXFLAG_INVALID) != 0) {
    return Malformed(kWord, "an extension has an impossible value");
  }
  return Ok();
}

Status ReadNames(X509* x509, Certificate::Fields& fields) {
  const X509_NAME* subject = X509_get_subject_name(x509);
  const X509_NAME* issuer = X509_get_issuer_name(x509);
  const bool same = IssuerIsSubject(x509);
  SIGNET_TRY(fields.subject_der, ReadName(subject, kWord));
  fields.issuer_der = fields.subject_der;
  if (!same) {
    SIGNET_TRY(fields.issuer_der, ReadName(issuer, kWord));
  }
  fields.subject = NameText(subject);
  fields.issuer = same ? fields.subject : NameText(issuer);
  fields.common_name = EscapeLine(FirstCommonName(subject));
  fields.self_issued = X509_NAME_cmp(subject, issuer) == 0;
  return Ok();
}

}  // namespace

Result<WallTime> ReadTime(const ASN1_TIME* time, std::string_view word) {
  const std::string_view text = View(time);
  const std::size_t wanted = ASN1_STRING_type(time) == V_ASN1_UTCTIME ? 13 : 15;
  bool digits = text.size() == wanted && text.back() == 'Z';
  for (std::size_t i = 0; digits && i + 1 < wanted; ++i) digits = text[i] >= '0' && text[i] <= '9';
  std::tm parts{};
  if (!digits || ASN1_TIME_to_tm(time, &parts) != 1) {
    return Malformed(word, "a date is not of RFC 5280's form");
  }
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

std::string Certificate::IssuerCommonName() const {
  return EscapeLine(FirstCommonName(X509_get_issuer_name(handle())));
}

Result<Certificate> Certificate::FromDer(std::string_view der, int max_sans) {
  if (der.size() > kMaxDer) {
    return MakeError(Kind::kRefused, "CERTIFICATE_TOO_LARGE",
                     "a certificate of " + std::to_string(der.size()) + " octets, at most " +
                         std::to_string(kMaxDer) + " are taken",
                     "Have it issued with fewer names and extensions.");
  }
  auto data = std::make_shared<Data>();
  const unsigned char* p = Octets(der);
  X509* x509 = X509_new_ex(ReadingContext(), nullptr);
  d2i_X509(&x509, &p, static_cast<long>(der.size()));  // frees it and sets null when it fails
  data->x509.reset(x509);
  if (x509 == nullptr) return Malformed(kWord, "this is not a DER certificate");
  if (p != Octets(der) + der.size()) return Malformed(kWord, "octets follow the certificate");
  SIGNET_TRY(CheckEnvelope(x509));
  Fields& fields = data->fields;
  SIGNET_TRY(ReadNames(x509, fields));
  if (!IsStrictDer(der)) {
    return Malformed(kWord, "the certificate is not in DER (a length or value is not minimal)");
  }
  SIGNET_TRY(auto key, ReadPublicKey(X509_get_X509_PUBKEY(x509), kWord));
  fields.key = std::move(key);
  SIGNET_TRY(FillExtensions(x509, max_sans, fields));
  SIGNET_TRY(auto not_before, ReadTime(X509_get0_notBefore(x509), kWord));
  SIGNET_TRY(auto not_after, ReadTime(X509_get0_notAfter(x509), kWord));
  if (not_after < not_before) return Malformed(kWord, "notAfter lies before notBefore");
  fields.not_before = not_before;
  fields.not_after = not_after;
  fields.serial = SerialText(X509_get0_serialNumber(x509));
  fields.signature_algorithm = ObjectName(X509_get0_tbs_sigalg(x509)->algorithm);
  fields.fingerprint = Sha256Hex(der);
  fields.self_signed = fields.self_issued && X509_verify(x509, X509_get0_pubkey(x509)) == 1;
  data->der = std::string(der);
  ERR_clear_error();
  return Certificate(std::move(data));
}

const std::vector<std::string>& Certificate::RsaKeyWeaknesses() const {
  std::call_once(data_->once,
                 [this] { data_->rsa_weaknesses = RsaWeaknesses(X509_get0_pubkey(handle())); });
  return data_->rsa_weaknesses;
}

std::string Certificate::ToPem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), PEM_STRING_X509, "", Octets(der()), static_cast<long>(der().size()));
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

bool Certificate::IsSignedBy(const Certificate& issuer) const {
  const bool verified = X509_verify(handle(), X509_get0_pubkey(issuer.handle())) == 1;
  ERR_clear_error();
  return verified;
}

}  // namespace signet::keystore::x509
