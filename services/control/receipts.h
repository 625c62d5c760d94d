// What a plan has proved, signed by the appliance's own key (SPEC B1).
#pragma once

#include <string>

#include "keystore/identities.h"
#include "keystore/node.h"
#include "services/api.h"
#include "services/control_api.h"

namespace signet::services {

// Thread-safe.
class Receipts {
 public:
  Receipts(const keystore::NodeNames& names, const Clock& clock, keystore::State& state,
           keystore::Identities& identities)
      : names_(names), clock_(clock), state_(state), identities_(identities) {}

  // Keeps a receipt of this operation and answers its id; the oldest goes when there are too many.
  // Blocks, on the lane of identities. kNotFound NO_IDENTITY; errors of the token and the store.
  Result<std::string> Sign(const std::string& operation, const std::string& hash, WallTime begun,
                           const api::ApplyAnswer& answer);
  // Of the snapshot. kNotFound RECEIPT_UNKNOWN, kUsage FORMAT_UNKNOWN.
  Result<api::Download> Find(const api::ReceiptRequest& request) const;

 private:
  const keystore::NodeNames& names_;
  const Clock& clock_;
  keystore::State& state_;
  keystore::Identities& identities_;
};

}  // namespace signet::services
