#include "keystore/x509/builder.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "keystore/x509/extension_writer.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {
namespace {

const EVP_MD* DigestOf(hsm::HashAlgorithm hash) {
  switch (hash) {
    case hsm::HashAlgorithm::kSha256:
      return EVP_sha256();
    case hsm::HashAlgorithm::kSha384:
      return EVP_sha384();
    case hsm::HashAlgorithm::kSha512:
      return EVP_sha512();
  }
  return EVP_sha256();
}

Error Encoding(std::string_view what) {
  return OpenSslError(Kind::kInternal, "ENCODE_FAILED", what);
}

Error SignFailed() {
  Error error = OpenSslError(Kind::kTokenFailed, "SIGN_FAILED", "the key did not sign");
  error.remedy = "Look at the token's state with 'signet token status', then try again.";
  return error;
}

Error SignatureInvalid() {
  ERR_clear_error();
  return MakeError(
      Kind::kTokenFailed, "SIGNATURE_INVALID",
      "what was signed does not verify with the public key that it is for",
      "The token paired the wrong keys or is defective: run its self-test before anything "
      "else, and do not use the key.");
}

Result<PkeyPtr> PublicKey(const std::string& spki) {
  const unsigned char* p = Octets(spki);
  PkeyPtr key(d2i_PUBKEY(nullptr, &p, static_cast<long>(spki.size())));
  if (!key || p != Octets(spki) + spki.size()) return Encoding("the public key can not be read");
  return key;
}

Status SetSerial(X509* x509) {
  std::string octets = RandomBytes(16);
  octets[0] =
      static_cast<char>(static_cast<unsigned char>(octets[0]) & 0x7Fu);  // 127 bits, positive
  octets[15] = static_cast<char>(static_cast<unsigned char>(octets[15]) | 1u);  // never zero
  const BnPtr number(BN_bin2bn(Octets(octets), static_cast<int>(octets.size()), nullptr));
  if (!number || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) == nullptr) {
    return Encoding("serialNumber");
  }
  return Ok();
}

Status SetValidity(X509* x509, const Validity& validity) {
  if (validity.not_after <= validity.not_before) {
    return MakeError(Kind::kUsage, "VALIDITY_INVALID", "the validity ends before it begins",
                     "Give a number of days above 0.");
  }
  const auto seconds = [](WallTime time) {
    return static_cast<time_t>(time.time_since_epoch().count());
  };
  // ASN1_TIME_set writes a fifth digit of the year without a word.
  constexpr WallTime kFirst{std::chrono::seconds(-2208988800)};  // 1900
  constexpr WallTime kLast{std::chrono::seconds(253402300799)};  // 9999-12-31T23:59:59Z
  if (validity.not_before < kFirst || validity.not_after > kLast ||
      ASN1_TIME_set(X509_getm_notBefore(x509), seconds(validity.not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(x509), seconds(validity.not_after)) == nullptr) {
    ERR_clear_error();
    return MakeError(Kind::kUsage, "VALIDITY_INVALID",
                     "a date is outside of the years 1900 to 9999", "Give an earlier end.");
  }
  return Ok();
}

Status AddExtensions(X509* x509, const Template& content, const std::string& spki) {
  SIGNET_TRY(auto extensions, WriteExtensions(content, spki, false));
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions.get()); ++i) {
    if (X509_add_ext(x509, sk_X509_EXTENSION_value(extensions.get(), i), -1) != 1) {
      return Encoding("extensions");
    }
  }
  return Ok();
}

Result<PkeyPtr> ThrowAwayKey(const hsm::KeySpec& spec) {
  PkeyPtr key;
  if (spec.algorithm == hsm::KeyAlgorithm::kRsa) {
    key.reset(EVP_RSA_gen(static_cast<unsigned int>(spec.bits)));
  } else {
    key.reset(EVP_EC_gen(spec.bits == 256 ? "P-256" : spec.bits == 384 ? "P-384" : "P-521"));
  }
  if (!key) return Encoding("the key of the rehearsal");
  return key;
}

