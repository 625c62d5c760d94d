// Where a certificate says that its status can be asked for. Pure: nothing is fetched, and what is
// found here is the text of somebody who may lie; who fetches asks the address policy.
#pragma once

#include <string>
#include <vector>

#include "keystore/x509/certificate.h"

namespace signet::keystore::x509 {

inline constexpr std::size_t kMaxRevocationUrls = 4;    // of each kind; further ones are left out
inline constexpr std::size_t kMaxRevocationUrl = 4096;  // octets; longer ones are left out

// URLs with http or https of the authority information access, method id-ad-ocsp (RFC 5280
// §4.2.2.1), in their order, each once.
std::vector<std::string> OcspUrls(const Certificate& certificate);
// URLs with http or https of the CRL distribution points (§4.2.1.13) that are for all reasons and
// name no other issuer of the list, in their order, each once.
std::vector<std::string> CrlUrls(const Certificate& certificate);
// A responder whose own status the CA does not want asked for: id-pkix-ocsp-nocheck (RFC 6960
// §4.2.2.2.1).
bool HasNoCheck(const Certificate& certificate);

}  // namespace signet::keystore::x509
