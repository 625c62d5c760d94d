// Compares a signed certificate with the CSR it answers (SPEC C6, K2).
#pragma once

#include "keystore/x509/certificate.h"
#include "keystore/x509/profile.h"

namespace signet::keystore::x509 {

// Ids: KEY_MISMATCH, SAN_MISSING (error, each), SAN_ADDED (warning; names the CA's habit when it is
// "www." or the parent domain), KEY_USAGE_LOST_<bit>, KEY_USAGE_ADDED_<bit>, EKU_LOST_<name>,
// EKU_ADDED_<name> (severities from the profile's row, which is already that of the key's
// algorithm; what a row forbids is an error), PATH_LENGTH_ALTERED (warning), SUBJECT_ALTERED
// (warning with the difference), plus Lint(kEndEntity), or Lint(kIntermediate) and EKU_ANY where
// the profile is a CA's (CAPF).
Findings CompareIssued(const Certificate& issued, const RequestFields& request,
                       const Profile& profile);

}  // namespace signet::keystore::x509
