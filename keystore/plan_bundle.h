// The plan of an upload in bundle mode (SPEC C5a): what is good is taken, what is not is reported.
#pragma once

#include "keystore/plan_trust.h"

namespace signet::keystore {

inline constexpr std::size_t kMaxBundle = 20'000;

// Findings: NOT_TAKEN (warning, for each certificate that is not good, with its place in the upload
// and the reason), ALREADY_THERE (info, how many), the warnings of those that are taken; at most
// kMaxBundleFindings of them, MORE_FINDINGS (info) counts the rest. Errors: those of
// x509::ReadBundle; kUsage PREDECESSOR_IN_BUNDLE; kRefused NOTHING_TAKEN.
Result<TrustPlan> PlanBundle(const PlanInput& in, const TrustUploadRequest& request);
inline constexpr std::size_t kMaxBundleFindings = 1000;

}  // namespace signet::keystore
