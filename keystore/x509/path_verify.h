// Has OpenSSL judge one path that was found. For this folder only.
#pragma once

#include <span>

#include "keystore/x509/chain.h"
#include "keystore/x509/path_check.h"

namespace signet::keystore::x509 {

// RFC 5280 §6.1 by X509_verify_cert on exactly this path (leaf first, anchor last), and §6.3 where
// the policy brings revocation lists; `extra` may hold the certificates that sign those. Dates of
// the path are CheckDates' business, names asked for and usages CheckPath's.
void VerifyByOpenSsl(std::span<const Certificate> path, std::span<const Certificate> extra,
                     const ChainPolicy& policy, Links links, Findings& out);

}  // namespace signet::keystore::x509
