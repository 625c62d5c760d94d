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
};

struct TrustPlan : Plan {
  std::string store;
  std::vector<TrustAddition> additions;  // issuer before issued
};

// SPEC C5, C5a (chain mode): all or nothing. Refused with all findings; DELETED_BEFORE says who
// deleted it and when.
Result<TrustPlan> PlanTrustUpload(const PlanInput& in, const TrustUploadRequest& request);

// Plans one entry more for a store: already there (info), deleted before (error), or an addition.
void PlanAddition(const PlanInput& in, const std::string& store, TrustAddition addition,
                  bool undelete, std::vector<TrustAddition>& additions, Plan& plan);
x509::EntryKind KindOfCa(const x509::Certificate& certificate);

}  // namespace signet::keystore
