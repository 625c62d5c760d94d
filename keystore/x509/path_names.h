// Name constraints of a path, as far as OpenSSL leaves them. For this folder only.
#pragma once

#include <span>

#include "keystore/x509/chain.h"

namespace signet::keystore::x509 {

// RFC 5280 §4.2.1.10 for wildcards: "*.example.com" stands for a name that a CA above excludes by
// "bar.example.com", though the two texts differ (NAME_CONSTRAINT_VIOLATED).
void CheckExcludedWildcards(std::span<const Certificate> path, Findings& out);

// False: so many constraints stand above so many names that comparing them takes too long.
bool IsNameWorkBounded(std::span<const Certificate> path);

}  // namespace signet::keystore::x509
