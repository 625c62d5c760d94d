#include "services/trust_digests.h"

#include "platform/encoding.h"

namespace signet::services {
namespace {

// Empty when no entry of the shard is to be seen: as if it were not there.
std::string DigestOf(const keystore::Snapshot& snapshot, const std::string& store,
                     const std::string& shard) {
  std::string text;
  snapshot.EachTrustEntry(store, shard, [&](const keystore::TrustEntryRecord& entry) {
    if (!entry.certificate.starts_with(shard)) return false;
    if (snapshot.Distrusted(entry.certificate) != nullptr) return true;
    text += entry.certificate + " " + entry.kind + " " + Sha256Hex(entry.description) + "\n";
    return true;
  });
  return text.empty() ? text : Sha256Hex(text);
}

}  // namespace

std::string TrustDigests::Of(const keystore::Snapshot& snapshot, const std::string& store) {
  const auto found = snapshot.trust.find(store);
  if (found == snapshot.trust.end()) {
    stores_.erase(store);
    return Sha256Hex("");
  }
  std::vector<std::string> hiding;
  for (const auto& [operation, record] : snapshot.pending) {
    if (record.value.store == store) hiding.push_back(operation);
  }
  for (const auto& [fingerprint, record] : snapshot.distrusted) {
    if (snapshot.TrustEntry(store, fingerprint) != nullptr) hiding.push_back(fingerprint);
  }
  Store& known = stores_[store];
  const bool same_view = known.hiding == hiding;
  if (same_view && known.records == found->second) return known.digest;
  std::map<std::string, Shard> shards;
  std::string all;
  for (const auto& [name, records] : *found->second) {
    Shard& shard = shards[name];
    if (const auto old = known.shards.find(name); same_view && old != known.shards.end())
      shard = old->second;
    if (shard.records != records) shard = {records, DigestOf(snapshot, store, name)};
    all += shard.digest;
  }
  known = {found->second, std::move(hiding), std::move(shards), Sha256Hex(all)};
  return known.digest;
}

}  // namespace signet::services
