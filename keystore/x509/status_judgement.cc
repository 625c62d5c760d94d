#include "keystore/x509/status_judgement.h"

#include <array>

namespace signet::keystore::x509 {
namespace {

// 7 is not used.
constexpr std::array<std::string_view, 11> kReasons{
    "unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
    "superseded",    "cessationOfOperation", "certificateHold", "",
    "removeFromCRL", "privilegeWithdrawn",   "aACompromise"};

}  // namespace

std::string_view OcspStatusName(OcspStatus status) {
  switch (status) {
    case OcspStatus::kGood:
      return "good";
    case OcspStatus::kRevoked:
      return "revoked";
    case OcspStatus::kUnknown:
      break;
  }
  return "unknown";
}

std::string_view RevocationReasonName(int reason) {
  if (reason < 0) return {};
  const auto index = static_cast<std::size_t>(reason);
  const bool known = index < kReasons.size() && !kReasons[index].empty();
  return known ? kReasons[index] : kReasons.front();
}

}  // namespace signet::keystore::x509
