// Keeps the files of the configured services in step with their certificates and trust stores.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"
#include "platform/files.h"
#include "services/published_service.h"
#include "services/trust_digests.h"

namespace signet::services {

class GenerationFolder;

// A service's folder holds, for each purpose of it, its certificate with the chain, the URI of its
// key, its trust store as PEM, as a hashed folder and as PKCS#12, and include files of its server;
// generation_folder.h says how they come there. The first Publish after a start checks what is
// there file by file. Thread-safe; what it is made of outlives it.
class Publisher {
 public:
  Publisher(const keystore::Catalogue& catalogue, keystore::State& state, FileSystem& files,
            std::vector<PublishedService> services, PublishOptions options);

  // Brings every service up to date; costs next to nothing when nothing moved that it reads. The
  // first error, when some could not be; it is a warning from then on, and the next call tries
  // again. An older snapshot than the last one is not looked at.
  Status Publish(const keystore::Snapshot& snapshot) { return PublishAll(snapshot, false); }
  // The same with what the state is now, and removes generations that nobody needs any more, which
  // takes its time for large ones: at start, and now and then.
  Status PublishNow();

  // PUBLISH_FAILED of services that are not up to date, and what was left out of the others.
  std::vector<Finding> Warnings() const;
  const std::vector<PublishedService>& services() const { return services_; }
  const PublishOptions& options() const { return options_; }

 private:
  // Of a service, as of the last call that went well.
  struct Done {
    std::string inputs;
    std::optional<std::set<std::string>> kept_keys;  // for which old generations were removed
  };
  struct Service {
    std::optional<Done> done;
    std::optional<Finding> failure;
    Findings left_out;  // of the current generation
    Findings foreign;   // in folders of former ones
  };
  Status PublishAll(const keystore::Snapshot& snapshot, bool tidy);
  Status PublishOne(const PublishedService& service, const keystore::Snapshot& snapshot, bool tidy,
                    Service& known);
  Status Tidy(GenerationFolder& folder, const std::set<std::string>& kept_keys, Service& known);

  const keystore::Catalogue& catalogue_;
  keystore::State& state_;
  FileSystem& files_;
  const std::vector<PublishedService> services_;
  const PublishOptions options_;

  std::mutex work_;  // one Publish at a time; guards digests_ and newest_
  TrustDigests digests_;
  keystore::Revision newest_ = 0;
  mutable std::mutex mutex_;  // guards known_; held briefly
  std::map<std::string, Service> known_;
};

}  // namespace signet::services
