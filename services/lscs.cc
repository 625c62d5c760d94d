#include "services/lscs.h"

#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "services/lsc_issuers.h"
#include "services/paging.h"

namespace signet::services {

namespace {

using keystore::LscOutcome;
using keystore::x509::Certificate;

constexpr std::size_t kMostCertificates = 20'000;  // of a request
constexpr std::size_t kMostFindings = 100;

constexpr char kTrustTheIssuer[] =
    "upload its issuer first, 'signet trust upload CAPF-trust FILE', where it is one of yours";

// What is said of certificates: the first ones, and how many there are.
class Report {
 public:
  void Add(Severity severity, std::string id, std::string text, const std::string& certificate) {
    if (++count_ <= kMostFindings)
      findings_.push_back({severity, std::move(id), std::move(text), certificate});
  }
  Findings Take() && {
    if (count_ > kMostFindings) {
      findings_.push_back({Severity::kInfo, "MORE_FINDINGS",
                           std::to_string(count_ - kMostFindings) + " findings more are not listed",
                           ""});
    }
    return std::move(findings_);
  }

 private:
  Findings findings_;
  std::size_t count_ = 0;
};

std::string NameOf(const Certificate& certificate) {
  return "'" + certificate.fields().subject + "' (serial " + certificate.fields().serial + ")";
}

// False, with a finding: it is not taken.
bool IsGood(const Certificate& certificate, LscIssuers& issuers, Report& report) {
  if (certificate.fields().ca) {
    report.Add(Severity::kError, "LSC_IS_CA",
               NameOf(certificate) +
                   " is a CA, and no endpoint's certificate; a trust store is the place for it: "
                   "'signet trust upload STORE FILE'",
               certificate.fingerprint());
    return false;
  }
  if (issuers.Vouch(certificate)) return true;
  report.Add(Severity::kError, "LSC_ISSUER_UNKNOWN",
             NameOf(certificate) + " was issued by nobody whom the appliance knows, '" +
                 certificate.fields().issuer + "': " + kTrustTheIssuer,
             certificate.fingerprint());
  return false;
}

void TellUnreadable(const keystore::x509::Bundle& bundle, Report& report) {
  for (const auto& rejected : bundle.rejected) {
    report.Add(Severity::kError, "LSC_UNREADABLE",
               "certificate " + std::to_string(rejected.number) +
                   (rejected.line == 0 ? "" : ", line " + std::to_string(rejected.line)) + ": " +
                   rejected.error.detail + " (" + rejected.error.word + "). " +
                   rejected.error.remedy,
               "");
  }
}

void CountOutcomes(const std::vector<LscOutcome>& outcomes,
                   const std::vector<keystore::LscEntry>& entries, api::LscRegistration& answer,
                   Report& report) {
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const keystore::LscRow& row = entries[i].row;
    switch (outcomes[i]) {
      case LscOutcome::kRegistered:
        ++answer.registered;
        break;
      case LscOutcome::kReplaced:
        ++answer.replaced;
        break;
      case LscOutcome::kKnown:
        ++answer.known;
        break;
      case LscOutcome::kSuperseded:
        ++answer.superseded;
        report.Add(Severity::kInfo, "LSC_SUPERSEDED",
                   "'" + row.subject + "' (serial " + row.serial +
                       ") is no newer than the certificate that is registered for it, which stays",
                   row.fingerprint);
        break;
    }
  }
}

api::LscInfo Describe(const keystore::LscRow& row) {
  return {row.fingerprint, row.common_name, row.subject,   row.issuer,
          row.serial,      row.not_before,  row.not_after, row.registered};
}

std::string Counted(const api::LscRegistration& answer) {
  return std::to_string(answer.registered) + " registered, " + std::to_string(answer.replaced) +
         " replaced, " + std::to_string(answer.known) + " known, " +
         std::to_string(answer.superseded) + " superseded, " + std::to_string(answer.refused) +
         " refused";
}

}  // namespace

Lscs::Lscs(Parts parts, Result<std::unique_ptr<keystore::LscRegister>> opened) : parts_(parts) {
  if (opened) {
    register_ = std::move(opened).value();
  } else {
    problem_ = std::move(opened).error();
  }
}

Result<keystore::LscRegister*> Lscs::Opened() const {
  if (problem_) return *problem_;
  return register_.get();
}

