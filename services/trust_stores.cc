#include "services/trust_stores.h"

#include "platform/encoding.h"
#include "services/paging.h"

namespace signet::services {

namespace {

using Row = std::pair<std::string, const keystore::TrustEntryRecord*>;  // store, entry

// Entries by "store/fingerprint", which is the cursor of the list.
std::map<std::string, Row> Rows(const keystore::Snapshot& snapshot,
                                const std::optional<std::string>& store) {
  std::map<std::string, Row> rows;
  for (const auto& [name, shards] : snapshot.trust) {
    if (store && name != *store) continue;
    for (const auto& [unused, shard] : *shards) {
      for (const auto& entry : shard.entries) rows[name + "/" + entry.certificate] = {name, &entry};
    }
  }
  return rows;
}

api::TrustInfo Describe(const keystore::Snapshot& snapshot, const Row& row) {
  api::TrustInfo info;
  const keystore::TrustEntryRecord& entry = *row.second;
  info.store = row.first;
  info.id = entry.certificate;
  info.kind = entry.kind;
  info.description = entry.description;
  info.origin = entry.origin;
  info.added = entry.added;
  if (const keystore::x509::Certificate* certificate = snapshot.Certificate(entry.certificate)) {
    const auto& fields = certificate->fields();
    info.subject = fields.subject;
    info.issuer = fields.issuer;
    info.serial = fields.serial;
    info.not_before = fields.not_before;
    info.not_after = fields.not_after;
    info.key = fields.key.text;
  }
  return info;
}

}  // namespace

Result<api::Page<api::TrustInfo>> TrustStores::List(const api::TrustListRequest& request) const {
  std::optional<std::string> store;
  if (request.store) {
    SIGNET_TRY(const keystore::TrustStoreRow* row,
               keystore::FindTrustStore(catalogue_, *request.store));
    store = row->name;
  }
  const auto snapshot = state_.Now();
  const auto rows = Rows(*snapshot, store);
  auto describe = [&](const Row& row) { return Describe(*snapshot, row); };
  return MakePage<api::Page<api::TrustInfo>>(rows, request.limit, request.cursor, describe);
}

Result<api::TrustInfo> TrustStores::Show(const api::TrustShowRequest& request) const {
  SIGNET_TRY(const keystore::TrustStoreRow* store,
             keystore::FindTrustStore(catalogue_, request.store));
  const auto snapshot = state_.Now();
  const auto rows = Rows(*snapshot, store->name);
  // The beginning of a fingerprint is enough when it names one entry.
  const std::string prefix = store->name + "/" + request.id;
  const auto found = request.id.size() < 4 ? rows.end() : rows.lower_bound(prefix);
  const bool matches = found != rows.end() && found->first.starts_with(prefix);
  if (!matches || (std::next(found) != rows.end() && std::next(found)->first.starts_with(prefix))) {
    return MakeError(Kind::kNotFound, "TRUST_ENTRY_UNKNOWN",
                     store->name + " has " + (matches ? "several entries" : "no entry") +
                         " with id " + EscapeLine(request.id, 80),
                     "'signet trust list " + store->name + "' shows the ids.");
  }
  api::TrustInfo info = Describe(*snapshot, found->second);
  if (const auto* certificate = snapshot->Certificate(info.id)) info.pem = certificate->ToPem();
  return info;
}

Result<api::Download> TrustStores::Download(const api::TrustDownloadRequest& request) const {
  SIGNET_TRY(const keystore::TrustStoreRow* store,
             keystore::FindTrustStore(catalogue_, request.store));
  const auto snapshot = state_.Now();
  api::Download download;
  download.name = store->name + ".pem";
  download.format = "pem";
  download.encoding = "text";
  for (const auto& [unused, row] : Rows(*snapshot, store->name)) {
    const auto* certificate = snapshot->Certificate(row.second->certificate);
    if (certificate != nullptr) download.content += certificate->ToPem();
  }
  return download;
}

boost::asio::awaitable<Result<api::Change>> TrustStores::Upload(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::TrustUploadRequest request) {
  std::optional<keystore::x509::EntryKind> as;
  if (request.as) {
    SIGNET_CO_TRY(as, keystore::x509::ParseEntryKind(*request.as));
  }
  auto shared = std::make_shared<const api::TrustUploadRequest>(std::move(request));
  auto job = [this, operation, shared, as] {
    std::vector<keystore::TrustUploadPart> parts;
    for (const api::TrustUploadItem& item : shared->certificates) {
      parts.push_back({item.pem, item.description.value_or(""), item.predecessor.value_or("")});
    }
    return trust_.Upload(*operation, shared->store, parts, as);
  };
  co_return co_await RunOn(store_, std::move(job), context.limit);
}

}  // namespace signet::services
