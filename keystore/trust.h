// Changes to trust stores.
#pragma once

#include "keystore/committer.h"
#include "keystore/operation.h"
#include "keystore/plan.h"

namespace signet::keystore {

// Blocking; needs the store only, never the token. Thread-safe (conflicting changes: kConflict
// STATE_CHANGED).
class Trust {
 public:
  Trust(const Catalogue& catalogue, const NodeNames& names, State& state, Committer& committer,
        const Clock& clock)
      : catalogue_(catalogue), names_(names), state_(state), committer_(committer), clock_(clock) {}

  // SPEC C5, C5a. All or nothing; errors of PlanTrustUpload.
  Result<ChangeResult> Upload(Operation& operation, const std::string& store,
                              const std::vector<TrustUploadPart>& parts,
                              std::optional<x509::EntryKind> as);

 private:
  const Catalogue& catalogue_;
  const NodeNames& names_;
  State& state_;
  Committer& committer_;
  const Clock& clock_;
};

}  // namespace signet::keystore
