// When certificates end, for figures: those of identities and trust stores, those that are served
// in place of the current ones, and those that clients log in with. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "keystore/snapshot.h"
#include "services/clients_seen.h"
#include "services/control/control_center.h"

namespace signet::services {

// Of all trust stores together so many certificates have figures of their own.
inline constexpr std::size_t kTrustEnds = 1000;
inline constexpr std::size_t kLabelOctets = 128;  // of a name; what is longer ends in "…"

// A certificate in one of the places where it is. All texts are one line of valid UTF-8.
struct CertificateEnd {
  // "tomcat", "chain of tomcat", "cup-trust", "served at 10.0.0.1:443", "client certificate of
  // boss"
  std::string place;
  // identity | chain | anchor | intermediate | pinned | ocsp-responder | served | client
  std::string kind;
  std::string fingerprint;  // its first 32 digits: what CN and serial do not tell apart
  std::string serial, subject_cn, issuer_cn;  // a CN may be empty
  WallTime not_before{}, not_after{};
};

struct TrustStoreFigures {
  std::size_t entries = 0;
  std::optional<WallTime> earliest;  // end of one of them
};

struct CertificateFigures {
  // Of trust stores the kTrustEnds whose end is nearest to now, before or after it, by end; without
  // those that mirror an identity's own certificate, which is there as that.
  std::vector<CertificateEnd> ends;
  std::map<std::string, TrustStoreFigures> stores;
  std::size_t pending_csrs = 0;
  std::optional<WallTime> oldest_csr;
};
CertificateFigures CertificateFiguresOf(const keystore::Snapshot& snapshot,
                                        const ControlFigures& control,
                                        const std::vector<SeenClient>& clients, WallTime now);

}  // namespace signet::services
