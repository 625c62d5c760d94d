#include "keystore/snapshot.h"

#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::keystore {

namespace {

constexpr Duration kLoadLimit = std::chrono::seconds(30);

using CertificateMap = std::unordered_map<std::string, std::shared_ptr<const StoredCertificate>>;

// The part of `key` behind `prefix`, if it lies under it.
std::optional<std::string> Below(const std::string& key, const std::string& prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return key.substr(prefix.size());
}

// A record's document; a damaged one is logged and left out, so that the rest of the appliance can
// be repaired.
template <class T>
std::optional<T> Decode(const std::string& key, const std::string& text) {
  auto parsed = ParseJson(text);
  if (parsed) {
    auto record = FromJson<T>(parsed.value());
    if (record) return std::move(record).value();
  }
  Log(LogLevel::kError, "record " + key + " cannot be read and is left out");
  return std::nullopt;
}

// Copies what an event changes, shares the rest.
class Builder {
 public:
  Builder(const Snapshot& from, const Layout& layout) : next_(from), layout_(layout) {}

  void Put(const std::string& key, const std::optional<std::string>& text, Revision modified) {
    if (auto purpose = Below(key, layout_.Identities())) {
      PutRow(next_.identities, *purpose, key, text, modified);
    } else if (auto id = Below(key, layout_.Csrs())) {
      PutRow(next_.csrs, *id, key, text, modified);
    } else if (auto fingerprint = Below(key, layout_.Certificates())) {
      PutCertificate(*fingerprint, key, text);
    } else if (auto shard = Below(key, layout_.TrustStores())) {
      PutShard(*shard, key, text, modified);
    } else if (auto tombstone = Below(key, layout_.Tombstones())) {
      PutRow(next_.tombstones, *tombstone, key, text, modified);
    } else if (auto setting = Below(key, layout_.Settings())) {
      PutRow(next_.settings, *setting, key, text, modified);
    }
  }

  std::shared_ptr<const Snapshot> Take(Revision revision) {
    next_.revision = revision;
    if (certificates_) next_.certificates = certificates_;
    for (auto& [store, shards] : trust_) next_.trust[store] = shards;
    return std::make_shared<const Snapshot>(std::move(next_));
  }

 private:
  template <class T>
  void PutRow(std::map<std::string, Versioned<T>>& rows, const std::string& name,
              const std::string& key, const std::optional<std::string>& text, Revision modified) {
    if (!text) {
      rows.erase(name);
    } else if (auto record = Decode<T>(key, *text)) {
      rows[name] = {std::move(*record), modified};
    }
  }

  void PutCertificate(const std::string& fingerprint, const std::string& key,
                      const std::optional<std::string>& text) {
    if (!certificates_) {
      certificates_ = next_.certificates ? std::make_shared<CertificateMap>(*next_.certificates)
                                         : std::make_shared<CertificateMap>();
    }
    if (!text) {
      certificates_->erase(fingerprint);
    } else if (auto record = Decode<CertificateRecord>(key, *text)) {
      auto der = Base64Decode(record->der);
      if (der)
        certificates_->insert_or_assign(
            fingerprint, std::make_shared<StoredCertificate>(std::move(der).value()));
    }
  }

  void PutShard(const std::string& path, const std::string& key,
                const std::optional<std::string>& text, Revision modified) {
    const std::size_t slash = path.find('/');
    if (slash == std::string::npos) return;
    const std::string store = path.substr(0, slash);
    auto& shards = trust_[store];
    if (!shards) {
      const auto old = next_.trust.find(store);
      shards = old == next_.trust.end() ? std::make_shared<TrustStore>()
                                        : std::make_shared<TrustStore>(*old->second);
    }
    const std::string name = path.substr(slash + 1);
    if (!text) {
      shards->erase(name);
    } else if (auto record = Decode<TrustShardRecord>(key, *text)) {
      (*shards)[name] = {std::move(record->entries), modified};
    }
  }

  Snapshot next_;
  const Layout& layout_;
  std::shared_ptr<CertificateMap> certificates_;
  std::map<std::string, std::shared_ptr<TrustStore>> trust_;
};

std::vector<x509::Certificate> EntriesNamed(const Snapshot& snapshot, const std::string& store,
                                            const std::string& subject_der,
                                            const std::string& key_id, std::string_view kind) {
  std::vector<x509::Certificate> found;
  const auto shards = snapshot.trust.find(store);
  if (shards == snapshot.trust.end()) return found;
  for (const auto& [unused, shard] : *shards->second) {
    for (const TrustEntryRecord& entry : shard.entries) {
      if (entry.kind != kind) continue;
      const x509::Certificate* certificate = snapshot.Certificate(entry.certificate);
      if (certificate != nullptr && certificate->fields().subject_der == subject_der)
        found.push_back(*certificate);
    }
  }
  return BestCandidates(std::move(found), key_id);
}

}  // namespace

