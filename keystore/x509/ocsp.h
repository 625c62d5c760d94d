// The status of one certificate as an OCSP responder tells it (RFC 6960; RFC 5019 for requests,
// RFC 9654 for nonces). Pure: time, trust and policy are arguments; who fetches is somebody else.
// Everything that is not certain is *unknown*, never *good*.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/x509/certificate.h"
#include "keystore/x509/chain.h"
#include "keystore/x509/status_judgement.h"

namespace signet::keystore::x509 {

inline constexpr std::size_t kMaxOcspResponse = 64 * 1024;  // octets; for who fetches, too
inline constexpr std::size_t kMaxNonce = 128;               // octets, RFC 9654 §2.1

// A request in DER about one certificate, its CertID with SHA-1 (RFC 5019 §2.1.1: what every
// responder knows; the hash only finds the certificate, it proves nothing). `nonce`: 1 to 128
// octets, or empty for none. kUsage NONCE_INVALID; kRefused OCSP_WRONG_ISSUER: `issuer` did not
// issue `certificate`.
Result<std::string> MakeOcspRequest(const Certificate& certificate, const Certificate& issuer,
                                    std::string_view nonce);

struct OcspRules {
  WallTime now{};
  std::chrono::seconds tolerance = std::chrono::minutes(5);  // between clocks, both ways
  // How old thisUpdate may be, whatever the response says itself.
  std::optional<std::chrono::seconds> max_age;
  // The same of a response without nextUpdate; unset: `max_age`. With neither such a response is
  // *unknown*.
  std::optional<std::chrono::seconds> max_age_without_next;
  std::string nonce;           // that was sent; empty: none
  bool nonce_required = true;  // false: a response without any is taken, a wrong one never
  // Responders that an administrator trusts (SPEC R2); each needs the OCSPSigning usage, too.
  std::vector<Certificate> designated;
  // kUpload: no MD5, no SHA-1, no RSA below 2048 bits. kLegacy allows them.
  Rigour rigour = Rigour::kUpload;
};

// good: OCSP_GOOD. revoked: OCSP_REVOKED, OCSP_ON_HOLD, or OCSP_CONTRADICTORY (the same response
// says something else, too). unknown: OCSP_UNKNOWN (so says the responder), OCSP_CONTRADICTORY,
// OCSP_STALE, OCSP_FUTURE, OCSP_TIMES_INVALID, OCSP_WRONG_ID, OCSP_WRONG_ISSUER, OCSP_NONCE_WRONG,
// OCSP_NONCE_MISSING, OCSP_CRITICAL_EXTENSION, OCSP_SIGNATURE_INVALID, OCSP_SIGNATURE_WEAK,
// OCSP_RESPONDER_UNAUTHORISED, OCSP_MALFORMED, OCSP_TOO_LARGE; and the responder's own errors
// (§2.3) OCSP_TRY_LATER, OCSP_REFUSED, OCSP_REQUEST_MALFORMED, OCSP_RESPONDER_FAILED,
// OCSP_REQUEST_UNSIGNED.
//
// When several statements say *good*: the oldest thisUpdate and the earliest nextUpdate.
struct OcspJudgement : StatusJudgement {
  std::optional<WallTime> produced_at;
  std::string signer;  // "issuing CA", "delegate <subject>", "designated <subject>"
  // The delegate whose own status the CA wants asked for: set when its certificate has no
  // id-pkix-ocsp-nocheck (§4.2.2.2.1). Nothing of that is asked here.
  std::optional<Certificate> delegate;
};

// `issuer` is the CA that issued `certificate`, found and verified by the caller's path: that CA's
// word is taken, nobody else's of the same name. The signer must be that CA's key, a delegate that
// this key issued with OCSPSigning and that is valid now, or one of the designated (§4.2.2.2);
// never the key of `certificate` itself. The work is bounded: 64 KiB, 64 statements, 16 embedded
// certificates. A fresh *revoked* wins over anything else in the same response.
OcspJudgement JudgeOcsp(std::string_view response_der, const Certificate& certificate,
                        const Certificate& issuer, const OcspRules& rules);

// The signer alone, for conformance suites: which certificate the response is about is not asked,
// nor its freshness.
struct OcspSignerRules {
  WallTime now{};
  std::vector<Certificate> trusted, untrusted;  // the CA is among them, or embedded
  bool partial_chain = false;                   // an intermediate among `trusted` ends a path, too
  bool no_certificate_checks = false;           // a signer with a path will do, whatever it may do
  Rigour rigour = Rigour::kUpload;
};
// kRefused with the words above, or OCSP_RESPONDER_UNTRUSTED: no path from the CA that the
// statements name to `trusted`.
Status JudgeOcspSigner(std::string_view response_der, const OcspSignerRules& rules);

}  // namespace signet::keystore::x509
