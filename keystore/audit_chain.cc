#include "keystore/audit_chain.h"

#include <boost/json.hpp>

#include "platform/encoding.h"

namespace signet::keystore {

std::string AuditGenesis() { return std::string(64, '0'); }

std::string AuditHash(const AuditRecord& record) {
  const boost::json::array fields{
      "signet-audit-1",     record.sequence,      record.time.time_since_epoch().count(),
      record.origin.actor,  record.origin.role,   record.origin.origin,
      record.origin.method, record.origin.digest, record.origin.idempotency_key,
      record.operation,     record.outcome,       record.detail,
      record.previous};
  return Sha256Hex(boost::json::serialize(fields));
}

void AuditChecker::Fail(std::int64_t sequence, std::string problem) {
  if (verdict_.first_bad != 0) return;
  verdict_.first_bad = sequence;
  verdict_.problem = std::move(problem);
}

void AuditChecker::Add(const AuditRecord& record) {
  const std::int64_t expected = ++verdict_.records;
  verdict_.newest = std::max(verdict_.newest, record.time);
  if (verdict_.first_bad != 0) return;
  if (record.sequence != expected) {
    Fail(expected, "the record is missing");
  } else if (record.previous != last_) {
    Fail(expected, "the record does not follow the one before it: one of both was replaced");
  } else if (AuditHash(record) != record.hash) {
    Fail(expected, "the record was changed after it was written");
  }
  last_ = record.hash;
}

AuditVerdict AuditChecker::Finish(std::int64_t count, const std::string& head) {
  if (verdict_.records < count) {
    Fail(verdict_.records + 1,
         "the end of the log is missing: it had " + std::to_string(count) + " records");
  } else if (verdict_.records > count) {
    Fail(count + 1, "records were appended by something else");
  } else if (last_ != head) {
    Fail(std::max<std::int64_t>(count, 1), "the last record was replaced");
  }
  verdict_.head = last_;
  return verdict_;
}

}  // namespace signet::keystore
