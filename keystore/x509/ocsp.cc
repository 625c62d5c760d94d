#include "keystore/x509/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <algorithm>

#include "keystore/x509/ocsp_response.h"
#include "keystore/x509/ocsp_signer.h"
#include "keystore/x509/read.h"
#include "keystore/x509/revocation_urls.h"

namespace signet::keystore::x509 {
namespace {

using RequestPtr = std::unique_ptr<OCSP_REQUEST, Deleter<OCSP_REQUEST_free>>;

// What one SingleResponse says that is about our certificate, and fresh.
struct Statement {
  int status = V_OCSP_CERTSTATUS_UNKNOWN;
  WallTime this_update{};
  std::optional<WallTime> next_update, revoked_at;
  int reason = OCSP_REVOKED_STATUS_NOSTATUS;
};

Status CheckIssuer(const Certificate& certificate, const Certificate& issuer) {
  if (certificate.fields().issuer_der == issuer.fields().subject_der &&
      certificate.IsSignedBy(issuer)) {
    return Ok();
  }
  return OcspFault("OCSP_WRONG_ISSUER", "'" + certificate.fields().subject +
                                            "' was not issued by this '" + issuer.fields().subject +
                                            "'");
}

Result<WallTime> StatedTime(const ASN1_GENERALIZEDTIME* time) {
  auto read = ReadTime(time, "OCSP_MALFORMED");
  if (!read) return OcspFault("OCSP_MALFORMED", read.error().detail);
  return read.value();
}

Status CheckNonce(const OcspResponse& response, const OcspRules& rules) {
  if (rules.nonce.empty()) return Ok();
  if (!response.nonce) {
    if (!rules.nonce_required) return Ok();
    return OcspFault("OCSP_NONCE_MISSING", "the response holds no nonce");
  }
  if (*response.nonce == NonceValue(rules.nonce)) return Ok();
  return OcspFault("OCSP_NONCE_WRONG", "the response holds another nonce than was sent");
}

// Times are compared by adding to `now` alone, which is a real clock's: a responder's may be of the
// year 9999.
Status CheckFreshness(const Statement& statement, WallTime produced_at, const OcspRules& rules) {
  const WallTime latest = rules.now + rules.tolerance;
  const WallTime earliest = rules.now - rules.tolerance;
  const auto& next = statement.next_update;
  if (next && *next < statement.this_update) {
    return OcspFault("OCSP_TIMES_INVALID", "nextUpdate lies before thisUpdate");
  }
  if (statement.this_update > latest || produced_at > latest) {
    return OcspFault("OCSP_FUTURE", "the response is of " +
                                        FormatTime(std::max(statement.this_update, produced_at)) +
                                        ", which is still to come");
  }
  if (produced_at < statement.this_update - rules.tolerance || (next && produced_at > *next)) {
    return OcspFault("OCSP_TIMES_INVALID", "the response was signed at " + FormatTime(produced_at) +
                                               ", outside of the time for which it says something");
  }
  if (next && *next < earliest) {
    return OcspFault("OCSP_STALE", "the response was to be replaced by " + FormatTime(*next));
  }
  const auto without_next = rules.max_age_without_next ? rules.max_age_without_next : rules.max_age;
  if (!next && !without_next) {
    return OcspFault("OCSP_STALE",
                     "the response does not say until when it holds, and no greatest age is set");
  }
  const auto too_old = [&](const std::optional<std::chrono::seconds>& age) {
    return age && statement.this_update < earliest - *age;
  };
  if (too_old(rules.max_age) || (!next && too_old(without_next))) {
    return OcspFault("OCSP_STALE", "the response is of " + FormatTime(statement.this_update) +
                                       ", older than is allowed");
  }
  return Ok();
}

Result<Statement> ReadStatement(OCSP_SINGLERESP* single, WallTime produced_at,
                                const OcspRules& rules) {
  SIGNET_TRY(CheckStatementExtensions(single));
  Statement out;
  ASN1_GENERALIZEDTIME* revoked_at = nullptr;
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  ASN1_GENERALIZEDTIME* next_update = nullptr;
  out.status =
      OCSP_single_get0_status(single, &out.reason, &revoked_at, &this_update, &next_update);
  if (out.status < 0 || this_update == nullptr) {
    return OcspFault("OCSP_MALFORMED", "a statement can not be read");
  }
  SIGNET_TRY(out.this_update, StatedTime(this_update));
  if (next_update != nullptr) {
    SIGNET_TRY(out.next_update, StatedTime(next_update));
  }
  if (out.status == V_OCSP_CERTSTATUS_REVOKED) {
    SIGNET_TRY(out.revoked_at, StatedTime(revoked_at));
  } else {
    out.reason = OCSP_REVOKED_STATUS_NOSTATUS;
  }
  SIGNET_TRY(CheckFreshness(out, produced_at, rules));
  return out;
}

void Tell(OcspStatus status, const Error& fault, OcspJudgement& out) {
  out.status = status;
  out.word = fault.word;
  out.detail = fault.detail;
  out.remedy = fault.remedy;
}

void TellRevoked(const Statement& statement, bool contradicted, OcspJudgement& out) {
  const bool hold = statement.reason == kCertificateHold;
  out.this_update = statement.this_update;
  out.next_update = statement.next_update;
  out.revoked_at = statement.revoked_at;
  out.reason = RevocationReasonName(statement.reason);
  std::string detail = (hold ? "on hold since " : "revoked at ") +
                       FormatTime(*statement.revoked_at) +
                       (out.reason.empty() ? "" : " (" + out.reason + ")");
  if (contradicted) detail += "; the same response says otherwise, too";
  const char* word = hold ? "OCSP_ON_HOLD" : "OCSP_REVOKED";
  Tell(OcspStatus::kRevoked, OcspFault(word, std::move(detail)), out);
  if (contradicted) out.word = "OCSP_CONTRADICTORY";
}

void TellGood(const std::vector<Statement>& statements, OcspJudgement& out) {
  for (const Statement& statement : statements) {
    const auto& next = statement.next_update;
    out.this_update =
        std::min(out.this_update.value_or(statement.this_update), statement.this_update);
    if (next) out.next_update = std::min(out.next_update.value_or(*next), *next);
  }
  out.status = OcspStatus::kGood;
  out.word = "OCSP_GOOD";
  out.detail = "not revoked as of " + FormatTime(*out.this_update);
}

bool IsRevoked(const Statement& statement) { return statement.status == V_OCSP_CERTSTATUS_REVOKED; }

// OCSP_resp_find_status would take the first one.
Status Weigh(const std::vector<Statement>& statements, std::optional<Error> doubt,
             OcspJudgement& out) {
  if (statements.empty() && !doubt) {
    return OcspFault("OCSP_WRONG_ID", "the response is about other certificates");
  }
  auto revoked = std::ranges::find_if(
      statements, [](const Statement& s) { return IsRevoked(s) && s.reason != kCertificateHold; });
  if (revoked == statements.end()) revoked = std::ranges::find_if(statements, IsRevoked);
  if (revoked != statements.end()) {
    TellRevoked(*revoked, doubt || !std::ranges::all_of(statements, IsRevoked), out);
    return Ok();
  }
  if (doubt) return *std::move(doubt);
  const auto good = std::ranges::count(statements, V_OCSP_CERTSTATUS_GOOD, &Statement::status);
  if (good == 0) {
    return OcspFault("OCSP_UNKNOWN", "the responder does not know the certificate");
  }
  if (static_cast<std::size_t>(good) != statements.size()) {
    return OcspFault("OCSP_CONTRADICTORY", "the response says both good and unknown");
  }
  TellGood(statements, out);
  return Ok();
}

void TellSigner(const OcspSigner& signer, OcspJudgement& out) {
  const std::string& subject = signer.certificate.fields().subject;
  switch (signer.role) {
    case OcspSigner::Role::kIssuer:
      out.signer = "issuing CA";
      break;
    case OcspSigner::Role::kDesignated:
      out.signer = "designated " + subject;
      break;
    case OcspSigner::Role::kDelegate:
      out.signer = "delegate " + subject;
      if (!HasNoCheck(signer.certificate)) out.delegate = signer.certificate;
      break;
  }
}

Status Examine(std::string_view der, const Certificate& certificate, const Certificate& issuer,
               const OcspRules& rules, OcspJudgement& out) {
  SIGNET_TRY(CheckIssuer(certificate, issuer));
  SIGNET_TRY(const OcspResponse response, ReadOcspResponse(der));
  SIGNET_TRY(const OcspSigner signer,
             FindOcspSigner(response, issuer, rules.designated, rules.now, rules.rigour));
  if (signer.certificate.fields().key.spki_sha256 == certificate.fields().key.spki_sha256) {
    return OcspFault("OCSP_RESPONDER_UNAUTHORISED", "the certificate vouches for itself");
  }
  SIGNET_TRY(CheckNonce(response, rules));
  TellSigner(signer, out);
  out.produced_at = response.produced_at;
  const std::vector<CertIdPtr> ids = CertIds(certificate, issuer);
  std::vector<Statement> statements;
  std::optional<Error> doubt;
  for (int i = 0; i < OCSP_resp_count(response.basic.get()); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(response.basic.get(), i);
    const OCSP_CERTID* stated = OCSP_SINGLERESP_get0_id(single);
    const bool ours = std::ranges::any_of(
        ids, [stated](const CertIdPtr& id) { return OCSP_id_cmp(id.get(), stated) == 0; });
    if (!ours) continue;
    auto statement = ReadStatement(single, response.produced_at, rules);
    if (statement) {
      statements.push_back(std::move(statement).value());
    } else if (!doubt) {
      doubt = std::move(statement).error();
    }
  }
  return Weigh(statements, std::move(doubt), out);
}

}  // namespace

Result<std::string> MakeOcspRequest(const Certificate& certificate, const Certificate& issuer,
                                    std::string_view nonce) {
  SIGNET_TRY(CheckIssuer(certificate, issuer));
  if (nonce.size() > kMaxNonce) {
    return MakeError(Kind::kUsage, "NONCE_INVALID",
                     "a nonce of " + std::to_string(nonce.size()) + " octets, 1 to " +
                         std::to_string(kMaxNonce) + " are allowed",
                     "Send 32 octets.");
  }
  const RequestPtr request(OCSP_REQUEST_new());
  CertIdPtr id(OCSP_cert_to_id(EVP_sha1(), certificate.handle(), issuer.handle()));
  if (!request || !id || OCSP_request_add0_id(request.get(), id.get()) == nullptr) {
    return OpenSslError(Kind::kInternal, "OCSP_REQUEST_FAILED", "making an OCSP request");
  }
  (void)id.release();  // the request's now
  std::string octets(nonce);
  if (!octets.empty() &&
      OCSP_request_add1_nonce(request.get(), reinterpret_cast<unsigned char*>(octets.data()),
                              static_cast<int>(octets.size())) != 1) {
    return OpenSslError(Kind::kInternal, "OCSP_REQUEST_FAILED", "adding a nonce");
  }
  return ToDer(request.get(), i2d_OCSP_REQUEST);
}

OcspJudgement JudgeOcsp(std::string_view response_der, const Certificate& certificate,
                        const Certificate& issuer, const OcspRules& rules) {
  OcspJudgement out;
  const Status examined = Examine(response_der, certificate, issuer, rules, out);
  if (!examined) Tell(OcspStatus::kUnknown, examined.error(), out);
  ERR_clear_error();
  return out;
}

}  // namespace signet::keystore::x509
