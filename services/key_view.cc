#include "services/key_view.h"

#include "platform/encoding.h"

namespace signet::services {
namespace {

hsm::ViewKey Describe(const keystore::Purpose& purpose, const keystore::Snapshot& snapshot,
                      const keystore::IdentityVersion& version, std::string label) {
  hsm::ViewKey key;
  key.purpose = purpose.name;
  key.services = purpose.services;
  key.label = std::move(label);
  key.id = version.key.id;
  key.spki = version.key.spki;
  std::vector<std::string> fingerprints = {version.certificate};
  fingerprints.insert(fingerprints.end(), version.chain.begin(), version.chain.end());
  for (const std::string& fingerprint : fingerprints) {
    const keystore::x509::Certificate* certificate = snapshot.Certificate(fingerprint);
    // Clients pair the first certificate with the key: without it, none is shown.
    if (certificate == nullptr) break;
    // A server sends what it finds here; the peer has the anchor, or it has no use for it.
    const bool is_anchor = !key.certificates.empty() && certificate->fields().self_signed;
    if (is_anchor) break;
    key.certificates.push_back(Base64Encode(certificate->der()));
  }
  return key;
}

}  // namespace

hsm::KeyView MakeKeyView(const keystore::Catalogue& catalogue, const keystore::Snapshot& snapshot) {
  hsm::KeyView view;
  for (const keystore::Purpose& purpose : catalogue.purposes) {
    const auto found = snapshot.identities.find(purpose.name);
    if (found == snapshot.identities.end()) continue;
    const keystore::IdentityRecord& record = found->second.value;
    if (record.current)
      view.keys.push_back(Describe(purpose, snapshot, *record.current, purpose.name));
    const bool is_other_key =
        record.previous && (!record.current || record.previous->key.id != record.current->key.id);
    if (is_other_key) {
      view.keys.push_back(
          Describe(purpose, snapshot, *record.previous, purpose.name + hsm::kPreviousKey));
    }
  }
  return view;
}

}  // namespace signet::services
