// Settings of the cluster (setting.*).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "keystore/trust.h"
#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::services {

// Thread-safe.
class Settings {
 public:
  Settings(keystore::Trust& shared, Lane& store) : shared_(shared), store_(store) {}

  Result<api::Page<api::SettingInfo>> List(const api::PageRequest& request) const;
  Result<api::SettingInfo> Get(const std::string& name) const;
  boost::asio::awaitable<Result<api::Change>> Set(RequestContext context,
                                                  std::shared_ptr<keystore::Operation> operation,
                                                  api::SettingSetRequest request);
  Result<api::Plan> ProposeSet(const api::SettingSetRequest& request) const;

 private:
  keystore::Trust& shared_;
  Lane& store_;
};

}  // namespace signet::services
