// When the certificates of the administrators' programs end (SPEC M1): the configuration knows
// their fingerprints only, so what one says of itself is remembered when it logs in.
#pragma once

#include <boost/describe.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystore/node_log.h"
#include "platform/clock.h"
#include "platform/json.h"
#include "platform/lanes.h"

namespace signet::services {

struct SeenClient : LenientRecord {
  std::string fingerprint, name;  // name: of the configuration
  std::string subject, serial;
  std::string common_name, issuer_common_name;
  WallTime not_before{}, not_after{};
};
BOOST_DESCRIBE_STRUCT(SeenClient, (LenientRecord),
                      (fingerprint, name, subject, serial, common_name, issuer_common_name,
                       not_before, not_after))

// Thread-safe.
class ClientsSeen {
 public:
  // `listed`: name by fingerprint, as the configuration has them (any case, with colons or
  // without). What was remembered of others is forgotten.
  ClientsSeen(keystore::NodeLog& log, Lane& lane, std::map<std::string, std::string> listed);
  ~ClientsSeen();

  // A client has proved that it holds this certificate. Never blocks; what is new is kept over a
  // restart by a job of the lane. Of one that is not listed nothing is kept.
  void See(std::string_view der);
  // By name, then by fingerprint. One that never logged in is not among them.
  std::vector<SeenClient> All() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace signet::services
