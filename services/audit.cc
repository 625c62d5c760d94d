#include "services/audit.h"

#include <charconv>

#include "keystore/node_log.h"
#include "services/paging.h"

namespace signet::services {

boost::asio::awaitable<Result<api::Page<api::AuditInfo>>> Audit::List(RequestContext context,
                                                                      api::PageRequest request) {
  SIGNET_CO_TRY(const std::size_t limit, PageLimit(request.limit));
  std::int64_t after = 0;
  if (request.cursor) {
    const char* end = request.cursor->data() + request.cursor->size();
    const auto [rest, problem] = std::from_chars(request.cursor->data(), end, after);
    if (problem != std::errc() || rest != end || after < 0) {
      co_return MakeError(Kind::kUsage, "CURSOR_INVALID", "the cursor is not one of this list",
                          "Use 'next' of the page before.");
    }
  }
  auto job = [this, after, limit] { return log_.Audit(after, limit + 1); };
  SIGNET_CO_TRY(std::vector<keystore::AuditRecord> records,
                co_await RunOn(store_, std::move(job), context.limit));
  api::Page<api::AuditInfo> page;
  for (keystore::AuditRecord& record : records) {
    if (page.items.size() == limit) {
      page.next = std::to_string(page.items.back().sequence);
      break;
    }
    api::AuditInfo info;
    info.sequence = record.sequence;
    info.time = record.time;
    info.actor = std::move(record.origin.actor);
    info.role = std::move(record.origin.role);
    info.origin = std::move(record.origin.origin);
    info.method = std::move(record.origin.method);
    info.digest = std::move(record.origin.digest);
    info.operation = std::move(record.operation);
    info.outcome = std::move(record.outcome);
    info.detail = std::move(record.detail);
    info.hash = std::move(record.hash);
    page.items.push_back(std::move(info));
  }
  co_return page;
}

boost::asio::awaitable<Result<api::AuditVerdict>> Audit::Verify(RequestContext context) {
  auto job = [this] { return log_.VerifyAudit(); };
  SIGNET_CO_TRY(keystore::AuditVerdict verdict,
                co_await RunOn(store_, std::move(job), context.limit));
  api::AuditVerdict answer;
  answer.verified = verdict.problem.empty();
  answer.records = verdict.records;
  if (!answer.verified) answer.first_bad = verdict.first_bad;
  answer.problem = verdict.problem;
  answer.head = verdict.head;
  co_return answer;
}

}  // namespace signet::services
