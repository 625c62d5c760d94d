// Checks one path that was found. For this folder only.
#pragma once

#include <span>

#include "keystore/x509/chain.h"

namespace signet::keystore::x509 {

// RFC 5280 §6.1 by X509_verify_cert on exactly this path (leaf first, anchor last), the lint of
// each, EKU and dates.
Findings CheckPath(std::span<const Certificate> path, const ChainPolicy& policy);

}  // namespace signet::keystore::x509
