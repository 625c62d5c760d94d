#include "keystore/succession.h"

namespace signet::keystore {

void InstallCurrent(const Snapshot& snapshot, const Layout& layout, const std::string& purpose,
                    IdentityVersion next, Transaction& transaction,
                    std::vector<std::string>& destroy) {
  IdentityRecord identity;
  identity.purpose = purpose;
  Revision modified = 0;
  if (const auto row = snapshot.identities.find(purpose); row != snapshot.identities.end()) {
    identity = row->second.value;
    modified = row->second.modified;
  }
  if (identity.previous &&
      (!identity.current || identity.previous->key.id != identity.current->key.id) &&
      identity.previous->key.id != next.key.id) {
    destroy.push_back(identity.previous->key.id);
  }
  identity.previous = std::move(identity.current);
  identity.current = std::move(next);
  transaction.Expect(layout.Identity(purpose), modified);
  transaction.Put(layout.Identity(purpose), json::serialize(ToJson(identity)));
}

}  // namespace signet::keystore
