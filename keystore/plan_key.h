// Plans of new keys: self-signed certificates and CSRs (SPEC C2, C3).
#pragma once

#include "hsm/key_types.h"
#include "keystore/plan.h"
#include "keystore/x509/builder.h"

namespace signet::keystore {

// The fields of a request for a CSR or a self-signed certificate, as typed by a person.
struct IdentityRequest {
  std::string purpose;
  std::optional<std::string> distribution, key, hash;
  std::optional<std::string> parent_domain;  // of a multi-server name; named by the certificate
  std::optional<std::int64_t> validity_days;
  x509::Subject subject;  // an empty common name is filled in
  std::vector<std::string> sans;
  std::optional<std::string> plan;  // hash of the plan to carry out
  bool internal = false;  // the boot makes the appliance's own identity, which no request can name
};

struct KeyPlan : Plan {
  const Purpose* purpose = nullptr;
  std::string distribution;
  hsm::KeySpec spec;
  hsm::KeyPolicy policy = hsm::KeyPolicy::kFixed;
  x509::Template content;
  std::optional<x509::Validity> validity;  // of a self-signed certificate
};

// kNotFound PURPOSE_UNKNOWN; kUsage for each malformed field; kRefused KEY_DOES_NOT_FIT,
// HASH_TOO_WEAK, DISTRIBUTION_NOT_ALLOWED, FOREIGN_NODE_NAME, PUBLISHER_ONLY; kExhausted
// TOO_MANY_PENDING_CSRS.
Result<KeyPlan> PlanSelfSigned(const PlanInput& in, const IdentityRequest& request);
Result<KeyPlan> PlanCsr(const PlanInput& in, const IdentityRequest& request);
inline constexpr std::size_t kMaxPendingCsrs = 1200;

// New certificates for several purposes (SPEC C8): self-signed where the present one is, else a
// CSR, with the present key's kind and distribution.
struct RegenerationPlan : Plan {
  std::vector<KeyPlan> keys;
};
// Of `purposes`, or, when it is empty, of all whose certificate lacks names that it should have
// (UncoveredNames); no keys when there is none. Errors of the plans above; kUsage PURPOSE_TWICE.
Result<RegenerationPlan> PlanRegeneration(const PlanInput& in,
                                          const std::vector<std::string>& purposes);

}  // namespace signet::keystore