Result<Findings> LintRehearsed(const Template& content, const Validity* validity, EVP_PKEY* key) {
  const std::string spki = ToDer(key, i2d_PUBKEY);
  if (validity == nullptr) {
    SIGNET_TRY(auto der, BuildRequest(content, spki, key));
    SIGNET_TRY(auto request, ParseRequest(der));
    return LintRequest(request, content.profile);
  }
  SIGNET_TRY(auto der, BuildSelfSigned(content, *validity, spki, key));
  SIGNET_TRY(auto certificate, Certificate::FromDer(der));
  Findings findings =
      Lint(certificate, content.profile.ca ? LintRole::kAnchor : LintRole::kEndEntity);
  Findings more = LintProfile(certificate, content.profile);
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  return findings;
}

}  // namespace

Result<std::string> BuildRequest(const Template& content, const std::string& spki,
                                 EVP_PKEY* signer) {
  ERR_clear_error();
  SIGNET_TRY(auto key, PublicKey(spki));
  SIGNET_TRY(auto subject, WriteSubject(content.subject));
  SIGNET_TRY(auto extensions, WriteExtensions(content, spki, true));
  const ReqPtr request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_subject_name(request.get(), subject.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1) {
    return Encoding("request");
  }
  if (X509_REQ_sign(request.get(), signer, DigestOf(content.hash)) <= 0) return SignFailed();
  if (X509_REQ_verify(request.get(), key.get()) != 1) return SignatureInvalid();
  return ToDer(request.get(), i2d_X509_REQ);
}

Result<std::string> BuildSelfSigned(const Template& content, const Validity& validity,
                                    const std::string& spki, EVP_PKEY* signer) {
  ERR_clear_error();
  SIGNET_TRY(auto key, PublicKey(spki));
  SIGNET_TRY(auto subject, WriteSubject(content.subject));
  const X509Ptr x509(X509_new());
  if (!x509 || X509_set_version(x509.get(), 2) != 1 ||
      X509_set_subject_name(x509.get(), subject.get()) != 1 ||
      X509_set_issuer_name(x509.get(), subject.get()) != 1 ||
      X509_set_pubkey(x509.get(), key.get()) != 1) {
    return Encoding("certificate");
  }
  SIGNET_TRY(SetSerial(x509.get()));
  SIGNET_TRY(SetValidity(x509.get(), validity));
  SIGNET_TRY(AddExtensions(x509.get(), content, spki));
  if (X509_sign(x509.get(), signer, DigestOf(content.hash)) <= 0) return SignFailed();
  if (X509_verify(x509.get(), key.get()) != 1) return SignatureInvalid();
  return ToDer(x509.get(), i2d_X509);
}

Result<Findings> Rehearsal::Run(const Template& content, const Validity* validity,
                                const hsm::KeySpec& spec) {
  SIGNET_TRY(CheckHash(spec, content.hash));
  std::shared_ptr<EVP_PKEY> key;
  {
    std::lock_guard lock(mutex_);
    auto& kept = keys_[{spec.algorithm, spec.bits}];
    if (!kept) {
      SIGNET_TRY(auto made, ThrowAwayKey(spec));
      kept = std::shared_ptr<EVP_PKEY>(made.release(), EVP_PKEY_free);
    }
    key = kept;
  }
  SIGNET_TRY(auto findings, LintRehearsed(content, validity, key.get()));
  if (HasErrors(findings)) {
    Error error = MakeError(Kind::kRefused, "LINT_FAILED",
                            "what would be signed has errors; the token was not asked to sign it",
                            "Mend what the findings name and try again.");
    error.findings = std::move(findings);
    return error;
  }
  return findings;
}

hsm::HashAlgorithm DefaultHash(const hsm::KeySpec& spec) {
  if (spec.algorithm == hsm::KeyAlgorithm::kRsa) return hsm::HashAlgorithm::kSha256;
  if (spec.bits > 384) return hsm::HashAlgorithm::kSha512;
  return spec.bits > 256 ? hsm::HashAlgorithm::kSha384 : hsm::HashAlgorithm::kSha256;
}

Status CheckHash(const hsm::KeySpec& spec, hsm::HashAlgorithm hash) {
  if (hash >= DefaultHash(spec) || spec.algorithm == hsm::KeyAlgorithm::kRsa) return Ok();
  return MakeError(Kind::kRefused, "HASH_TOO_WEAK",
                   "the hash is weaker than the curve of " + std::to_string(spec.bits) + " bits",
                   "Take SHA-384 or stronger with P-384, SHA-512 with P-521.");
}

}  // namespace signet::keystore::x509
