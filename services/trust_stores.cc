#include "services/trust_stores.h"

#include <algorithm>
#include <cctype>

#include "keystore/x509/export.h"
#include "platform/encoding.h"
#include "services/forcing.h"
#include "services/paging.h"

namespace signet::services {

namespace {

struct Row {
  std::string store;
  const keystore::TrustEntryRecord* entry = nullptr;
  const keystore::TombstoneRecord* tombstone = nullptr;  // where it was deleted

  std::string Cursor() const { return store + "/" + entry->certificate; }
};

// Visits entries in the order of "store/fingerprint", those after `after` only, until `visit` says
// false. A page of a large store costs no more than one of a small one.
template <class Visit>
void EachEntry(const keystore::Snapshot& snapshot, const std::optional<std::string>& only,
               const std::string& after, const Visit& visit) {
  for (const auto& [store, shards] : snapshot.trust) {
    if (only && store != *only) continue;
    for (const auto& [byte, shard] : *shards) {
      if (store + "/" + byte + "~" <= after) continue;  // '~' is behind every hex digit
      std::vector<const keystore::TrustEntryRecord*> entries;
      for (const auto& entry : shard.entries) entries.push_back(&entry);
      std::sort(entries.begin(), entries.end(),
                [](const auto* a, const auto* b) { return a->certificate < b->certificate; });
      for (const auto* entry : entries) {
        const Row row{store, entry, nullptr};
        if (row.Cursor() > after && !visit(row)) return;
      }
    }
  }
}

template <class Visit>
void EachTombstone(const keystore::Snapshot& snapshot, const std::optional<std::string>& only,
                   const std::string& after, const Visit& visit) {
  for (auto at = snapshot.tombstones.upper_bound(after); at != snapshot.tombstones.end(); ++at) {
    const std::string store = at->first.substr(0, at->first.find('/'));
    if (only && store != *only) continue;
    if (!visit(Row{store, &at->second.value.entry, &at->second.value})) return;
  }
}

api::TrustInfo Describe(const keystore::Snapshot& snapshot, const Row& row) {
  api::TrustInfo info;
  const keystore::TrustEntryRecord& entry = *row.entry;
  info.store = row.store;
  info.id = entry.certificate;
  info.kind = entry.kind;
  info.description = entry.description;
  info.origin = entry.origin;
  info.added = entry.added;
  if (row.tombstone != nullptr) {
    info.deleted_by = row.tombstone->by;
    info.delete_reason = row.tombstone->reason;
    info.deleted = row.tombstone->deleted;
  }
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

bool StartsWithAnyCase(const std::string& text, const std::string& beginning) {
  return text.size() >= beginning.size() &&
         std::equal(beginning.begin(), beginning.end(), text.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) ==
                  std::tolower(static_cast<unsigned char>(b));
         });
}

// Whether an entry passes the filters of the request; the cheap ones first.
bool Passes(const keystore::PlanInput& in, const api::TrustListRequest& request, const Row& row) {
  const keystore::TrustEntryRecord& entry = *row.entry;
  if (request.kind && entry.kind != *request.kind) return false;
  if (request.unused) {
    const bool unused = keystore::UsersOf(in, row.store, entry.certificate).empty();
    if (unused != *request.unused) return false;
  }
  if (!request.starts_with && !request.expired && !request.self_signed) return true;
  const auto* certificate = in.snapshot->Certificate(entry.certificate);
  if (certificate == nullptr) return false;
  const auto& fields = certificate->fields();
  if (request.expired && (fields.not_after < in.now) != *request.expired) return false;
  if (request.self_signed && fields.self_signed != *request.self_signed) return false;
  return !request.starts_with || StartsWithAnyCase(fields.common_name, *request.starts_with) ||
         StartsWithAnyCase(fields.fingerprint, *request.starts_with);
}

keystore::TrustUploadRequest ToUpload(const api::TrustUploadRequest& request,
                                      std::optional<keystore::x509::EntryKind> as) {
  keystore::TrustUploadRequest out;
  out.store = request.store;
  out.as = as;
  out.undelete = request.undelete.value_or(false);
  for (const api::TrustUploadItem& item : request.certificates)
    out.parts.push_back({item.pem, item.description.value_or(""), item.predecessor.value_or("")});
  return out;
}

Result<std::optional<keystore::x509::EntryKind>> KindAsked(
    const std::optional<std::string>& asked) {
  std::optional<keystore::x509::EntryKind> kind;
  if (asked) {
    SIGNET_TRY(kind, keystore::x509::ParseEntryKind(*asked));
  }
  return kind;
}

Result<keystore::TrustDeleteRequest> ToDelete(const RequestContext& context,
                                              const api::TrustDeleteRequest& request) {
  keystore::TrustDeleteRequest out;
  out.store = request.store;
  out.id = request.id;
  out.reason = request.reason.value_or("");
  SIGNET_TRY(out.overrides, OverridesOf(context, request));
  return out;
}

}  // namespace

Result<api::Page<api::TrustInfo>> TrustStores::List(const api::TrustListRequest& request) const {
  std::optional<std::string> store;
  if (request.store) {
    SIGNET_TRY(const keystore::TrustStoreRow* row,
               keystore::FindTrustStore(catalogue_, *request.store));
    store = row->name;
  }
  if (request.kind) {
    SIGNET_TRY(keystore::x509::ParseEntryKind(*request.kind));
  }
  SIGNET_TRY(const std::size_t limit, PageLimit(request.limit));
  const keystore::PlanInput in = trust_.Input();
  api::Page<api::TrustInfo> page;
  bool more = false;
  const auto visit = [&](const Row& row) {
    if (!Passes(in, request, row)) return true;
    more = page.items.size() == limit;
    if (more) return false;
    page.items.push_back(Describe(*in.snapshot, row));
    page.next = row.Cursor();
    return true;
  };
  const std::string after = request.cursor.value_or("");
  if (request.deleted.value_or(false)) {
    EachTombstone(*in.snapshot, store, after, visit);
  } else {
    EachEntry(*in.snapshot, store, after, visit);
  }
  if (!more) page.next.reset();
  return page;
}

