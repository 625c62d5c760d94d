// Settings of the cluster (setting.*, and the *.set of monitor, revocation and connections).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "keystore/trust.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"
#include "services/setting_change.h"

namespace signet::services {

// Thread-safe.
class Settings {
 public:
  Settings(keystore::Trust& shared, Lane& store) : shared_(shared), store_(store) {}

  Result<api::Page<api::SettingInfo>> List(const api::PageRequest& request) const;
  Result<api::SettingInfo> Get(const std::string& name) const;
  boost::asio::awaitable<Result<api::Change>> Set(RequestContext context,
                                                  std::shared_ptr<keystore::Operation> operation,
                                                  SettingChange change);
  Result<api::Plan> ProposeSet(const SettingChange& change) const;

 private:
  keystore::Trust& shared_;
  Lane& store_;
};

}  // namespace signet::services
