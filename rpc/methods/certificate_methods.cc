#include "rpc/methods/methods.h"
#include "services/certificates.h"

namespace signet::rpc {

namespace api = services::api;

namespace {

void AddCsrMethods(MethodTable& table, services::Certificates& certificates) {
  table.Add(MakePlannedMethod<api::GenerateRequest, api::Change>(
      {"csr.generate", "Makes a key in the token and a CSR for a purpose.", Access::kOperate,
       TokenNeed::kOperational, Effect::kChange},
      [&certificates](Call call, api::GenerateRequest request) {
        return certificates.GenerateCsr(std::move(call.context), std::move(call.operation),
                                        std::move(request));
      },
      [&certificates](Call call, api::GenerateRequest request) {
        return certificates.ProposeCsr(std::move(call.context), std::move(request));
      }));
  table.Add(MakeMethod<api::PageRequest, api::Page<api::CsrInfo>>(
      {"csr.list", "CSRs that wait for a certificate, oldest first.", Access::kRead},
      [&certificates](Call, api::PageRequest request) {
        return AtOnce(certificates.ListCsrs(request));
      }));
  table.Add(
      MakeMethod<api::IdRequest, api::CsrInfo>({"csr.show", "One pending CSR.", Access::kRead},
                                               [&certificates](Call, api::IdRequest request) {
                                                 return AtOnce(certificates.ShowCsr(request.id));
                                               }));
  table.Add(MakeMethod<api::CsrDownloadRequest, api::Download>(
      {"csr.download", "A pending CSR as a file: by id, or the newest of a purpose.",
       Access::kRead},
      [&certificates](Call, api::CsrDownloadRequest request) {
        return AtOnce(certificates.DownloadCsr(request));
      }));
  table.Add(MakeMethod<api::IdRequest, api::Change>(
      {"csr.discard", "Drops a pending CSR and destroys its key.", Access::kOperate,
       TokenNeed::kOperational, Effect::kChange},
      [&certificates](Call call, api::IdRequest request) {
        return certificates.DiscardCsr(std::move(call.context), std::move(call.operation),
                                       std::move(request));
      }));
}

}  // namespace

void AddCertificateMethods(MethodTable& table, services::Certificates& certificates) {
  table.Add(MakeMethod<api::PageRequest, api::Page<api::CertificateInfo>>(
      {"certificate.list", "The identity of every purpose.", Access::kRead},
      [&certificates](Call, api::PageRequest request) {
        return AtOnce(certificates.List(request));
      }));
  table.Add(MakeMethod<api::PurposeRequest, api::CertificateInfo>(
      {"certificate.show", "The identity of one purpose.", Access::kRead},
      [&certificates](Call, api::PurposeRequest request) {
        return AtOnce(certificates.Show(request.purpose));
      }));
  table.Add(MakePlannedMethod<api::GenerateRequest, api::Change>(
      {"certificate.generate",
       "Makes a key in the token and a self-signed certificate that replaces the current one.",
       Access::kOperate, TokenNeed::kOperational, Effect::kChange},
      [&certificates](Call call, api::GenerateRequest request) {
        return certificates.Generate(std::move(call.context), std::move(call.operation),
                                     std::move(request));
      },
      [&certificates](Call call, api::GenerateRequest request) {
        return certificates.ProposeGenerate(std::move(call.context), std::move(request));
      }));
  table.Add(MakeMethod<api::DownloadRequest, api::Download>(
      {"certificate.download", "The current certificate of a purpose as a file.", Access::kRead},
      [&certificates](Call, api::DownloadRequest request) {
        return AtOnce(certificates.Download(request));
      }));
  table.Add(MakePlannedMethod<api::UploadRequest, api::Change>(
      {"certificate.upload",
       "Takes in certificates that a CA signed for pending CSRs: one, or several, all or none.",
       Access::kOperate, TokenNeed::kOperational, Effect::kChange},
      [&certificates](Call call, api::UploadRequest request) {
        return certificates.Upload(std::move(call.context), std::move(call.operation),
                                   std::move(request));
      },
      [&certificates](Call call, api::UploadRequest request) {
        return certificates.ProposeUpload(std::move(call.context), std::move(request));
      }));
  table.Add(MakePlannedMethod<api::RegenerateRequest, api::Change>(
      {"certificate.regenerate",
       "New certificates, or CSRs where a CA signs, for several purposes at once; without names, "
       "for all that lack names which they should have.",
       Access::kOperate, TokenNeed::kOperational, Effect::kChange},
      [&certificates](Call call, api::RegenerateRequest request) {
        return certificates.Regenerate(std::move(call.context), std::move(call.operation),
                                       std::move(request));
      },
      [&certificates](Call call, api::RegenerateRequest request) {
        return certificates.ProposeRegenerate(std::move(call.context), std::move(request));
      }));
  table.Add(MakePlannedMethod<api::RollbackRequest, api::Change>(
      {"certificate.rollback",
       "Puts the former certificate of a purpose back in place; the same again goes forward.",
       Access::kOperate, TokenNeed::kOperational, Effect::kChange},
      [&certificates](Call call, api::RollbackRequest request) {
        return certificates.Rollback(std::move(call.context), std::move(call.operation),
                                     std::move(request));
      },
      [&certificates](Call call, api::RollbackRequest request) {
        return certificates.ProposeRollback(std::move(call.context), std::move(request));
      }));
  AddCsrMethods(table, certificates);
}

}  // namespace signet::rpc