Result<api::TrustInfo> TrustStores::Show(const api::TrustShowRequest& request) const {
  SIGNET_TRY(const keystore::TrustStoreRow* store,
             keystore::FindTrustStore(catalogue_, request.store));
  const keystore::PlanInput in = trust_.Input();
  SIGNET_TRY(const keystore::TrustEntryRecord* entry,
             keystore::FindTrustEntry(*in.snapshot, store->name, request.id));
  api::TrustInfo info = Describe(*in.snapshot, {store->name, entry, nullptr});
  info.used_by = keystore::UsersOf(in, store->name, entry->certificate);
  if (const auto* certificate = in.snapshot->Certificate(info.id)) info.pem = certificate->ToPem();
  return info;
}

Result<api::Download> TrustStores::Download(const api::TrustDownloadRequest& request) const {
  SIGNET_TRY(const keystore::TrustStoreRow* store,
             keystore::FindTrustStore(catalogue_, request.store));
  const auto snapshot = state_.Now();
  std::vector<keystore::x509::NamedCertificate> named;
  std::vector<keystore::x509::Certificate> plain;
  EachEntry(*snapshot, store->name, "", [&](const Row& row) {
    if (const auto* certificate = snapshot->Certificate(row.entry->certificate)) {
      named.push_back({*certificate, row.entry->certificate.substr(0, 16), row.entry->kind,
                       row.entry->description});
      plain.push_back(*certificate);
    }
    return true;
  });
  api::Download download;
  download.format = request.format.value_or("pem");
  download.encoding = "text";
  download.name = store->name + ".pem";
  if (download.format == "pem") {
    download.content = keystore::x509::ToPemBundle(named);
  } else if (download.format == "pkcs7") {
    download.name = store->name + ".p7b";
    SIGNET_TRY(download.content, keystore::x509::ToPkcs7(plain));
  } else if (download.format == "pkcs12") {
    download.name = store->name + ".p12";
    download.encoding = "base64";
    SIGNET_TRY(const std::string der,
               keystore::x509::ToPkcs12TrustStore(named, request.password.value_or("changeit")));
    download.content = Base64Encode(der);
  } else if (download.format == "hashed") {
    download.name = store->name;
    download.files.emplace();
    for (keystore::x509::NamedFile& file : keystore::x509::ToHashedDirectory(plain))
      download.files->push_back({std::move(file.name), std::move(file.content)});
  } else {
    return MakeError(Kind::kUsage, "FORMAT_UNKNOWN",
                     "there is no format '" + EscapeLine(download.format, 32) + "' here",
                     "Use one of: pem, pkcs7, pkcs12, hashed.");
  }
  return download;
}

boost::asio::awaitable<Result<api::Change>> TrustStores::Upload(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::TrustUploadRequest request) {
  SIGNET_CO_TRY(const auto as, KindAsked(request.as));
  auto shared = std::make_shared<const api::TrustUploadRequest>(std::move(request));
  auto job = [this, operation, shared, as] {
    return trust_.Upload(*operation, ToUpload(*shared, as), shared->plan);
  };
  co_return co_await RunOn(store_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> TrustStores::ProposeUpload(
    RequestContext context, api::TrustUploadRequest request) {
  SIGNET_CO_TRY(const auto as, KindAsked(request.as));
  auto shared = std::make_shared<const api::TrustUploadRequest>(std::move(request));
  auto job = [this, shared, as]() -> Result<api::Plan> {
    SIGNET_TRY(const keystore::TrustPlan plan,
               keystore::PlanTrustUpload(trust_.Input(), ToUpload(*shared, as)));
    return keystore::ReportOf(plan);
  };
  co_return co_await RunOn(store_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> TrustStores::Delete(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::TrustDeleteRequest request) {
  SIGNET_CO_TRY(keystore::TrustDeleteRequest wanted, ToDelete(context, request));
  auto job = [this, operation, wanted = std::move(wanted), plan = std::move(request.plan)] {
    return trust_.Delete(*operation, wanted, plan);
  };
  co_return co_await RunOn(store_, std::move(job), context.limit);
}

Result<api::Plan> TrustStores::ProposeDelete(const RequestContext& context,
                                             const api::TrustDeleteRequest& request) const {
  SIGNET_TRY(const keystore::TrustDeleteRequest wanted, ToDelete(context, request));
  SIGNET_TRY(const keystore::DeletionPlan plan, keystore::PlanDeletion(trust_.Input(), wanted));
  return keystore::ReportOf(plan);
}

boost::asio::awaitable<Result<api::Change>> TrustStores::Undelete(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::TrustUndeleteRequest request) {
  auto job = [this, operation, request = std::move(request)] {
    return trust_.Undelete(*operation, request.store, request.id, request.plan);
  };
  co_return co_await RunOn(store_, std::move(job), context.limit);
}

Result<api::Plan> TrustStores::ProposeUndelete(const api::TrustUndeleteRequest& request) const {
  SIGNET_TRY(const keystore::DeletionPlan plan,
             keystore::PlanUndelete(trust_.Input(), request.store, request.id));
  return keystore::ReportOf(plan);
}

}  // namespace signet::services
