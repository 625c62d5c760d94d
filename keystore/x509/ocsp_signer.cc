#include "keystore/x509/ocsp_signer.h"

#include <openssl/err.h>

#include <algorithm>

#include "keystore/x509/key_strength.h"
#include "keystore/x509/ocsp.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

constexpr std::string_view kSigningUsage = "1.3.6.1.5.5.7.3.9";  // id-kp-OCSPSigning
constexpr std::size_t kMaxVerified = 32;                         // signatures of one response

using Role = OcspSigner::Role;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;

Error Unauthorised(const Certificate& certificate, const std::string& why) {
  return OcspFault("OCSP_RESPONDER_UNAUTHORISED",
                   "the responder '" + certificate.fields().subject + "' " + why);
}

bool IsNamed(const OcspResponse& response, const Certificate& certificate) {
  const ASN1_OCTET_STRING* key = nullptr;
  const X509_NAME* name = nullptr;
  if (OCSP_resp_get0_id(response.basic.get(), &key, &name) != 1) return false;
  if (name != nullptr) {
    return X509_NAME_cmp(name, X509_get_subject_name(certificate.handle())) == 0;
  }
  return key != nullptr && HexEncode(View(key)) == certificate.fields().key.ski;
}

// Nothing but the signature, over what is named as the signer.
bool IsSignedBy(const OcspResponse& response, const Certificate& certificate) {
  const StackPtr one(sk_X509_new_null());
  if (!one || sk_X509_push(one.get(), certificate.handle()) <= 0) return false;
  const bool verified = OCSP_basic_verify(response.basic.get(), one.get(), nullptr,
                                          OCSP_NOINTERN | OCSP_NOVERIFY) == 1;
  ERR_clear_error();
  return verified;
}

Status CheckStrength(const OcspResponse& response, const Certificate& certificate) {
  const X509_ALGOR* algorithm = OCSP_resp_get0_tbs_sigalg(response.basic.get());
  if (IsBrokenHash(SignatureHash(algorithm))) {
    return OcspFault("OCSP_SIGNATURE_WEAK", "the response is signed with " +
                                                ObjectName(algorithm->algorithm) +
                                                ", whose hash is broken");
  }
  for (const Finding& finding : Lint(certificate, LintRole::kAnchor)) {
    if (finding.severity == Severity::kError && finding.id.starts_with("KEY_")) {
      return OcspFault("OCSP_SIGNATURE_WEAK", "the response is signed with " + finding.text);
    }
  }
  return Ok();
}

Status CheckCurrent(const Certificate& certificate, WallTime now) {
  Findings findings;
  CheckDates(certificate, now, findings);
  if (HasErrors(findings)) return Unauthorised(certificate, "is not valid now");
  return Ok();
}

Status CheckUsages(const Certificate& certificate) {
  const auto& fields = certificate.fields();
  // anyExtendedKeyUsage will not do: §4.2.2.2 wants the delegation said.
  if (!fields.extended ||
      std::ranges::find(*fields.extended, kSigningUsage) == fields.extended->end()) {
    return Unauthorised(certificate, "has no OCSPSigning usage");
  }
  // RFC 5280 §4.2.1.12: both go with OCSPSigning, and national CAs write the latter alone.
  const auto may = [&fields](KeyUsage usage) {
    return (*fields.key_usage)[static_cast<std::size_t>(usage)];
  };
  if (fields.key_usage && !may(KeyUsage::kDigitalSignature) && !may(KeyUsage::kNonRepudiation)) {
    return Unauthorised(certificate, "has a key usage without digitalSignature");
  }
  return Ok();
}

Status CheckDesignated(const Certificate& certificate, Rigour rigour) {
  SIGNET_TRY(CheckUsages(certificate));
  if (rigour == Rigour::kLegacy) return Ok();
  for (const Finding& finding : Lint(certificate, LintRole::kPinned)) {
    if (finding.severity == Severity::kError) {
      return Unauthorised(certificate, "is refused: " + finding.text);
    }
  }
  return Ok();
}

// "This certificate MUST be issued directly by the CA that is identified in the request."
Status CheckDelegate(const OcspResponse& response, const Certificate& certificate,
                     const Certificate& issuer, WallTime now, Rigour rigour) {
  if (certificate.fields().issuer_der != issuer.fields().subject_der ||
      !certificate.IsSignedBy(issuer)) {
    return Unauthorised(certificate, "was not issued by '" + issuer.fields().subject + "'");
  }
  if (certificate.fields().ca) return Unauthorised(certificate, "is a CA, not a delegate");
  SIGNET_TRY(CheckUsages(certificate));
  if (response.produced_at < certificate.fields().not_before) {
    return Unauthorised(certificate, "signed before its certificate began");
  }
  TrustView trust;
  trust.anchors = [&issuer](const std::string& name, const std::string&) {
    return name == issuer.fields().subject_der ? std::vector<Certificate>{issuer}
                                               : std::vector<Certificate>{};
  };
  ChainPolicy policy;
  policy.time = now;
  policy.leaf_role = LintRole::kClient;  // nobody looks it up by a name
  policy.rigour = rigour;
  const ChainVerdict verdict = VerifyPath(certificate, {}, trust, policy);
  if (verdict.path.empty()) return Unauthorised(certificate, "has no path to the issuing CA");
  for (const Finding& finding : verdict.findings) {
    // The CA is taken as it is: its own path is the caller's.
    if (finding.severity != Severity::kError || finding.certificate == issuer.fingerprint()) {
      continue;
    }
    return Unauthorised(certificate, "is refused: " + finding.text);
  }
  return Ok();
}

}  // namespace

