#include "keystore/trust_writer.h"

#include "platform/encoding.h"

namespace signet::keystore {

void PutCertificate(Transaction& transaction, const Layout& layout, const std::string& fingerprint,
                    std::string_view der) {
  CertificateRecord record;
  record.der = Base64Encode(der);
  transaction.Put(layout.Certificate(fingerprint), json::serialize(ToJson(record)));
}

void TrustWriter::Add(const std::string& store, const TrustAddition& addition,
                      const std::string& origin) {
  const std::string& fingerprint = addition.certificate.fingerprint();
  if (snapshot_.TrustEntry(store, fingerprint) != nullptr) return;
  const std::string key = layout_.TrustShard(store, fingerprint);
  auto shard = shards_.find(key);
  if (shard == shards_.end()) {
    TrustShard old;  // the whole shard is written anew
    const auto shards = snapshot_.trust.find(store);
    if (shards != snapshot_.trust.end()) {
      const auto found = shards->second->find(fingerprint.substr(0, 2));
      if (found != shards->second->end()) old = found->second;
    }
    shard = shards_.emplace(key, std::move(old)).first;
  }
  TrustEntryRecord entry;
  entry.certificate = fingerprint;
  entry.kind = std::string(x509::EntryKindName(addition.kind));
  entry.origin = origin;
  entry.description = addition.description;
  entry.added = now_;
  shard->second.entries.push_back(std::move(entry));
  certificates_[fingerprint] = addition.certificate.der();
}

void TrustWriter::WriteTo(Transaction& transaction) const {
  for (const auto& [key, shard] : shards_) {
    TrustShardRecord record;
    record.entries = shard.entries;
    transaction.Expect(key, shard.modified);
    transaction.Put(key, json::serialize(ToJson(record)));
  }
  for (const auto& [fingerprint, der] : certificates_)
    PutCertificate(transaction, layout_, fingerprint, der);
}

}  // namespace signet::keystore
