// Checks one path that was found. For this folder only.
#pragma once

#include <span>

#include "keystore/x509/chain.h"

namespace signet::keystore::x509 {

// Whether each certificate of the path is known to have signed the one before it. Of a guess that
// is found out: no error means that it is so.
enum class Links : std::uint8_t { kVerified, kGuessed };

// RFC 5280 §6.1 by X509_verify_cert on exactly this path (leaf first, anchor last), the lint of
// each, dates, and what the policy asks for: usages, name, depth, revocation (`extra` may hold the
// signers of revocation lists).
Findings CheckPath(std::span<const Certificate> path, std::span<const Certificate> extra,
                   const ChainPolicy& policy, Links links);

// RFC 5280 §6.1.4 counts the CAs between. In an upload the first of the path is a CA too, which
// could never issue anything: PATH_LENGTH_EXCEEDED.
void CheckPathLengths(std::span<const Certificate> path, Findings& out);

std::string NameOf(const Certificate& certificate);  // for sentences, in quotes
Finding Broken(std::string id, std::string text, const Certificate& about);  // an error

}  // namespace signet::keystore::x509
