// Plans of what revocation and time do to trust (SPEC R3): an entry that is out of trust stays
// where it is, is seen, and is used by nobody.
#pragma once

#include "keystore/plan.h"

namespace signet::keystore {

// Of one change: each is a compare and a write, and restarts are owed beside them (kMaxOperations).
inline constexpr std::size_t kMaxDistrusted = 80;

struct DistrustRequest {
  // A record takes the place of an earlier one about the same certificate. `operation` is filled in
  // by who carries it out.
  std::vector<DistrustRecord> distrusted;
  std::vector<std::string> reinstated;  // fingerprints
  std::string reason = {};              // an operator's, for the audit log; escaped
};

struct DistrustPlan : Plan {
  std::vector<DistrustRecord> distrusted;  // those that are news
  std::vector<std::string> reinstated;     // those that were out of trust
  std::string reason;
};

// What rests on each is a warning: IDENTITY_DISTRUSTED, IDENTITY_AFFECTED; never a refusal, for
// who revoked it does not ask. kUsage TOO_MANY_CERTIFICATES over kMaxDistrusted.
Result<DistrustPlan> PlanDistrust(const PlanInput& in, const DistrustRequest& request);
// For the audit log: "out of trust <fingerprint> (revoked, OCSP http://…), …".
std::string DetailOf(const DistrustPlan& plan);

// The record whose fingerprint is `id` or begins with it (four digits at least); kNotFound
// NOT_DISTRUSTED.
Result<const DistrustRecord*> FindDistrusted(const Snapshot& snapshot, const std::string& id);

// DISTRUSTED (errors): certificates that come in and are out of trust already. Of what has merely
// expired here and below nothing is said: its dates say so.
void TellDistrusted(const Snapshot& snapshot, const std::vector<x509::Certificate>& certificates,
                    Findings& findings);
// ISSUER_DISTRUSTED (errors): entries of `store` that are out of trust and issued one of these, of
// which no path was found. Not of others: a CA may have a second certificate with the same key.
void TellDistrustedIssuers(const Snapshot& snapshot, const std::string& store,
                           const std::vector<x509::Certificate>& certificates, Findings& findings);

// "revoked since 2026-11-23T10:00:00Z (keyCompromise), says OCSP http://…"
std::string WhyDistrusted(const DistrustRecord& record);
// What is to be done about it, by its cause; begins with a small letter, ends without a stop.
std::string RemedyOf(const DistrustRecord& record);

}  // namespace signet::keystore
