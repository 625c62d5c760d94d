// Compares a signed certificate with the CSR it answers (SPEC C6, K2).
#pragma once

#include "keystore/x509/certificate.h"
#include "keystore/x509/profile.h"

namespace signet::keystore::x509 {

// Ids: KEY_MISMATCH, SAN_MISSING (error, each), SAN_ADDED (warning; names the CA's habit when it is
// "www." or the parent domain dropped), KEY_USAGE_LOST_<bit>, KEY_USAGE_ADDED_<bit>,
// EKU_LOST_<name>, EKU_ADDED_<name> (severities from the profile; `ec` chooses the -ECDSA rule for
// kE/dE: info), EKU_ANY (error), SUBJECT_ALTERED (warning with the difference), plus
// Lint(kEndEntity) except where the profile says CA (CAPF).
Findings CompareIssued(const Certificate& issued, const RequestFields& request,
                       const Profile& profile);

}  // namespace signet::keystore::x509
