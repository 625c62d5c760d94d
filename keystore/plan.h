// What a change would do, worked out from a snapshot alone: pure, so that a rehearsal and the deed
// cannot differ. Each function refuses with all its findings, or returns what the execution
// (identities.h, trust.h) carries out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/key_types.h"
#include "keystore/catalogue.h"
#include "keystore/node.h"
#include "keystore/refusal.h"
#include "keystore/snapshot.h"
#include "keystore/store/store.h"
#include "keystore/x509/builder.h"
#include "keystore/x509/chain.h"

namespace signet::keystore {

// What the planner may see.
struct PlanInput {
  const Catalogue& catalogue;
  const NodeNames& names;
  std::shared_ptr<const Snapshot> snapshot;
  WallTime now{};
};

// The fields of a request for a CSR or a self-signed certificate, as typed by a person.
struct IdentityRequest {
  std::string purpose;
  std::optional<std::string> distribution, key, hash;
  std::optional<std::int64_t> validity_days;
  x509::Subject subject;  // an empty common name is filled in
  std::vector<std::string> sans;
  bool internal = false;  // the boot makes the appliance's own identity, which no request can name
};

struct KeyPlan {
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

struct TrustAddition {
  x509::Certificate certificate;
  x509::EntryKind kind = x509::EntryKind::kAnchor;
  std::string description;
};

struct UploadPlan {
  const Purpose* purpose = nullptr;
  std::optional<x509::Certificate> leaf;
  bool unchanged = false;  // the same certificate is in place already
  CsrRecord csr;
  Revision csr_modified = 0;
  std::vector<x509::Certificate> chain;  // from the leaf's issuer to the anchor
  std::vector<TrustAddition> additions;  // of the upload's own chain, where asked for
  Findings findings;                     // warnings and infos
};

// SPEC C6. Errors: those of x509::ReadCertificates; NO_PENDING_CSR, KEY_MISMATCH,
// CSR_ALREADY_ANSWERED (kConflict), UPLOAD_AMBIGUOUS; otherwise kRefused with the first error's id
// as word and all findings.
Result<UploadPlan> PlanUpload(const PlanInput& in, const std::string& purpose,
                              std::string_view upload, bool with_chain);

struct TrustUploadPart {
  std::string_view text;
  std::string description, predecessor;
};

struct TrustPlan {
  std::string store;
  std::vector<TrustAddition> additions;  // issuer before issued
  std::vector<std::string> restarts;
  Findings findings;
};

// SPEC C5, C5a (chain mode): all or nothing.
Result<TrustPlan> PlanTrustUpload(const PlanInput& in, const std::string& store,
                                  const std::vector<TrustUploadPart>& parts,
                                  std::optional<x509::EntryKind> as);

}  // namespace signet::keystore
