// The audit log: the auditor's view (audit.*).
#pragma once

#include <boost/asio/awaitable.hpp>

#include "platform/lanes.h"
#include "services/api.h"
#include "services/request_context.h"

namespace signet::keystore {
class NodeLog;
}

namespace signet::services {

class Audit {
 public:
  Audit(keystore::NodeLog& log, Lane& store) : log_(log), store_(store) {}
  boost::asio::awaitable<Result<api::Page<api::AuditInfo>>> List(RequestContext context,
                                                                 api::PageRequest request);
  boost::asio::awaitable<Result<api::AuditVerdict>> Verify(RequestContext context);

 private:
  keystore::NodeLog& log_;
  Lane& store_;
};

}  // namespace signet::services
