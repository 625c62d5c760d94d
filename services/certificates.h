// Certificates and CSRs of the purposes: the administrator's view (certificate.*, csr.*).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "keystore/catalogue.h"
#include "keystore/identities.h"
#include "keystore/node.h"
#include "keystore/snapshot.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::services {

class Revocation;

// Reads answer from the snapshot; changes run on the lane of token changes. Thread-safe.
class Certificates {
 public:
  // `token_uri`: RFC 7512 URI of the token, to which a key's id is added.
  Certificates(const keystore::Catalogue& catalogue, const keystore::NodeNames& names,
               keystore::State& state, keystore::Identities& identities, Revocation& revocation,
               Lane& changes, std::string token_uri)
      : catalogue_(catalogue),
        names_(names),
        state_(state),
        identities_(identities),
        revocation_(revocation),
        changes_(changes),
        token_uri_(std::move(token_uri)) {}

  Result<api::Page<api::CertificateInfo>> List(const api::PageRequest& request) const;
  Result<api::CertificateInfo> Show(const std::string& purpose) const;
  Result<api::Download> Download(const api::DownloadRequest& request) const;
  boost::asio::awaitable<Result<api::Change>> Generate(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::GenerateRequest request);
  boost::asio::awaitable<Result<api::Change>> Upload(RequestContext context,
                                                     std::shared_ptr<keystore::Operation> operation,
                                                     api::UploadRequest request);
  boost::asio::awaitable<Result<api::Change>> Regenerate(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::RegenerateRequest request);
  boost::asio::awaitable<Result<api::Change>> Rollback(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::RollbackRequest request);

  // What the changes would do.
  boost::asio::awaitable<Result<api::Plan>> ProposeGenerate(RequestContext context,
                                                            api::GenerateRequest request);
  boost::asio::awaitable<Result<api::Plan>> ProposeUpload(RequestContext context,
                                                          api::UploadRequest request);
  boost::asio::awaitable<Result<api::Plan>> ProposeRegenerate(RequestContext context,
                                                              api::RegenerateRequest request);
  boost::asio::awaitable<Result<api::Plan>> ProposeRollback(RequestContext context,
                                                            api::RollbackRequest request);
  boost::asio::awaitable<Result<api::Plan>> ProposeCsr(RequestContext context,
                                                       api::GenerateRequest request);

  Result<api::Page<api::CsrInfo>> ListCsrs(const api::PageRequest& request) const;
  Result<api::CsrInfo> ShowCsr(const std::string& id) const;
  Result<api::Download> DownloadCsr(const api::CsrDownloadRequest& request) const;
  boost::asio::awaitable<Result<api::Change>> GenerateCsr(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::GenerateRequest request);
  boost::asio::awaitable<Result<api::Change>> DiscardCsr(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::IdRequest request);

 private:
  api::CertificateInfo Describe(const keystore::PlanInput& in,
                                const keystore::Purpose& purpose) const;
  boost::asio::awaitable<Result<Findings>> StatusOf(
      RequestContext context, std::shared_ptr<const api::UploadRequest> request,
      keystore::UploadRequest wanted);
  void Judge(const keystore::PlanInput& in, const keystore::Purpose& purpose,
             const keystore::IdentityVersion& current, api::CertificateInfo& info) const;

  const keystore::Catalogue& catalogue_;
  const keystore::NodeNames& names_;
  keystore::State& state_;
  keystore::Identities& identities_;
  Revocation& revocation_;
  Lane& changes_;
  std::string token_uri_;
};

}  // namespace signet::services
