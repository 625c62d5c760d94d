// The catalogue: what a product's clusters have, as versioned data (keystore/catalogue/*.toml,
// embedded). No code compares a purpose by its name; whatever varies is a column.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/key_types.h"
#include "keystore/x509/profile.h"
#include "platform/error.h"

namespace signet::keystore {

enum class ServiceGroup : std::uint8_t { kFeature, kNetwork };

struct Service {
  std::string name;  // "Cisco SIP Proxy"
  ServiceGroup group = ServiceGroup::kFeature;
  bool publisher_only = false;
  std::vector<std::string> below;  // services that restart with it
};

struct TrustStoreRow {
  std::string name;   // "cup-xmpp-trust"
  std::string title;  // "IM and Presence (IM/P) Service Trust" where the vendor has one, else empty
};

// Where a restart rule applies (SPEC S3).
enum class RestartScope : std::uint8_t { kAffectedNodes, kAllNodes, kFederationNodes, kPublisher };
struct Restart {
  std::string service;
  RestartScope scope = RestartScope::kAffectedNodes;
  std::vector<std::string> below;  // of that service
};

struct Purpose {
  std::string name;         // "cup-xmpp-ECDSA"
  std::string trust_store;  // "cup-xmpp-trust"
  std::string role;         // a sentence for people
  hsm::KeyAlgorithm algorithm = hsm::KeyAlgorithm::kRsa;
  hsm::KeySpec default_key;
  bool multi_server = false;
  bool publisher_only = false;
  bool internal = false;  // not shown as a purpose (the appliance's own identity)
  bool hosted_domains =
      false;  // its certificates name the cluster's hosted domains too (cup-xmpp-s2s)
  bool tls_listener = false;  // the daemon's own TLS side presents it
  bool federation_link =
      false;  // serves federation or inter-cluster links: self-signed is worth a warning (W4)
  x509::Profile profile;
  bool leftover_deletable =
      false;                // C10: what a CA-signed one leaves in the trust store may be deleted
  bool check_sync = false;  // S3: after the restarts inter-cluster sync is looked at
  std::vector<std::string> services;    // that present or use it
  std::vector<Restart> on_certificate;  // S3: restarts that a new certificate asks for
  std::string file_stem;                // W5: "cup_ECDSA"
};

struct Catalogue {
  std::string product;  // imp | cucm | a third
  std::string title;
  std::int64_t version = 0;
  std::vector<Purpose> purposes;  // in the order in which they are made at first boot
  std::vector<TrustStoreRow> trust_stores;
  std::vector<Service> services;
  std::vector<Restart> on_ca_chain;  // S3: a CA chain was uploaded
  std::map<std::string, std::vector<Restart>>
      on_trust;  // S3: an entry was added to or taken from that store

  const Purpose* FindPurpose(std::string_view name) const;  // null when there is none; exact
  const TrustStoreRow* FindTrustStore(
      std::string_view name) const;  // regardless of case (SPEC 1.2)
};

// As a person names them, so without the internal purposes. kNotFound PURPOSE_UNKNOWN,
// TRUST_STORE_UNKNOWN; the remedy lists what there is.
Result<const Purpose*> FindPurpose(const Catalogue& catalogue, const std::string& name);
Result<const TrustStoreRow*> FindTrustStore(const Catalogue& catalogue, const std::string& name);
// The services to restart, each once, in the order of the rules.
std::vector<std::string> ServicesOf(const std::vector<Restart>& restarts);

// A product's catalogue: the embedded "imp" or "cucm". kNotFound PRODUCT_UNKNOWN.
Result<Catalogue> LoadCatalogue(std::string_view product);
// An operator's own, from TOML text. kUsage CATALOGUE_INVALID with file, line and column of every
// problem; cross-references (stores, services) are checked.
Result<Catalogue> ParseCatalogue(std::string_view toml, std::string name);

}  // namespace signet::keystore
