// Which keys the services of this machine see: those that are current, and those that a rollback
// would bring back.
#pragma once

#include "hsm/key_view.h"
#include "keystore/catalogue.h"
#include "keystore/snapshot.h"

namespace signet::services {

// Pure. A purpose's current key has the purpose as its label, so that configurations can name it
// for good; the former one is "<purpose>-previous".
hsm::KeyView MakeKeyView(const keystore::Catalogue& catalogue, const keystore::Snapshot& snapshot);

}  // namespace signet::services
