// What a generation of a service's folder holds, worked out from a snapshot.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"
#include "services/generation.h"
#include "services/published_service.h"
#include "services/trust_digests.h"

namespace signet::services {

// The password of published PKCS#12 trust stores: all that is in them is public.
inline constexpr std::string_view kTrustStorePassword = "changeit";

// Refers to what it was made of, but for the snapshot.
class Publication {
 public:
  // Cheap: no certificate is read.
  Publication(const keystore::Catalogue& catalogue, const PublishedService& service,
              const PublishOptions& options, const keystore::Snapshot& snapshot,
              TrustDigests& digests);

  // No purpose of the service has a certificate yet.
  bool empty() const { return keys_.empty(); }
  // SHA-256 over all that the files are made of, hex: equal ones give equal files, but for the
  // folder's own name in them and the salt of PKCS#12.
  const std::string& inputs() const { return inputs_; }
  const std::map<std::string, std::string>& keys() const { return keys_; }  // purpose: CKA_ID, hex
  // Keys that are kept for a rollback: what was published with them stays as long.
  const std::set<std::string>& kept_keys() const { return kept_keys_; }

  // All files of a generation; what became of the trust stores. One certificate at a time is in
  // memory, and one file.
  Result<std::vector<PublishedStore>> Write(const keystore::Snapshot& snapshot,
                                            GenerationSink& sink) const;

 private:
  // What is shown to peers: leaf and intermediates, PEM.
  Result<std::string> ChainOf(const keystore::Snapshot& snapshot,
                              const keystore::Purpose& purpose) const;
  Result<PublishedStore> WriteTrust(const keystore::Snapshot& snapshot, const std::string& store,
                                    GenerationSink& sink) const;
  Status WriteIncludes(const keystore::Snapshot& snapshot, const keystore::Purpose& purpose,
                       const PublishedStore& trust, GenerationSink& sink) const;

  const PublishedService& service_;
  const PublishOptions& options_;
  std::vector<const keystore::Purpose*> purposes_;  // that have a certificate
  std::map<std::string, std::string> stores_;       // digest by name
  std::string inputs_;
  std::map<std::string, std::string> keys_;
  std::set<std::string> kept_keys_;
};

}  // namespace signet::services
