// What the certificate monitor looks at beside identities and trust stores (SPEC M1, M4): what
// endpoints really serve, the certificates with which administrators log in, and LSCs.
#pragma once

#include <functional>
#include <vector>

#include "keystore/trust.h"
#include "services/clients_seen.h"
#include "services/control/control_center.h"
#include "services/lscs.h"
#include "services/monitor/expiry_look.h"

namespace signet::services {

// Certificates that are served and are not the current one of their purpose, which is looked at
// anyway. What was not reached, or is no certificate, is unseen: neither fine nor expired. Pure.
void AddServed(const ControlFigures& figures, const keystore::Snapshot& snapshot, OtherPlaces& out);
// Certificates of clients. Pure.
void AddClients(const std::vector<SeenClient>& clients, OtherPlaces& out);

// Thread-safe. Refers to the parts, which outlive it.
class Places {
 public:
  struct Parts {
    const keystore::Trust& shared;  // settings, and what is current
    const Lscs& lscs;
    const ClientsSeen& clients;
    std::function<ControlFigures()> figures;  // what endpoints showed last
    // A sentence for each certificate whose status nobody tells.
    std::function<std::vector<std::string>()> unproved;
  };
  explicit Places(Parts parts) : parts_(std::move(parts)) {}

  // Reads the register where LSCs are watched, and nothing else.
  OtherPlaces At(WallTime now) const;
  // LSCs that are registered; 0 when the register cannot be read.
  std::size_t Registered(WallTime now) const;

 private:
  const Parts parts_;
};

}  // namespace signet::services
