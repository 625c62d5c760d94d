// Trust stores: the administrator's view (trust.*).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "keystore/catalogue.h"
#include "keystore/snapshot.h"
#include "keystore/trust.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::services {

class Revocation;

// Changes run on a lane of their own: a token that hangs does not hold them up, and a large bundle
// holds up no other change. Thread-safe.
class TrustStores {
 public:
  TrustStores(const keystore::Catalogue& catalogue, keystore::State& state, keystore::Trust& trust,
              Revocation& revocation, Lane& lane)
      : catalogue_(catalogue), state_(state), trust_(trust), revocation_(revocation), lane_(lane) {}

  Result<api::Page<api::TrustInfo>> List(const api::TrustListRequest& request) const;
  Result<api::TrustInfo> Show(const api::TrustShowRequest& request) const;
  Result<api::Download> Download(const api::TrustDownloadRequest& request) const;
  boost::asio::awaitable<Result<api::Change>> Upload(RequestContext context,
                                                     std::shared_ptr<keystore::Operation> operation,
                                                     api::TrustUploadRequest request);
  // SPEC C9, B5: leaves a tombstone; Undelete takes it back while the undo window lasts.
  boost::asio::awaitable<Result<api::Change>> Delete(RequestContext context,
                                                     std::shared_ptr<keystore::Operation> operation,
                                                     api::TrustDeleteRequest request);
  boost::asio::awaitable<Result<api::Change>> Undelete(
      RequestContext context, std::shared_ptr<keystore::Operation> operation,
      api::TrustUndeleteRequest request);

  // What the changes would do.
  boost::asio::awaitable<Result<api::Plan>> ProposeUpload(RequestContext context,
                                                          api::TrustUploadRequest request);
  Result<api::Plan> ProposeDelete(const RequestContext& context,
                                  const api::TrustDeleteRequest& request) const;
  Result<api::Plan> ProposeUndelete(const api::TrustUndeleteRequest& request) const;

 private:
  const keystore::Catalogue& catalogue_;
  keystore::State& state_;
  boost::asio::awaitable<Result<Findings>> StatusOf(
      RequestContext context, std::shared_ptr<const api::TrustUploadRequest> request);

  keystore::Trust& trust_;
  Revocation& revocation_;
  Lane& lane_;
};

}  // namespace signet::services
