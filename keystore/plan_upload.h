// The plan of an upload of signed certificates (SPEC C6, K2, S5).
#pragma once

#include "keystore/overrides.h"
#include "keystore/plan_trust.h"

namespace signet::keystore {

// One signed certificate, perhaps with its CA certificates.
struct UploadPart {
  std::string purpose;
  std::string_view text;
};

struct UploadRequest {
  std::vector<UploadPart> parts;  // one for each purpose
  bool with_chain = false;        // the CA certificates of the parts are stored first
  Overrides overrides;
  Findings status = {};  // what is said of the revocation of these certificates
};

// What becomes of one part.
struct UploadItem {
  const Purpose* purpose = nullptr;
  std::optional<x509::Certificate> leaf;
  bool has_rest = false;   // CA certificates came with it
  bool unchanged = false;  // the same certificate is in place already
  CsrRecord csr;
  std::vector<x509::Certificate> chain;  // from the leaf's issuer to the anchor
  std::vector<TrustAddition> additions;  // of the part's own chain, where asked for
};

struct UploadPlan : Plan {
  std::vector<UploadItem> items;
  bool unchanged() const;  // of all
};

// All parts or none. Errors: those of x509::ReadCertificates; NO_PENDING_CSR, KEY_MISMATCH,
// CSR_ALREADY_ANSWERED (kConflict), UPLOAD_AMBIGUOUS, PURPOSE_TWICE; those of Override; otherwise
// kRefused with the first error's id as word and all findings.
Result<UploadPlan> PlanUpload(const PlanInput& in, const UploadRequest& request);

}  // namespace signet::keystore
