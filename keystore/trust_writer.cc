#include "keystore/trust_writer.h"

#include <algorithm>
#include <iterator>

namespace signet::keystore {

namespace {

// Of a transaction that is one of several; what is left is for the operation's own records.
constexpr std::size_t kWrites = kMaxOperations - 28;
constexpr std::size_t kBytes = kMaxRequestBytes - 512 * 1024;

void Append(Transaction& to, Transaction from) {
  std::move(from.writes.begin(), from.writes.end(), std::back_inserter(to.writes));
  std::move(from.compares.begin(), from.compares.end(), std::back_inserter(to.compares));
}

// Fills transactions one after the other.
class Splitter {
 public:
  void Add(Transaction piece) {
    std::size_t bytes = 0;
    for (const Write& write : piece.writes)
      bytes += write.key.size() + (write.value ? write.value->size() : 0);
    for (const Compare& compare : piece.compares) bytes += compare.key.size();
    const bool full = done_.empty() || bytes_ + bytes > kBytes ||
                      done_.back().writes.size() + piece.writes.size() > kWrites;
    if (full) {
      done_.emplace_back();
      bytes_ = 0;
    }
    bytes_ += bytes;
    Append(done_.back(), std::move(piece));
  }
  std::vector<Transaction> Take() { return std::move(done_); }

 private:
  std::vector<Transaction> done_;
  std::size_t bytes_ = 0;
};

void WriteShard(Transaction& transaction, const std::string& key, const TrustShard& shard) {
  TrustShardRecord record;
  record.entries = shard.entries;
  transaction.Expect(key, shard.modified);
  transaction.Put(key, json::serialize(ToJson(record)));
}

}  // namespace

void PutCertificate(Transaction& transaction, const Layout& layout,
                    const x509::Certificate& certificate) {
  transaction.Put(layout.Certificate(certificate.fingerprint()),
                  json::serialize(ToJson(RecordOf(certificate))));
}

TrustShard& TrustWriter::Shard(const std::string& store, const std::string& fingerprint) {
  const std::string key = layout_.TrustShard(store, fingerprint);
  const auto known = shards_.find(key);
  if (known != shards_.end()) return known->second;
  const TrustShard* old = snapshot_.FindTrustShard(store, fingerprint);
  return shards_.emplace(key, old == nullptr ? TrustShard() : *old).first->second;
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
  certificates_.emplace(fingerprint, addition.certificate);
}

void TrustWriter::Add(const std::string& store, TrustEntryRecord entry) {
  entry.operation = operation_;
  std::vector<TrustEntryRecord>& entries = Shard(store, entry.certificate).entries;
  const auto old = std::find_if(entries.begin(), entries.end(), [&](const TrustEntryRecord& e) {
    return e.certificate == entry.certificate;
  });
  if (old == entries.end()) {
    entries.push_back(std::move(entry));
  } else if (snapshot_.pending.contains(old->operation)) {
    overtaken_.insert(old->operation);
    *old = std::move(entry);
  } else if (const auto kind = x509::ParseEntryKind(entry.kind);
             kind && IsRaised(old->kind, kind.value())) {
    entry.purpose = old->purpose;
    *old = std::move(entry);
  }
}

void TrustWriter::Remove(const std::string& store, const TombstoneRecord& tombstone) {
  const std::string& fingerprint = tombstone.entry.certificate;
  std::erase_if(Shard(store, fingerprint).entries,
                [&](const TrustEntryRecord& entry) { return entry.certificate == fingerprint; });
  tombstones_[layout_.Tombstone(store, fingerprint)] = tombstone;
}

void TrustWriter::TakeBack(const std::string& store) {
  const auto shards = snapshot_.trust.find(store);
  if (shards == snapshot_.trust.end()) return;
  const auto is_ours = [this](const TrustEntryRecord& entry) {
    return entry.operation == operation_;
  };
  for (const auto& [byte, shard] : *shards->second) {
    if (std::any_of(shard->entries.begin(), shard->entries.end(), is_ours))
      std::erase_if(Shard(store, byte).entries, is_ours);
  }
}

void TrustWriter::WriteTo(Transaction& transaction) const {
  for (Transaction& part : Split()) Append(transaction, std::move(part));
}

std::vector<Transaction> TrustWriter::Split() const {
  Splitter parts;
  // Whose entry is replaced before anybody saw it, that operation must not end well; if it did
  // meanwhile, this one does not.
  for (const std::string& operation : overtaken_) {
    const Versioned<PendingRecord>& row = snapshot_.pending.at(operation);
    Transaction piece;
    piece.Expect(layout_.Pending(operation), row.modified);
    piece.Put(layout_.Pending(operation), json::serialize(ToJson(row.value)));
    parts.Add(std::move(piece));
  }
  for (const auto& [unused, certificate] : certificates_) {
    Transaction piece;
    PutCertificate(piece, layout_, certificate);
    parts.Add(std::move(piece));
  }
  for (const auto& [key, shard] : shards_) {
    Transaction piece;
    WriteShard(piece, key, shard);
    parts.Add(std::move(piece));
  }
  for (const auto& [key, tombstone] : tombstones_) {
    Transaction piece;
    piece.Put(key, json::serialize(ToJson(tombstone)));
    parts.Add(std::move(piece));
  }
  return parts.Take();
}

}  // namespace signet::keystore
