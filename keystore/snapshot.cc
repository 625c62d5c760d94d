#include "keystore/snapshot.h"

#include <algorithm>
#include <array>

#include "platform/logging.h"
#include "platform/process.h"

namespace signet::keystore {

namespace {

constexpr Duration kLoadLimit = std::chrono::seconds(30);
constexpr std::size_t kLoadedAtOnce = 500;  // records, so that their text is in memory only briefly
constexpr std::size_t kMaxRowsOfName = 1000;  // looked at for one name, of all stores

// The part of `key` behind `prefix`, if it lies under it.
std::optional<std::string> Below(const std::string& key, const std::string& prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return key.substr(prefix.size());
}

// A record's document; a damaged one is logged and left out, so that the rest of the appliance can
// be repaired.
template <class T>
std::optional<T> Decode(const std::string& key, const std::string& text) {
  std::array<unsigned char, 8192> arena;  // spares the heap many small pieces
  json::monotonic_resource resource(arena.data(), arena.size());
  JsonLimits limits;
  limits.may_hold_secret = false;
  auto parsed = ParseJson(text, limits, &resource);
  if (parsed) {
    auto record = FromJson<T>(parsed.value());
    if (record) return std::move(record).value();
  }
  Log(LogLevel::kError, "record " + key + " cannot be read and is left out");
  return std::nullopt;
}

bool ByFingerprint(const TrustEntryRecord& a, const TrustEntryRecord& b) {
  return a.certificate < b.certificate;
}
bool Before(const TrustEntryRecord& entry, const std::string& fingerprint) {
  return entry.certificate < fingerprint;
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
    } else if (auto operation = Below(key, layout_.AllPending())) {
      PutRow(next_.pending, *operation, key, text, modified);
    } else if (auto tombstone = Below(key, layout_.Tombstones())) {
      PutRow(next_.tombstones, *tombstone, key, text, modified);
    } else if (auto distrusted = Below(key, layout_.AllDistrusted())) {
      PutRow(next_.distrusted, *distrusted, key, text, modified);
    } else if (auto setting = Below(key, layout_.Settings())) {
      PutRow(next_.settings, *setting, key, text, modified);
    } else if (auto owed = Below(key, layout_.AllOwed())) {
      PutRow(next_.owed, *owed, key, text, modified);
    } else if (auto receipt = Below(key, layout_.Receipts())) {
      PutRow(next_.receipts, *receipt, key, text, modified);
    } else if (key == layout_.Applying()) {
      next_.applying = text ? Decode<ApplyRecord>(key, *text) : std::nullopt;
    }
  }

  std::shared_ptr<const Snapshot> Take(Revision revision) {
    next_.revision = revision;
    if (certificates_)
      next_.certificates = std::make_shared<const CertificateTable>(certificates_->Take());
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
    if (!certificates_) certificates_.emplace(*next_.certificates);
    if (!text) {
      certificates_->Erase(fingerprint);
    } else if (auto record = Decode<CertificateRecord>(key, *text)) {
      auto row = StoredCertificate::FromRecord(fingerprint, std::move(*record));
      if (row) certificates_->Put(std::move(row));
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
      auto shard = std::make_shared<TrustShard>(TrustShard{std::move(record->entries), modified});
      std::sort(shard->entries.begin(), shard->entries.end(), ByFingerprint);
      (*shards)[name] = std::move(shard);
    }
  }

  Snapshot next_;
  const Layout& layout_;
  std::optional<CertificateTable::Editor> certificates_;
  std::map<std::string, std::shared_ptr<TrustStore>> trust_;
};

std::vector<x509::Certificate> EntriesNamed(const Snapshot& snapshot, const std::string& store,
                                            std::string_view kind, const std::string& subject_der,
                                            const std::string& key_id) {
  std::vector<x509::Certificate> found;
  std::size_t rows = 0;
  snapshot.certificates->EachNamed(
      NameIdOf(subject_der), key_id, [&](const StoredCertificate& row) {
        const std::string fingerprint(row.fingerprint());
        const TrustEntryRecord* entry = snapshot.TrustEntry(store, fingerprint);
        const bool fits = entry != nullptr && entry->kind == kind;
        if (fits && snapshot.Distrusted(fingerprint) == nullptr) {
          const x509::Certificate* certificate = row.Parsed();
          if (certificate != nullptr && certificate->fields().subject_der == subject_der)
            found.push_back(*certificate);
        }
        return ++rows < kMaxRowsOfName && found.size() < x509::kMaxCandidates;
      });
  return found;
}

}  // namespace

