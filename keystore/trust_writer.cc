#include "keystore/trust_writer.h"

#include <algorithm>

#include "platform/encoding.h"

namespace signet::keystore {

void PutCertificate(Transaction& transaction, const Layout& layout, const std::string& fingerprint,
                    std::string_view der) {
  CertificateRecord record;
  record.der = Base64Encode(der);
  transaction.Put(layout.Certificate(fingerprint), json::serialize(ToJson(record)));
}

TrustShard& TrustWriter::Shard(const std::string& store, const std::string& fingerprint) {
  const std::string key = layout_.TrustShard(store, fingerprint);
  auto shard = shards_.find(key);
  if (shard != shards_.end()) return shard->second;
  TrustShard old;  // the whole shard is written anew
  const auto shards = snapshot_.trust.find(store);
  if (shards != snapshot_.trust.end()) {
    const auto found = shards->second->find(fingerprint.substr(0, 2));
    if (found != shards->second->end()) old = found->second;
  }
  return shards_.emplace(key, std::move(old)).first->second;
}

void TrustWriter::Add(const std::string& store, const TrustAddition& addition,
                      const std::string& origin, const std::string& purpose) {
  const std::string& fingerprint = addition.certificate.fingerprint();
  TrustEntryRecord entry;
  entry.certificate = fingerprint;
  entry.kind = std::string(x509::EntryKindName(addition.kind));
  entry.origin = origin;
  entry.description = addition.description;
  entry.purpose = purpose;
  entry.added = now_;
  Add(store, std::move(entry));
  certificates_[fingerprint] = addition.certificate.der();
}

void TrustWriter::Add(const std::string& store, TrustEntryRecord entry) {
  const std::string fingerprint = entry.certificate;
  std::vector<TrustEntryRecord>& entries = Shard(store, fingerprint).entries;
  const bool there = std::any_of(entries.begin(), entries.end(), [&](const TrustEntryRecord& old) {
    return old.certificate == fingerprint;
  });
  if (!there) entries.push_back(std::move(entry));
  if (snapshot_.Tombstone(store, fingerprint) != nullptr)
    tombstones_[layout_.Tombstone(store, fingerprint)] = std::nullopt;
}

void TrustWriter::Remove(const std::string& store, const TombstoneRecord& tombstone) {
  const std::string& fingerprint = tombstone.entry.certificate;
  std::erase_if(Shard(store, fingerprint).entries,
                [&](const TrustEntryRecord& entry) { return entry.certificate == fingerprint; });
  tombstones_[layout_.Tombstone(store, fingerprint)] = tombstone;
}

void TrustWriter::WriteTo(Transaction& transaction) const {
  for (const auto& [key, shard] : shards_) {
    TrustShardRecord record;
    record.entries = shard.entries;
    transaction.Expect(key, shard.modified);
    transaction.Put(key, json::serialize(ToJson(record)));
  }
  for (const auto& [key, tombstone] : tombstones_) {
    if (tombstone) {
      transaction.Put(key, json::serialize(ToJson(*tombstone)));
    } else {
      transaction.Delete(key);
    }
  }
  for (const auto& [fingerprint, der] : certificates_)
    PutCertificate(transaction, layout_, fingerprint, der);
}

}  // namespace signet::keystore
