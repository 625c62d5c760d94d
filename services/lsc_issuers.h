// Whose certificates of endpoints are taken: of a CA that is the appliance's own, or that one of
// its trust stores has.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"

namespace signet::services {

// Of one state. Not thread-safe.
class LscIssuers {
 public:
  LscIssuers(const keystore::Catalogue& catalogue,
             std::shared_ptr<const keystore::Snapshot> snapshot)
      : catalogue_(catalogue), snapshot_(std::move(snapshot)) {}

  // A CA of the issuer's name has signed it: the current or the former identity of a purpose that
  // is a CA (column `ca`), or an anchor or intermediate of any trust store. Of the signature alone:
  // an issuer that has ended has issued what it has issued.
  bool Vouch(const keystore::x509::Certificate& issued);

 private:
  const std::vector<keystore::x509::Certificate>& Named(const keystore::x509::Certificate& issued);

  const keystore::Catalogue& catalogue_;
  const std::shared_ptr<const keystore::Snapshot> snapshot_;
  // By the issuer's name and key id: endpoints are many, and their issuers few.
  std::map<std::pair<std::string, std::string>, std::vector<keystore::x509::Certificate>> named_;
};

}  // namespace signet::services
