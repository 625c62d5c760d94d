// The audit log's hash chain. Each record holds the hash of the one before it, and its own; the
// number of records and the last hash are kept beside the log, so that a cut tail is seen. Whoever
// can write the file can make a new chain from end to end: that is found only by comparing the head
// with one kept elsewhere (AuditVerdict::head).
//
// The hash of a record is the SHA-256, in lower-case hex, of this JSON array, UTF-8, without white
// space, where '"', '\' and control characters alone are escaped (the latter do not occur):
//   ["signet-audit-1",<sequence>,<time: seconds since
//   1970>,"<actor>","<role>","<origin>","<method>","<digest>",
//    "<idempotency key>","<operation>","<outcome>","<detail>","<previous>"]
// so that anybody can recompute it (Python: json.dumps(array, ensure_ascii=False, separators=(',',
// ':'))). The first record's <previous> is 64 zeros.
#pragma once

#include <string>

#include "keystore/node_log.h"

namespace signet::keystore {

std::string AuditGenesis();
std::string AuditHash(const AuditRecord& record);

// Takes the records in the order of their sequence numbers and finds the first that does not
// verify.
class AuditChecker {
 public:
  void Add(const AuditRecord& record);
  // `count` and `head`: what the log says about itself.
  AuditVerdict Finish(std::int64_t count, const std::string& head);

 private:
  void Fail(std::int64_t sequence, std::string problem);

  AuditVerdict verdict_;
  std::string last_ = AuditGenesis();
};

}  // namespace signet::keystore
