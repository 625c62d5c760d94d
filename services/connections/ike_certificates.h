// Which of the certificates that strongSwan knows is the one behind an IKE identity. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/x509/certificate.h"

namespace signet::services {

// strongSwan writes a name as "C=DE, O=Acme, Inc, CN=a": attributes in their order, short names of
// its own, nothing escaped, '?' for each octet that is not printable ASCII. So what is compared is
// what strongSwan would write of a certificate's subject (in either order of its attributes), of
// its directory names, and its other SANs, without regard to the case of ASCII letters.
class IkeCertificates {
 public:
  explicit IkeCertificates(const std::vector<keystore::x509::Certificate>& known);

  // The one certificate with that identity, then those above it that are known, each of which
  // signed one before it; at most 16. Empty when none has it, when several different ones have it,
  // and when the only one has a name whose text could as well be another name's.
  std::vector<keystore::x509::Certificate> ChainOf(std::string_view identity) const;

 private:
  void Add(const std::string& identity, std::size_t number);

  std::vector<keystore::x509::Certificate> known_;
  std::map<std::string, std::set<std::size_t>> by_identity_;         // numbers in known_
  std::multimap<std::string, std::size_t, std::less<>> by_subject_;  // canonical DER
};

}  // namespace signet::services
