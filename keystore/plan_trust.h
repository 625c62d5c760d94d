// Plans of changes to trust stores (SPEC C5, C5a).
#pragma once

#include <string_view>

#include "keystore/plan.h"
#include "keystore/x509/chain.h"

namespace signet::keystore {

struct TrustAddition {
  x509::Certificate certificate;
  x509::EntryKind kind = x509::EntryKind::kAnchor;
  std::string description;
};

struct TrustUploadPart {
  std::string_view text;
  std::string description, predecessor;
};

struct TrustUploadRequest {
  std::string store;
  std::vector<TrustUploadPart> parts;
  std::optional<x509::EntryKind> as;  // pinned, ocsp-responder
  bool undelete = false;              // what was deleted may come back
  bool bundle = false;                // bundle mode: PlanBundle
  Findings status = {};               // what is said of the revocation of these certificates
};

struct TrustPlan : Plan {
  std::string store;
  std::vector<TrustAddition> additions;  // issuer before issued
};

// SPEC C5, C5a: in chain mode all or nothing. Refused with all findings; DELETED_BEFORE says who
// deleted it and when.
Result<TrustPlan> PlanTrustUpload(const PlanInput& in, const TrustUploadRequest& request);

// Plans one entry more for a store: already there (info), deleted before (error), or an addition.
void PlanAddition(const PlanInput& in, const std::string& store, TrustAddition addition,
                  bool undelete, std::vector<TrustAddition>& additions, Plan& plan);
// The parts of it: the addition itself, `again` after it was deleted; the finding about that; the
// services that restart for the plan's additions.
void AddToPlan(const PlanInput& in, TrustAddition addition, const std::string& store, bool again,
               std::vector<TrustAddition>& additions, Plan& plan);
Finding DeletedBefore(const std::string& store, const TombstoneRecord& tombstone,
                      const x509::Certificate& certificate);
// The services to restart for a change of `store`, by CA certificates among others.
void AddTrustRestarts(const PlanInput& in, const std::string& store, bool of_ca, Plan& plan);

// Whether an entry of the kind `from` takes the kind `to`: what was pinned may be trusted as the CA
// that it is, and never the other way round.
bool IsRaised(const std::string& from, x509::EntryKind to);

x509::EntryKind KindOfCa(const x509::Certificate& certificate);

}  // namespace signet::keystore