const IdentityVersion* Snapshot::Current(const std::string& purpose) const {
  const auto row = identities.find(purpose);
  return row != identities.end() && row->second.value.current ? &*row->second.value.current
                                                              : nullptr;
}

const x509::Certificate* Snapshot::Certificate(const std::string& fingerprint) const {
  const StoredCertificate* found = certificates->Find(fingerprint);
  return found == nullptr ? nullptr : found->Parsed();
}

const TrustShard* Snapshot::FindTrustShard(const std::string& store,
                                           const std::string& fingerprint) const {
  const auto shards = trust.find(store);
  if (shards == trust.end()) return nullptr;
  const auto shard = shards->second->find(fingerprint.substr(0, 2));
  return shard == shards->second->end() ? nullptr : shard->second.get();
}

const TrustEntryRecord* Snapshot::TrustEntry(const std::string& store,
                                             const std::string& fingerprint) const {
  const TrustShard* shard = FindTrustShard(store, fingerprint);
  if (shard == nullptr) return nullptr;
  const auto entry =
      std::lower_bound(shard->entries.begin(), shard->entries.end(), fingerprint, Before);
  const bool found = entry != shard->entries.end() && entry->certificate == fingerprint;
  return found && IsSeen(*entry) ? &*entry : nullptr;
}

void Snapshot::EachTrustEntry(const std::string& store, const std::string& after,
                              const std::function<bool(const TrustEntryRecord&)>& visit) const {
  const auto shards = trust.find(store);
  if (shards == trust.end()) return;
  for (auto at = shards->second->lower_bound(after.substr(0, 2)); at != shards->second->end();
       ++at) {
    const std::vector<TrustEntryRecord>& entries = at->second->entries;
    const auto first = std::lower_bound(entries.begin(), entries.end(), after, Before);
    for (auto entry = first; entry != entries.end(); ++entry) {
      if (entry->certificate == after || !IsSeen(*entry)) continue;
      if (!visit(*entry)) return;
    }
  }
}

const Versioned<TombstoneRecord>* Snapshot::Tombstone(const std::string& store,
                                                      const std::string& fingerprint) const {
  const auto row = tombstones.find(store + "/" + fingerprint);
  const bool in_force = row != tombstones.end() && TrustEntry(store, fingerprint) == nullptr;
  return in_force ? &row->second : nullptr;
}

const DistrustRecord* Snapshot::Distrusted(const std::string& fingerprint) const {
  const auto row = distrusted.find(fingerprint);
  return row == distrusted.end() ? nullptr : &row->second.value;
}

std::size_t Snapshot::TrustEntryCount() const {
  std::size_t count = 0;
  for (const auto& [unused, shards] : trust) {
    for (const auto& [name, shard] : *shards) {
      const auto& entries = shard->entries;
      count += static_cast<std::size_t>(std::count_if(
          entries.begin(), entries.end(), [this](const auto& entry) { return IsSeen(entry); }));
    }
  }
  return count;
}

x509::TrustView Snapshot::View(std::shared_ptr<const Snapshot> self, const std::string& store) {
  auto lookup = [self, store](x509::EntryKind kind) {
    return [self, store, name = x509::EntryKindName(kind)](const std::string& subject_der,
                                                           const std::string& key_id) {
      return EntriesNamed(*self, store, name, subject_der, key_id);
    };
  };
  return {lookup(x509::EntryKind::kAnchor), lookup(x509::EntryKind::kIntermediate)};
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
  Builder builder(Snapshot(), state->layout_);
  // What changes between two pages is told by the watch, which begins at the first page's revision.
  Revision begin = 0;
  Range page;
  do {
    const std::string after = page.records.empty() ? "" : page.records.back().key;
    SIGNET_TRY(page, store.List(Layout::Root(), after, kLoadedAtOnce, kLoadLimit));
    if (after.empty()) begin = page.revision;
    for (const Record& record : page.records)
      builder.Put(record.key, record.value, record.modified);
  } while (page.more);
  state->snapshot_ = builder.Take(begin);
  ReturnFreedMemory();
  State* self = state.get();
  SIGNET_TRY(state->watch_,
             store.Watch(Layout::Root(), begin,
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