const x509::Certificate* StoredCertificate::Parsed() const {
  std::call_once(once_, [this] {
    auto parsed = x509::Certificate::FromDer(der_);
    if (parsed) {
      parsed_ = std::move(parsed).value();
    } else {
      Log(LogLevel::kError, "a stored certificate cannot be read: " + parsed.error().ToString());
    }
  });
  return parsed_ ? &*parsed_ : nullptr;
}

const IdentityVersion* Snapshot::Current(const std::string& purpose) const {
  const auto row = identities.find(purpose);
  return row != identities.end() && row->second.value.current ? &*row->second.value.current
                                                              : nullptr;
}

const x509::Certificate* Snapshot::Certificate(const std::string& fingerprint) const {
  if (!certificates) return nullptr;
  const auto found = certificates->find(fingerprint);
  return found == certificates->end() ? nullptr : found->second->Parsed();
}

namespace {

const TrustShard* FindShard(const Snapshot& snapshot, const std::string& store,
                            const std::string& fingerprint) {
  const auto shards = snapshot.trust.find(store);
  if (shards == snapshot.trust.end()) return nullptr;
  const auto shard = shards->second->find(fingerprint.substr(0, 2));
  return shard == shards->second->end() ? nullptr : &shard->second;
}

}  // namespace

const TrustEntryRecord* Snapshot::TrustEntry(const std::string& store,
                                             const std::string& fingerprint) const {
  const TrustShard* shard = FindShard(*this, store, fingerprint);
  if (shard == nullptr) return nullptr;
  for (const TrustEntryRecord& entry : shard->entries) {
    if (entry.certificate == fingerprint) return &entry;
  }
  return nullptr;
}

Revision Snapshot::TrustShardRevision(const std::string& store,
                                      const std::string& fingerprint) const {
  const TrustShard* shard = FindShard(*this, store, fingerprint);
  return shard == nullptr ? 0 : shard->modified;
}

const Versioned<TombstoneRecord>* Snapshot::Tombstone(const std::string& store,
                                                      const std::string& fingerprint) const {
  const auto row = tombstones.find(store + "/" + fingerprint);
  return row == tombstones.end() ? nullptr : &row->second;
}

std::size_t Snapshot::TrustEntryCount() const {
  std::size_t count = 0;
  for (const auto& [unused, shards] : trust) {
    for (const auto& [name, shard] : *shards) count += shard.entries.size();
  }
  return count;
}

x509::TrustView Snapshot::View(std::shared_ptr<const Snapshot> self, const std::string& store) {
  auto lookup = [self, store](std::string_view kind) {
    return [self, store, kind](const std::string& subject_der, const std::string& key_id) {
      return EntriesNamed(*self, store, subject_der, key_id, kind);
    };
  };
  return {lookup(x509::EntryKindName(x509::EntryKind::kAnchor)),
          lookup(EntryKindName(x509::EntryKind::kIntermediate))};
}

std::map<std::string, Snapshot::OwnedKey> Snapshot::Keys() const {
  std::map<std::string, OwnedKey> keys;
  for (const auto& [purpose, row] : identities) {
    const IdentityRecord& identity = row.value;
    if (identity.previous)
      keys[identity.previous->key.id] = {identity.previous->key, purpose + " previous", purpose};
    if (identity.current)
      keys[identity.current->key.id] = {identity.current->key, purpose + " current", purpose};
  }
  for (const auto& [id, row] : csrs) {
    keys[row.value.key.id] = {row.value.key, row.value.purpose + " csr " + id, row.value.purpose};
  }
  return keys;
}

Result<std::unique_ptr<State>> State::Open(Store& store, Layout layout) {
  std::unique_ptr<State> state(new State(store, std::move(layout)));
  SIGNET_TRY(Range all, store.List(Layout::Root(), "", 0, kLoadLimit));
  Snapshot empty;
  empty.certificates = std::make_shared<const CertificateMap>();
  Builder builder(empty, state->layout_);
  for (const Record& record : all.records) builder.Put(record.key, record.value, record.modified);
  state->snapshot_ = builder.Take(all.revision);
  State* self = state.get();
  SIGNET_TRY(state->watch_,
             store.Watch(Layout::Root(), all.revision,
                         [self](Revision revision, const std::vector<Event>& events) {
                           self->Apply(revision, events);
                         }));
  return state;
}

std::shared_ptr<const Snapshot> State::Now() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

void State::OnChange(std::function<void(const Snapshot&)> callback) {
  std::lock_guard lock(mutex_);
  callbacks_.push_back(std::move(callback));
}

void State::Apply(Revision revision, const std::vector<Event>& events) {
  // The store calls one sink at a time, so only readers compete for the mutex.
  Builder builder(*Now(), layout_);
  for (const Event& event : events) builder.Put(event.key, event.value, event.modified);
  std::shared_ptr<const Snapshot> next = builder.Take(revision);
  std::vector<std::function<void(const Snapshot&)>> callbacks;
  {
    std::lock_guard lock(mutex_);
    snapshot_ = next;
    callbacks = callbacks_;
  }
  for (const auto& callback : callbacks) callback(*next);
}

}  // namespace signet::keystore
