// A node log that hands everything to a real one; tests override what shall fail.
#pragma once

#include "keystore/node_log.h"

namespace signet::services {

class ForwardingLog : public keystore::NodeLog {
 public:
  explicit ForwardingLog(keystore::NodeLog& real) : real_(real) {}

  Result<keystore::JournalEntry> Begin(const keystore::ChangeOrigin& origin) override {
    return real_.Begin(origin);
  }
  Status Finish(const keystore::JournalEntry& entry, const std::string& outcome,
                const std::string& detail, const std::optional<std::string>& result) override {
    return real_.Finish(entry, outcome, detail, result);
  }
  Result<std::vector<keystore::JournalEntry>> Pending() override { return real_.Pending(); }
  Status Note(const keystore::ChangeOrigin& origin, const std::string& outcome,
              const std::string& detail) override {
    return real_.Note(origin, outcome, detail);
  }
  Result<std::optional<keystore::IdempotentResult>> FindResult(const std::string& actor,
                                                               const std::string& key) override {
    return real_.FindResult(actor, key);
  }
  Result<std::vector<keystore::AuditRecord>> Audit(std::int64_t after, std::size_t limit) override {
    return real_.Audit(after, limit);
  }
  Result<keystore::AuditVerdict> VerifyAudit() override { return real_.VerifyAudit(); }
  Result<std::int64_t> AddEvent(const keystore::EventRow& event) override {
    return real_.AddEvent(event);
  }
  Result<std::vector<keystore::EventRow>> Events(std::int64_t after, std::size_t limit) override {
    return real_.Events(after, limit);
  }
  Result<keystore::EventSpan> EventsKept() override { return real_.EventsKept(); }
  Status Remember(const std::string& name, const std::string& value) override {
    return real_.Remember(name, value);
  }
  Result<std::optional<std::string>> Recall(const std::string& name) override {
    return real_.Recall(name);
  }
  Result<std::vector<std::string>> RecallAll(const std::string& prefix) override {
    return real_.RecallAll(prefix);
  }
  Status Forget(const std::string& name) override { return real_.Forget(name); }

 private:
  keystore::NodeLog& real_;
};

}  // namespace signet::services
