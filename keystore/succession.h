// Records of identities as changes write them. For this folder only.
#pragma once

#include <string>
#include <vector>

#include "keystore/snapshot.h"
#include "keystore/store/store.h"

namespace signet::keystore {

// `next` becomes the purpose's current version, what was current stays for a rollback; the key of
// the one before that is over and goes to `destroy`.
void InstallCurrent(const Snapshot& snapshot, const Layout& layout, const std::string& purpose,
                    IdentityVersion next, Transaction& transaction,
                    std::vector<std::string>& destroy);

}  // namespace signet::keystore
