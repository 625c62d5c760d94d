#include "rpc/methods/methods.h"
#include "services/trust_stores.h"

namespace signet::rpc {

namespace api = services::api;

void AddTrustMethods(MethodTable& table, services::TrustStores& trust) {
  table.Add(MakeMethod<api::TrustListRequest, api::Page<api::TrustInfo>>(
      {"trust.list", "Entries of one trust store, or of all.", Access::kRead},
      [&trust](Call, api::TrustListRequest request) { return AtOnce(trust.List(request)); }));
  table.Add(MakeMethod<api::TrustShowRequest, api::TrustInfo>(
      {"trust.show", "One entry, by its fingerprint or the beginning of it.", Access::kRead},
      [&trust](Call, api::TrustShowRequest request) { return AtOnce(trust.Show(request)); }));
  table.Add(MakeMethod<api::TrustDownloadRequest, api::Download>(
      {"trust.download", "All certificates of a trust store as one PEM file.", Access::kRead},
      [&trust](Call, api::TrustDownloadRequest request) {
        return AtOnce(trust.Download(request));
      }));
  table.Add(MakePlannedMethod<api::TrustUploadRequest, api::Change>(
      {.name = "trust.upload",
       .summary = "Stores a CA chain (any order, all or nothing), a pinned certificate, or what is "
                  "good of a bundle.",
       .access = Access::kOperate,
       .effect = Effect::kChange,
       .large = true},
      [&trust](Call call, api::TrustUploadRequest request) {
        return trust.Upload(std::move(call.context), std::move(call.operation), std::move(request));
      },
      [&trust](Call call, api::TrustUploadRequest request) {
        return trust.ProposeUpload(std::move(call.context), std::move(request));
      }));
  table.Add(MakePlannedMethod<api::TrustDeleteRequest, api::Change>(
      {"trust.delete", "Takes an entry out of a trust store and keeps it from coming back.",
       Access::kAdminister, TokenNeed::kNone, Effect::kChange},
      [&trust](Call call, api::TrustDeleteRequest request) {
        return trust.Delete(std::move(call.context), std::move(call.operation), std::move(request));
      },
      [&trust](Call call, api::TrustDeleteRequest request) {
        return AtOnce(trust.ProposeDelete(call.context, request));
      }));
  table.Add(MakePlannedMethod<api::TrustUndeleteRequest, api::Change>(
      {"trust.undelete", "Brings a deleted entry back while the undo window lasts.",
       Access::kAdminister, TokenNeed::kNone, Effect::kChange},
      [&trust](Call call, api::TrustUndeleteRequest request) {
        return trust.Undelete(std::move(call.context), std::move(call.operation),
                              std::move(request));
      },
      [&trust](Call, api::TrustUndeleteRequest request) {
        return AtOnce(trust.ProposeUndelete(request));
      }));
}

}  // namespace signet::rpc
