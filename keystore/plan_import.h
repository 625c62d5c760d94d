// The plan of taking in what another server shows (SPEC X1).
#pragma once

#include "keystore/plan_trust.h"

namespace signet::keystore {

struct ImportRequest {
  std::string store;
  std::string host;                                    // as asked for: a name or an address
  std::vector<std::vector<x509::Certificate>> chains;  // as sent, each server's own first
  Findings status = {};  // what is said of the revocation of these certificates
};

// The server's own certificate as pinned, the CAs that its chain links
// to as what they are; what is not of the chain, or no sound CA, is reported and left out. A server
// that sends no root is normal. Findings: NAME_MISMATCH (warning), ROOT_NOT_SENT (info), UNRELATED,
// CA_NOT_TAKEN (warnings); refused with the faults of the server's own certificate.
Result<TrustPlan> PlanImport(const PlanInput& in, const ImportRequest& request);

}  // namespace signet::keystore
