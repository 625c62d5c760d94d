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
inline TrustView::LookUp LookUpIn(std::vector<Certificate> certificates) {
  return [all = std::move(certificates)](const std::string& subject, const std::string& key_id) {
    std::vector<Certificate> out;
    for (const Certificate& c : all) {
      if (c.fields().subject_der == subject) out.push_back(c);
    }
    return BestCandidates(std::move(out), key_id);
  };
}
inline TrustView Trust(const std::vector<std::string>& anchors,
                       const std::vector<std::string>& intermediates = {}) {
  return {LookUpIn(Certs(anchors)), LookUpIn(Certs(intermediates))};
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
