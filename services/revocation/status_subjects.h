// Whose status is asked for: every certificate that a CA issued and that an identity or a trust
// store rests on. Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keystore/snapshot.h"

namespace signet::services {

// Vouches for others by its OCSP answers alone (SPEC R2).
bool IsResponder(const keystore::TrustEntryRecord& entry);

// A certificate with its issuer, once, however many places it has.
struct StatusSubject {
  keystore::x509::Certificate certificate, issuer;
  std::vector<std::string> places;  // "tomcat", "chain of tomcat", "cup-trust"
  bool trusted = false;             // an entry of a trust store that is more than a responder
};

// Without roots and other self-issued certificates, whose status nobody can tell, and without those
// that have expired, and those responders whose CA wants nobody to ask (id-pkix-ocsp-nocheck). In
// the order of their fingerprints.
std::vector<StatusSubject> WhoseStatus(std::shared_ptr<const keystore::Snapshot> snapshot,
                                       WallTime now);

// The CA that signed it, of all certificates that are stored: also one that is out of trust, since
// what it issued must be asked for all the same. Nothing: there is none, so nobody can be asked.
std::optional<keystore::x509::Certificate> StoredIssuerOf(
    const keystore::Snapshot& snapshot, const keystore::x509::Certificate& certificate);

// Of an issuer's candidates the one whose key signed it; `extra` are looked at, too.
std::optional<keystore::x509::Certificate> IssuerOf(
    const keystore::x509::Certificate& certificate, const keystore::x509::TrustView& trust,
    const std::vector<keystore::x509::Certificate>& extra = {});

// Where an identity or a trust store has it, for people.
std::vector<std::string> PlacesOf(const keystore::Snapshot& snapshot,
                                  const std::string& fingerprint);

}  // namespace signet::services
