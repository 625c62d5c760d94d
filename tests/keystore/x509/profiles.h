// Rows of SPEC 1.3 for the tests.
#pragma once

#include "keystore/x509/profile.h"

namespace signet::keystore::x509 {

inline UsageRule& Bit(Profile& profile, KeyUsage usage) {
  return profile.key_usage[static_cast<std::size_t>(usage)];
}
inline Profile TomcatProfile() {
  Profile profile;
  for (const KeyUsage usage :
       {KeyUsage::kDigitalSignature, KeyUsage::kKeyEncipherment, KeyUsage::kDataEncipherment}) {
    Bit(profile, usage).ask = Ask::kMust;
  }
  profile.extended = {{"1.3.6.1.5.5.7.3.1", "serverAuth", {Ask::kMust}},
                      {"1.3.6.1.5.5.7.3.2", "clientAuth", {Ask::kMust, Severity::kWarning}}};
  return profile;
}
inline Profile CapfProfile() {
  Profile profile;
  Bit(profile, KeyUsage::kDigitalSignature).ask = Ask::kMust;
  Bit(profile, KeyUsage::kKeyCertSign).ask = Ask::kMust;
  Bit(profile, KeyUsage::kKeyEncipherment).ask = Ask::kMustNot;
  profile.extended = {{"1.3.6.1.5.5.7.3.1", "serverAuth", {Ask::kMust}},
                      {"1.3.6.1.5.5.7.3.2", "clientAuth", {Ask::kMustNot}}};
  profile.ca = true;
  profile.path_length = 0;
  return profile;
}

}  // namespace signet::keystore::x509