Result<OcspSigner> FindOcspSigner(const OcspResponse& response, const Certificate& issuer,
                                  std::span<const Certificate> designated, WallTime now,
                                  Rigour rigour) {
  std::vector<OcspSigner> named;
  const auto add = [&](Role role, const Certificate& certificate) {
    if (named.size() < kMaxVerified && IsNamed(response, certificate)) {
      named.push_back({role, certificate});
    }
  };
  add(Role::kIssuer, issuer);
  for (const Certificate& certificate : designated) add(Role::kDesignated, certificate);
  for (const Certificate& certificate : response.certificates) add(Role::kDelegate, certificate);
  std::optional<Error> refusal;
  bool broken = false;
  for (const OcspSigner& signer : named) {
    if (!IsSignedBy(response, signer.certificate)) {
      broken = true;
      continue;
    }
    const auto authority = [&]() -> Status {
      SIGNET_TRY(CheckCurrent(signer.certificate, now));
      if (signer.role == Role::kDesignated) {
        SIGNET_TRY(CheckDesignated(signer.certificate, rigour));
      }
      if (signer.role == Role::kDelegate) {
        SIGNET_TRY(CheckDelegate(response, signer.certificate, issuer, now, rigour));
      }
      return rigour == Rigour::kLegacy ? Ok() : CheckStrength(response, signer.certificate);
    };
    Status allowed = authority();
    if (allowed) return signer;
    if (!refusal) refusal = std::move(allowed).error();
  }
  if (refusal) return *std::move(refusal);
  if (broken) {
    return OcspFault("OCSP_SIGNATURE_INVALID", "the signature is not that of the named responder");
  }
  return OcspFault("OCSP_RESPONDER_UNAUTHORISED",
                   "the named responder is neither the issuing CA, nor designated, nor embedded");
}

namespace {

// The CA that every statement names (§4.1.1: hashes of its name and key).
bool IsIssuerOfAll(const OcspResponse& response, const Certificate& ca) {
  OCSP_BASICRESP* basic = response.basic.get();
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    const OCSP_CERTID* id = OCSP_SINGLERESP_get0_id(OCSP_resp_get0(basic, i));
    bool same = false;
    for (const EVP_MD* hash : {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()}) {
      // Without a certificate: the id of the CA alone.
      const CertIdPtr own(OCSP_cert_to_id(hash, nullptr, ca.handle()));
      same = same || (own && OCSP_id_issuer_cmp(own.get(), id) == 0);
    }
    if (!same) return false;
  }
  return true;
}

Status CheckTrusted(const Certificate& certificate, const OcspResponse& response,
                    const OcspSignerRules& rules, LintRole role) {
  const auto& trusted = rules.trusted;
  const bool itself = std::ranges::find(trusted, certificate) != trusted.end() &&
                      (rules.partial_chain || certificate.fields().self_issued);
  if (itself) return CheckCurrent(certificate, rules.now);
  std::vector<Certificate> extra = rules.untrusted;
  extra.insert(extra.end(), response.certificates.begin(), response.certificates.end());
  TrustView trust;
  trust.anchors = [&](const std::string& name, const std::string& key_id) {
    std::vector<Certificate> named;
    for (const Certificate& anchor : trusted) {
      if (anchor.fields().subject_der != name) continue;
      if (rules.partial_chain || anchor.fields().self_issued) named.push_back(anchor);
    }
    return BestCandidates(std::move(named), key_id);
  };
  ChainPolicy policy;
  policy.time = rules.now;
  policy.leaf_role = role;
  policy.rigour = rules.rigour;
  const ChainVerdict verdict = VerifyPath(certificate, extra, trust, policy);
  if (verdict.accepted()) return Ok();
  const auto error = std::ranges::find(verdict.findings, Severity::kError, &Finding::severity);
  return OcspFault(
      "OCSP_RESPONDER_UNTRUSTED",
      "no path to what is trusted: " +
          (error == verdict.findings.end() ? certificate.fields().subject : error->text));
}

}  // namespace

Status JudgeOcspSigner(std::string_view response_der, const OcspSignerRules& rules) {
  SIGNET_TRY(const OcspResponse response, ReadOcspResponse(response_der));
  std::vector<Certificate> all = rules.trusted;
  all.insert(all.end(), rules.untrusted.begin(), rules.untrusted.end());
  all.insert(all.end(), response.certificates.begin(), response.certificates.end());
  std::optional<Error> refusal;
  for (const Certificate& certificate : all) {
    Status judged = Ok();
    if (rules.no_certificate_checks) {
      if (!IsNamed(response, certificate) || !IsSignedBy(response, certificate)) continue;
      judged = CheckTrusted(certificate, response, rules, LintRole::kClient);
    } else {
      if (!IsIssuerOfAll(response, certificate)) continue;
      auto signer = FindOcspSigner(response, certificate, {}, rules.now, rules.rigour);
      judged = signer ? CheckTrusted(certificate, response, rules, LintRole::kIntermediate)
                      : Status(std::move(signer).error());
    }
    if (judged) return Ok();
    if (!refusal) refusal = std::move(judged).error();
  }
  if (refusal) return *std::move(refusal);
  return OcspFault("OCSP_RESPONDER_UNAUTHORISED",
                   "the CA that the statements name, or the responder, is not at hand");
}

}  // namespace signet::keystore::x509
