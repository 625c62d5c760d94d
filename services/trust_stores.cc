#include "services/trust_stores.h"

#include <algorithm>
#include <cctype>

#include "keystore/plan_distrust.h"
#include "keystore/x509/export.h"
#include "platform/encoding.h"
#include "services/forcing.h"
#include "services/paging.h"
#include "services/revocation/revocation.h"

namespace signet::services {

namespace {

struct Row {
  std::string store;
  const keystore::TrustEntryRecord* entry = nullptr;
  const keystore::TombstoneRecord* tombstone = nullptr;  // where it was deleted

  std::string Cursor() const { return store + "/" + entry->certificate; }
};

// Visits rows in the order of "store/fingerprint", those after `after` only, until `visit` says
// false. A page of a large store costs no more than one of a small one.
template <class Visit>
void EachEntry(const keystore::Snapshot& snapshot, const std::optional<std::string>& only,
               const std::string& after, const Visit& visit) {
  for (const auto& [name, unused] : snapshot.trust) {
    const std::string& store = name;  // clang 14 captures no structured binding
    const std::string prefix = store + "/";
    if ((only && store != *only) || prefix + "~" <= after) continue;  // '~' is behind every digit
    bool more = true;
    snapshot.EachTrustEntry(store, after.starts_with(prefix) ? after.substr(prefix.size()) : "",
                            [&](const keystore::TrustEntryRecord& entry) {
                              more = visit(Row{store, &entry});
                              return more;
                            });
    if (!more) return;
  }
}

template <class Visit>
void EachTombstone(const keystore::Snapshot& snapshot, const std::optional<std::string>& only,
                   const std::string& after, const Visit& visit) {
  for (auto at = snapshot.tombstones.upper_bound(after); at != snapshot.tombstones.end(); ++at) {
    const std::string store = at->first.substr(0, at->first.find('/'));
    const keystore::TombstoneRecord& tombstone = at->second.value;
    if ((only && store != *only) ||
        snapshot.Tombstone(store, tombstone.entry.certificate) == nullptr) {
      continue;
    }
    if (!visit(Row{store, &tombstone.entry, &tombstone})) return;
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
  if (const auto* record = snapshot.Distrusted(entry.certificate))
    info.distrusted = keystore::WhyDistrusted(*record);
  if (row.tombstone != nullptr) {
    info.deleted_by = row.tombstone->by;
    info.delete_reason = row.tombstone->reason;
    info.deleted = row.tombstone->deleted;
  }
  if (const auto* certificate = snapshot.certificates->Find(entry.certificate)) {
    info.subject = certificate->subject();
    info.issuer = certificate->issuer();
    info.serial = certificate->serial();
    info.not_before = certificate->not_before();
    info.not_after = certificate->not_after();
    info.key = certificate->key();
  }
  return info;
}

bool StartsWithAnyCase(std::string_view text, std::string_view beginning) {
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
  const auto* certificate = in.snapshot->certificates->Find(entry.certificate);
  if (certificate == nullptr) return false;
  if (request.expired && (certificate->not_after() < in.now) != *request.expired) return false;
  if (request.self_signed && certificate->self_signed() != *request.self_signed) return false;
  return !request.starts_with ||
         StartsWithAnyCase(certificate->common_name(), *request.starts_with) ||
         StartsWithAnyCase(entry.certificate, *request.starts_with);
}

// Refers to `request`.
Result<keystore::TrustUploadRequest> ToUpload(const api::TrustUploadRequest& request) {
  keystore::TrustUploadRequest out;
  if (request.as) {
    SIGNET_TRY(out.as, keystore::x509::ParseEntryKind(*request.as));
  }
  const std::string mode = request.mode.value_or("chain");
  if (mode != "chain" && mode != "bundle") {
    return MakeError(
        Kind::kUsage, "MODE_UNKNOWN",
        "there is no mode '" + EscapeLine(mode, 32) + "' of an upload",
        "Say chain (all or nothing, up to 16) or bundle (what is good, up to 20,000).");
  }
  out.store = request.store;
  out.undelete = request.undelete.value_or(false);
  out.bundle = mode == "bundle";
  for (const api::TrustUploadItem& item : request.certificates)
    out.parts.push_back({item.pem, item.description.value_or(""), item.predecessor.value_or("")});
  return out;
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
  if (const auto* certificate = in.snapshot->certificates->Find(info.id)) {
    if (const auto parsed = certificate->Parse()) info.pem = parsed->ToPem();
  }
  return info;
}

Result<api::Download> TrustStores::Download(const api::TrustDownloadRequest& request) const {
  SIGNET_TRY(const keystore::TrustStoreRow* store,
             keystore::FindTrustStore(catalogue_, request.store));
  const auto snapshot = state_.Now();
  std::vector<keystore::x509::NamedCertificate> named;
  std::vector<keystore::x509::Certificate> plain;
  EachEntry(*snapshot, store->name, "", [&](const Row& row) {
    const auto* stored = snapshot->certificates->Find(row.entry->certificate);
    const auto certificate = stored == nullptr ? std::nullopt : stored->Parse();
    if (certificate) {
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
  auto shared = std::make_shared<const api::TrustUploadRequest>(std::move(request));
  SIGNET_CO_TRY(Findings status, co_await StatusOf(context, shared));
  const std::string unknown = UnknownStatus(status);
  auto job = [this, operation, shared, status = std::move(status)]() -> Result<api::Change> {
    SIGNET_TRY(keystore::TrustUploadRequest upload, ToUpload(*shared));
    upload.status = status;
    return trust_.Upload(*operation, upload, shared->plan);
  };
  Result<api::Change> done = co_await RunOn(lane_, std::move(job), context.limit);
  if (done) operation->detail += unknown;
  co_return done;
}

boost::asio::awaitable<Result<Findings>> TrustStores::StatusOf(
    RequestContext context, std::shared_ptr<const api::TrustUploadRequest> request) {
  UploadedTexts texts{request->store, {}};
  for (const api::TrustUploadItem& item : request->certificates) texts.texts.push_back(item.pem);
  std::vector<UploadedTexts> all;
  all.push_back(std::move(texts));
  co_return co_await revocation_.OfUpload(std::move(context), std::move(request), std::move(all));
}

boost::asio::awaitable<Result<api::Plan>> TrustStores::ProposeUpload(
    RequestContext context, api::TrustUploadRequest request) {
  auto shared = std::make_shared<const api::TrustUploadRequest>(std::move(request));
  SIGNET_CO_TRY(Findings status, co_await StatusOf(context, shared));
  auto job = [this, shared, status = std::move(status)]() -> Result<api::Plan> {
    SIGNET_TRY(keystore::TrustUploadRequest upload, ToUpload(*shared));
    upload.status = status;
    SIGNET_TRY(const keystore::TrustPlan plan, keystore::PlanTrustUpload(trust_.Input(), upload));
    return keystore::ReportOf(plan);
  };
  co_return co_await RunOn(lane_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> TrustStores::Delete(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::TrustDeleteRequest request) {
  SIGNET_CO_TRY(keystore::TrustDeleteRequest wanted, ToDelete(context, request));
  auto job = [this, operation, wanted = std::move(wanted), plan = std::move(request.plan)] {
    return trust_.Delete(*operation, wanted, plan);
  };
  co_return co_await RunOn(lane_, std::move(job), context.limit);
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
  co_return co_await RunOn(lane_, std::move(job), context.limit);
}

Result<api::Plan> TrustStores::ProposeUndelete(const api::TrustUndeleteRequest& request) const {
  SIGNET_TRY(const keystore::DeletionPlan plan,
             keystore::PlanUndelete(trust_.Input(), request.store, request.id));
  return keystore::ReportOf(plan);
}

}  // namespace signet::services
