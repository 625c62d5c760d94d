// Plans of deletions from trust stores and of taking them back (SPEC C9, B5).
#pragma once

#include "keystore/overrides.h"
#include "keystore/plan_trust.h"

namespace signet::keystore {

struct TrustDeleteRequest {
  std::string store, id;  // fingerprint, or the beginning of one
  std::string reason;     // kept in the tombstone
  Overrides overrides;
};

struct DeletionPlan : Plan {
  std::string store;
  TrustEntryRecord entry;
};

// Findings: TRUST_IN_USE (error: a current identity chains to it, or is it), NOT_REPLACED_YET
// (error: the self-signed certificate of a purpose that has no CA-signed one yet), LEFTOVER_STAYS
// (error: of a purpose whose self-signed ones are not deleted, by the catalogue), IMPACT (warning:
// entries that it issued), LAST_ANCHOR (warning). kNotFound TRUST_ENTRY_UNKNOWN.
Result<DeletionPlan> PlanDeletion(const PlanInput& in, const TrustDeleteRequest& request);

// The entry as it was, within the setting undo-days. kNotFound NOT_DELETED; kRefused UNDO_OVER.
Result<DeletionPlan> PlanUndelete(const PlanInput& in, const std::string& store,
                                  const std::string& id);

// The entry of a store whose fingerprint begins with `id`; four digits at least. kNotFound
// TRUST_ENTRY_UNKNOWN.
Result<const TrustEntryRecord*> FindTrustEntry(const Snapshot& snapshot, const std::string& store,
                                               const std::string& id);

// Who rests on a certificate of a store: "tomcat (current)" for each identity that chains to it or
// is it.
std::vector<std::string> UsersOf(const PlanInput& in, const std::string& store,
                                 const std::string& fingerprint);

}  // namespace signet::keystore
