// What is known of the revocation of one certificate, by OCSP or by a revocation list. Everything
// that is not certain is *unknown*, never *good*.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/clock.h"

namespace signet::keystore::x509 {

// RFC 6960 §2.2; lists are told in the same terms.
enum class OcspStatus : std::uint8_t { kGood, kRevoked, kUnknown };
std::string_view OcspStatusName(OcspStatus status);  // good | revoked | unknown

struct StatusJudgement {
  OcspStatus status = OcspStatus::kUnknown;
  std::string word;
  std::string detail;  // a sentence, escaped for one line
  std::string remedy;  // empty when good
  // Below: only what was signed by who may, hence empty for most of what is unknown.
  std::optional<WallTime> this_update, next_update, revoked_at;
  std::string reason;  // RFC 5280 §5.3.1 "keyCompromise", …; empty when none is given
};

// Of the reasons of RFC 5280 §5.3.1.
inline constexpr int kCertificateHold = 6;
inline constexpr int kRemoveFromCrl = 8;
// "keyCompromise"; "unspecified" for what is not assigned, empty for a negative one (none given).
std::string_view RevocationReasonName(int reason);

}  // namespace signet::keystore::x509
