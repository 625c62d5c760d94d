#include "services/revocation/status_subjects.h"

#include <algorithm>
#include <map>

#include "keystore/x509/revocation_urls.h"

namespace signet::services {

namespace x509 = keystore::x509;

namespace {

class Collector {
 public:
  Collector(std::shared_ptr<const keystore::Snapshot> snapshot, WallTime now)
      : snapshot_(std::move(snapshot)), now_(now) {}

  void Identity(const std::string& purpose, const keystore::IdentityVersion& version) {
    std::vector<std::string> path = {version.certificate};
    path.insert(path.end(), version.chain.begin(), version.chain.end());
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      const x509::Certificate* certificate = snapshot_->Certificate(path[i]);
      const x509::Certificate* issuer = snapshot_->Certificate(path[i + 1]);
      if (certificate != nullptr && issuer != nullptr)
        Add(*certificate, *issuer, i == 0 ? purpose : "chain of " + purpose, false);
    }
  }

  void TrustStore(const std::string& store) {
    snapshot_->EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
      const auto* row = snapshot_->certificates->Find(entry.certificate);
      const bool responder = IsResponder(entry);
      if (row == nullptr || row->subject_id() == row->issuer_id()) return true;
      const auto known = found_.find(entry.certificate);
      if (known != found_.end()) {
        known->second.places.push_back(store);
        known->second.trusted = known->second.trusted || !responder;
        return true;
      }
      // Ten thousand entries are not kept in memory as parsed ones.
      const auto certificate = row->Parse();
      if (!certificate) return true;
      if (responder && x509::HasNoCheck(certificate.value())) return true;
      if (const auto issuer = StoredIssuerOf(*snapshot_, *certificate))
        Add(*certificate, *issuer, store, !responder);
      return true;
    });
  }

  std::vector<StatusSubject> Take() && {
    std::vector<StatusSubject> subjects;
    subjects.reserve(found_.size());
    for (auto& [fingerprint, subject] : found_) subjects.push_back(std::move(subject));
    return subjects;
  }

 private:
  void Add(const x509::Certificate& certificate, const x509::Certificate& issuer, std::string place,
           bool trusted) {
    if (certificate.fields().self_issued || certificate.fields().not_after < now_) return;
    auto [at, unused] = found_.try_emplace(certificate.fingerprint(),
                                           StatusSubject{certificate, issuer, {}, false});
    at->second.places.push_back(std::move(place));
    at->second.trusted = at->second.trusted || trusted;
  }

  const std::shared_ptr<const keystore::Snapshot> snapshot_;
  const WallTime now_;
  std::map<std::string, StatusSubject> found_;
};

}  // namespace

bool IsResponder(const keystore::TrustEntryRecord& entry) {
  return entry.kind == x509::EntryKindName(x509::EntryKind::kOcspResponder);
}

std::optional<x509::Certificate> StoredIssuerOf(const keystore::Snapshot& snapshot,
                                                const x509::Certificate& certificate) {
  std::optional<x509::Certificate> issuer;
  const auto& fields = certificate.fields();
  std::size_t looked = 0;
  snapshot.certificates->EachNamed(keystore::NameIdOf(fields.issuer_der), fields.aki,
                                   [&](const keystore::StoredCertificate& row) {
                                     const x509::Certificate* candidate = row.Parsed();
                                     if (candidate != nullptr && candidate->fields().ca &&
                                         candidate->fields().subject_der == fields.issuer_der &&
                                         certificate.IsSignedBy(*candidate))
                                       issuer = *candidate;
                                     return !issuer && ++looked < x509::kMaxCandidates;
                                   });
  return issuer;
}

std::optional<x509::Certificate> IssuerOf(const x509::Certificate& certificate,
                                          const x509::TrustView& trust,
                                          const std::vector<x509::Certificate>& extra) {
  const auto& fields = certificate.fields();
  const auto signs = [&](const x509::Certificate& candidate) {
    return candidate.fields().subject_der == fields.issuer_der && candidate.fields().ca &&
           certificate.IsSignedBy(candidate);
  };
  for (const auto& look_up : {trust.anchors, trust.intermediates}) {
    if (!look_up) continue;
    const std::vector<x509::Certificate> named = look_up(fields.issuer_der, fields.aki);
    const auto found = std::find_if(named.begin(), named.end(), signs);
    if (found != named.end()) return *found;
  }
  const auto found = std::find_if(extra.begin(), extra.end(), signs);
  return found == extra.end() ? std::nullopt : std::optional(*found);
}

std::vector<StatusSubject> WhoseStatus(std::shared_ptr<const keystore::Snapshot> snapshot,
                                       WallTime now) {
  Collector collector(snapshot, now);
  for (const auto& [purpose, row] : snapshot->identities) {
    if (row.value.current) collector.Identity(purpose, *row.value.current);
  }
  for (const auto& [store, shards] : snapshot->trust) collector.TrustStore(store);
  return std::move(collector).Take();
}

std::vector<std::string> PlacesOf(const keystore::Snapshot& snapshot,
                                  const std::string& fingerprint) {
  std::vector<std::string> places;
  for (const auto& [purpose, row] : snapshot.identities) {
    if (!row.value.current) continue;
    const keystore::IdentityVersion& current = *row.value.current;
    if (current.certificate == fingerprint) places.push_back(purpose);
    if (std::find(current.chain.begin(), current.chain.end(), fingerprint) != current.chain.end())
      places.push_back("chain of " + purpose);
  }
  for (const auto& [store, shards] : snapshot.trust) {
    if (snapshot.TrustEntry(store, fingerprint) != nullptr) places.push_back(store);
  }
  return places;
}

}  // namespace signet::services
