// What a certificate of a purpose is for: key usage, extended key usage and CA columns of SPEC 1.3.
// Types only; the rows are data in keystore/catalogue/.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "platform/error.h"

namespace signet::keystore::x509 {

enum class Ask : std::uint8_t { kMust, kMustNot, kOpen };  // Y, N, blank

// RFC 5280 §4.2.1.3, in bit order.
enum class KeyUsage : std::uint8_t {
  kDigitalSignature,
  kNonRepudiation,
  kKeyEncipherment,
  kDataEncipherment,
  kKeyAgreement,
  kKeyCertSign,
  kCrlSign,
  kEncipherOnly,
  kDecipherOnly,
};
inline constexpr std::size_t kKeyUsageBits = 9;

struct UsageRule {
  Ask ask = Ask::kOpen;
  Severity lost = Severity::kError;  // when the CSR asked and the certificate lacks it
  Severity added = Severity::kInfo;  // when the certificate has it unasked (kMustNot: kError)
};

struct ExtendedUsageRule {
  std::string oid;   // "1.3.6.1.5.5.7.3.1"
  std::string name;  // "serverAuth"
  UsageRule rule;
};

struct Profile {
  std::array<UsageRule, kKeyUsageBits> key_usage{};
  std::vector<ExtendedUsageRule> extended;  // in the order in which they are written
  bool ca = false;
  std::optional<int> path_length;  // of a CA
};

}  // namespace signet::keystore::x509
