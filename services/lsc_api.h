// Shapes of requests and answers, as in api.h, about the certificates of endpoints (LSCs). Types
// only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "services/api.h"

namespace signet::services::api {

struct LscRegisterRequest {
  WipedString certificates;  // PEM, up to 20,000
};
BOOST_DESCRIBE_STRUCT(LscRegisterRequest, (), (certificates))

struct LscRegistration {
  bool changed = false;
  std::string operation;
  bool ok = false;              // nothing was refused
  std::int64_t registered = 0;  // the first of their subject and issuer
  std::int64_t replaced = 0;    // in place of an older one
  std::int64_t known = 0;       // that were there already
  std::int64_t superseded = 0;  // older than what is there
  std::int64_t refused = 0;     // each with a finding
  // LSC_ISSUER_UNKNOWN, LSC_IS_CA, LSC_UNREADABLE (errors), LSC_SUPERSEDED (info); the first 100,
  // then MORE_FINDINGS says how many there are.
  Findings findings;
};
BOOST_DESCRIBE_STRUCT(LscRegistration, (),
                      (changed, operation, ok, registered, replaced, known, superseded, refused,
                       findings))

struct LscListRequest {
  std::optional<std::int64_t> limit;  // 1 to 1000, default 100
  std::optional<std::string> cursor;
  std::optional<WallTime> ends_before;
};
BOOST_DESCRIBE_STRUCT(LscListRequest, (), (limit, cursor, ends_before))

struct LscInfo {
  std::string id;  // fingerprint
  std::string device, subject, issuer, serial;
  WallTime not_before{}, not_after{}, registered{};
};
BOOST_DESCRIBE_STRUCT(LscInfo, (),
                      (id, device, subject, issuer, serial, not_before, not_after, registered))

struct LscRemoveExpiredRequest {
  std::optional<WallTime> before;  // now by default, and at the latest
};
BOOST_DESCRIBE_STRUCT(LscRemoveExpiredRequest, (), (before))

struct LscRemoval {
  bool changed = false;
  std::string operation;
  std::int64_t removed = 0;
};
BOOST_DESCRIBE_STRUCT(LscRemoval, (), (changed, operation, removed))

}  // namespace signet::services::api
