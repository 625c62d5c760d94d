// Verifying the certificates of make_certs.py by their names.
#pragma once

#include <string>
#include <vector>

#include "keystore/x509/chain.h"
#include "tests/keystore/x509/certs.h"

namespace signet::keystore::x509 {

inline std::vector<Certificate> Certs(const std::vector<std::string>& names) {
  std::vector<Certificate> out;
  for (const std::string& name : names) out.push_back(Cert(name));
  return out;
}
inline std::function<std::vector<Certificate>(const std::string&)> ByName(
    const std::vector<std::string>& names) {
  return [all = Certs(names)](const std::string& subject) {
    std::vector<Certificate> out;
    for (const Certificate& c : all) {
      if (c.fields().subject_der == subject) out.push_back(c);
    }
    return out;
  };
}
inline TrustView Trust(const std::vector<std::string>& anchors,
                       const std::vector<std::string>& intermediates = {}) {
  return {ByName(anchors), ByName(intermediates)};
}
inline ChainPolicy Now(WallTime time = MidTerm()) {
  ChainPolicy policy;
  policy.time = time;
  return policy;
}
inline ChainVerdict Verify(const std::string& leaf, const TrustView& trust,
                           const std::vector<std::string>& extra = {},
                           const ChainPolicy& policy = Now()) {
  return VerifyPath(Cert(leaf), Certs(extra), trust, policy);
}
inline const std::vector<std::string> kMiddles{"int1", "int2"};

}  // namespace signet::keystore::x509
