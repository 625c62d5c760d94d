// The status of one certificate as its CA's revocation list tells it (RFC 5280 §5 and §6.3, without
// delta lists and indirect ones). Pure: time and policy are arguments; who fetches is somebody
// else.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "keystore/x509/certificate.h"
#include "keystore/x509/chain.h"
#include "keystore/x509/revocation_list.h"
#include "keystore/x509/status_judgement.h"

namespace signet::keystore::x509 {

inline constexpr std::size_t kMaxCrl = 1u << 20;  // octets; for who fetches, too

struct CrlRules {
  WallTime now{};
  std::chrono::seconds tolerance = std::chrono::minutes(5);  // between clocks, both ways
  // How old a list may be, whatever it says itself.
  std::optional<std::chrono::seconds> max_age = {};
  // The same of a list without nextUpdate, which RFC 5280 §5.1.2.5 forbids; unset: `max_age`. With
  // neither such a list is stale.
  std::optional<std::chrono::seconds> max_age_without_next = {};
  // kUpload: no MD5, no SHA-1, no RSA below 2048 bits. kLegacy allows them.
  Rigour rigour = Rigour::kUpload;
};

// `issuer` is the CA that issued `certificate`, found and verified by the caller's path. Good only
// when that CA's own key signed a whole, fresh list that is for certificates of this kind and does
// not name this one. The list of a distribution point proves something for the certificates that
// name this point alone.
//
// good: CRL_GOOD. revoked: CRL_REVOKED, CRL_ON_HOLD. unknown: CRL_STALE, CRL_FUTURE,
// CRL_SIGNATURE_INVALID, CRL_SIGNATURE_WEAK, CRL_WRONG_ISSUER (of another CA, or of one that may
// not sign lists now; or `issuer` did not issue the certificate), CRL_CRITICAL_EXTENSION (of the
// list or of any entry, §5.2 and §5.3), CRL_SCOPE (of other certificates, indirect, delta, not for
// all reasons), CRL_MALFORMED, CRL_TOO_LARGE.
//
// A list for some reasons alone proves that what it names is revoked, and nothing of the others.
StatusJudgement JudgeCrl(std::string_view der, const Certificate& certificate,
                         const Certificate& issuer, const CrlRules& rules);
// Of a list that was read already: for many certificates. Thread-safe.
StatusJudgement JudgeCrl(const RevocationList& list, const Certificate& certificate,
                         const Certificate& issuer, const CrlRules& rules);

}  // namespace signet::keystore::x509
