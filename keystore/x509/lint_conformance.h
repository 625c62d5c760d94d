// The lint's rules about what CAs must write, though nothing here depends on it. For this folder
// only.
#pragma once

#include <vector>

#include "keystore/x509/lint.h"
#include "keystore/x509/lint_names.h"

namespace signet::keystore::x509 {

// Warnings: KEY_ID_MISSING, KEY_ID_ODD, BASIC_CONSTRAINTS_NOT_CRITICAL, PATH_LENGTH_WITHOUT_CA,
// NAME_CONSTRAINTS_NOT_CRITICAL, NAME_CONSTRAINTS_WITHOUT_CA, NAME_CONSTRAINTS_EMPTY,
// NAME_CONSTRAINTS_ODD,
// POLICY_CONSTRAINTS_NOT_CRITICAL, SUBJECT_MISSING, SAN_CRITICALITY, EKU_CRITICAL,
// EKU_IN_ANCHOR.
std::vector<NameProblem> ConformanceProblems(const Certificate& certificate, LintRole role);

}  // namespace signet::keystore::x509