Result<api::LscRegistration> Lscs::RegisterNow(keystore::Operation& operation,
                                               const api::LscRegisterRequest& request) {
  SIGNET_TRY(keystore::LscRegister* const into, Opened());
  const std::string_view text(request.certificates.data(), request.certificates.size());
  SIGNET_TRY(const keystore::x509::Bundle bundle,
             keystore::x509::ReadBundle(text, kMostCertificates));
  Report report;
  TellUnreadable(bundle, report);
  LscIssuers issuers(parts_.catalogue, parts_.state.Now());
  const WallTime now = parts_.clock.Now();
  std::vector<keystore::LscEntry> entries;
  std::size_t refused = bundle.rejected.size();
  for (const Certificate& certificate : bundle.certificates) {
    if (IsGood(certificate, issuers, report)) {
      entries.push_back(keystore::LscEntryOf(certificate, now));
    } else {
      ++refused;
    }
  }
  SIGNET_TRY(const std::vector<LscOutcome> outcomes, into->Register(entries));
  api::LscRegistration answer;
  answer.operation = operation.id;
  answer.refused = static_cast<std::int64_t>(refused);
  answer.ok = refused == 0;
  CountOutcomes(outcomes, entries, answer, report);
  answer.changed = answer.registered + answer.replaced > 0;
  answer.findings = std::move(report).Take();
  operation.detail = "LSCs: " + Counted(answer);
  return answer;
}

boost::asio::awaitable<Result<api::LscRegistration>> Lscs::Register(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::LscRegisterRequest request) {
  auto shared = std::make_shared<const api::LscRegisterRequest>(std::move(request));
  auto job = [this, operation, shared] { return RegisterNow(*operation, *shared); };
  co_return co_await RunOn(parts_.lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Page<api::LscInfo>>> Lscs::List(
    RequestContext context, api::LscListRequest request) const {
  auto job = [this, request = std::move(request)]() -> Result<api::Page<api::LscInfo>> {
    SIGNET_TRY(keystore::LscRegister* const from, Opened());
    SIGNET_TRY(const std::size_t limit, PageLimit(request.limit));
    SIGNET_TRY(const keystore::LscPage found,
               from->Page(request.cursor.value_or(""), limit, request.ends_before));
    api::Page<api::LscInfo> page;
    for (const keystore::LscRow& row : found.rows) page.items.push_back(Describe(row));
    page.next = found.next;
    return page;
  };
  co_return co_await RunOn(parts_.lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::LscRemoval>> Lscs::Remove(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::IdRequest request) {
  auto job = [this, operation, id = std::move(request.id)]() -> Result<api::LscRemoval> {
    SIGNET_TRY(keystore::LscRegister* const from, Opened());
    SIGNET_TRY(const keystore::LscRow row, from->Remove(id));
    operation->detail = "LSC of " + row.subject + ", serial " + row.serial;
    return api::LscRemoval{true, operation->id, 1};
  };
  co_return co_await RunOn(parts_.lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::LscRemoval>> Lscs::RemoveExpired(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::LscRemoveExpiredRequest request) {
  auto job = [this, operation, asked = request.before]() -> Result<api::LscRemoval> {
    SIGNET_TRY(keystore::LscRegister* const from, Opened());
    const WallTime now = parts_.clock.Now();
    const WallTime before = asked.value_or(now);
    if (before > now) {
      return MakeError(Kind::kUsage, "BEFORE_IN_FUTURE",
                       FormatTime(before) + " is yet to come: LSCs that end before it may be valid",
                       "Give a time that is over, or none for now.");
    }
    SIGNET_TRY(const std::size_t removed, from->RemoveExpired(before));
    operation->detail =
        std::to_string(removed) + " LSCs that had ended before " + FormatTime(before);
    return api::LscRemoval{removed > 0, operation->id, static_cast<std::int64_t>(removed)};
  };
  co_return co_await RunOn(parts_.lane, std::move(job), context.limit);
}

Result<keystore::LscCount> Lscs::Count(WallTime now, std::chrono::seconds start) const {
  SIGNET_TRY(keystore::LscRegister* const from, Opened());
  return from->Count(now, start, kNamedLscs);
}

Findings Lscs::Warnings() const {
  if (!problem_) return {};
  return {{Severity::kWarning, "LSC_REGISTER_UNAVAILABLE",
           "LSCs are neither registered nor watched: " + problem_->detail + ". " + problem_->remedy,
           ""}};
}

}  // namespace signet::services
