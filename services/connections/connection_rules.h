// Whether a connection may go on (SPEC R4). Pure.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "keystore/snapshot.h"
#include "services/revocation/status_api.h"

namespace signet::services {

struct PeerVerdict {
  Findings findings;  // no error in it: it may
  // Whose status is to be asked: what lies on the path, the anchor aside.
  std::vector<StatusQuestion> questions;
};

// `chain`: the peer's own certificate first, then what it sent with it, in any order. It is good
// when it is pinned in the store, or leads to an anchor of it; dates and trust count as of now.
// Errors: those of x509::VerifyPath, DISTRUSTED, ISSUER_DISTRUSTED, and of a pinned one EXPIRED,
// NOT_YET_VALID.
PeerVerdict JudgePeer(std::span<const keystore::x509::Certificate> chain, const std::string& store,
                      std::shared_ptr<const keystore::Snapshot> snapshot, WallTime now);

}  // namespace signet::services
