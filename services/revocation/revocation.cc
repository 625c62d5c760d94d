#include "services/revocation/revocation.h"

#include <algorithm>
#include <set>

#include "keystore/node_log.h"
#include "keystore/plan_bundle.h"
#include "keystore/settings.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "services/revocation/status_answer.h"

namespace signet::services {

using keystore::DistrustRecord;
using keystore::DistrustRequest;
using keystore::x509::Certificate;
using keystore::x509::OcspStatus;

namespace {

constexpr Duration kRoundLimit = std::chrono::hours(6);  // ten thousand, and responders that hang
constexpr Duration kChangeLimit = std::chrono::minutes(2);
constexpr std::size_t kUploaded = 16;  // certificates of one text; of more the periodic check asks
constexpr std::size_t kUnprovedShown = 100;
constexpr Duration kUploadLimit = std::chrono::seconds(30);
constexpr char kSourceless[] = "no-source";  // a status of figures

Error ReasonMissing() {
  return MakeError(Kind::kUsage, "REASON_MISSING",
                   "why the certificate is to be trusted again is not said",
                   "Say it with --reason: the audit log keeps it.");
}

Error StillOut(const DistrustRecord& record, const char* word, std::string remedy) {
  return MakeError(Kind::kRefused, word, "the certificate is " + keystore::WhyDistrusted(record),
                   std::move(remedy));
}

Error StillRevoked(const StatusAnswer& answer) {
  return MakeError(Kind::kRefused, "STILL_REVOKED", "the certificate is revoked: " + answer.detail,
                   "Its CA must take the revocation back first; else replace the certificate.");
}

// Certificates that an identity rests on.
std::size_t RevokedInUse(const keystore::Snapshot& snapshot) {
  std::set<std::string> used;
  for (const auto& [purpose, row] : snapshot.identities) {
    if (!row.value.current) continue;
    used.insert(row.value.current->certificate);
    used.insert(row.value.current->chain.begin(), row.value.current->chain.end());
  }
  return static_cast<std::size_t>(std::ranges::count_if(used, [&](const std::string& fingerprint) {
    const DistrustRecord* record = snapshot.Distrusted(fingerprint);
    return record != nullptr &&
           (record->cause == keystore::kRevoked || record->cause == keystore::kOnHold);
  }));
}

}  // namespace

Error ShuttingDown() {
  return MakeError(Kind::kUnavailable, "SHUTTING_DOWN", "signetd is about to end",
                   "Try again once it runs.");
}

Revocation::Revocation(Parts parts) : parts_(std::move(parts)) {
  auto kept = parts_.log.Recall(kRevocationMemory);
  if (kept && kept.value()) book_ = StatusBook::FromText(*kept.value());
}

StatusRules Revocation::RulesOf(const keystore::Snapshot& snapshot,
                                const RevocationSettings& settings, bool anew) const {
  StatusRules rules;
  rules.responder = settings.responder;
  // A periodic look is no look when it takes an answer that is as old as the period.
  rules.max_age = settings.every;
  rules.anew = anew;
  snapshot.EachTrustEntry(kResponderStore, "", [&](const keystore::TrustEntryRecord& entry) {
    if (!IsResponder(entry)) return true;
    const DistrustRecord* record = snapshot.Distrusted(entry.certificate);
    // That nobody vouches for a responder is no reason to believe no answer any more.
    if (record != nullptr && record->cause != keystore::kUnproved) return true;
    if (const Certificate* found = snapshot.Certificate(entry.certificate))
      rules.designated.push_back(*found);
    return true;
  });
  return rules;
}

api::RevocationInfo Revocation::Show() const {
  api::RevocationInfo info = DescribeBook(parts_.trust.Input(), Book());
  info.findings = Warnings();
  return info;
}

boost::asio::awaitable<Result<api::RevocationInfo>> Revocation::Describe(
    RequestContext context) const {
  auto job = [this]() -> Result<api::RevocationInfo> { return Show(); };
  co_return co_await RunOn(parts_.upload_lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> Revocation::ProposeSet(RequestContext context,
                                                                 SettingChange change) {
  auto job = [this, change = std::move(change)]() -> Result<api::Plan> {
    const keystore::PlanInput in = parts_.trust.Input();
    SIGNET_TRY(keystore::SettingPlan plan, keystore::PlanSettings(in, change.values));
    auto next = std::make_shared<keystore::Snapshot>(*in.snapshot);
    for (const auto& [name, value] : plan.values) next->settings[name].value.value = value;
    const RevocationSettings then = RevocationSettingsOf({in.catalogue, in.names, next, in.now});
    if (then.enabled) {
      const std::vector<StatusSubject> subjects = WhoseStatus(in.snapshot, in.now);
      std::vector<StatusQuestion> questions;
      for (const StatusSubject& subject : subjects)
        questions.push_back({subject.certificate, subject.issuer});
      const std::vector<StatusAnswer> answers =
          parts_.source.AskAll(questions, RulesOf(*in.snapshot, then, false));
      TellWhatWouldBe(subjects, answers, then, plan.findings);
    }
    return keystore::ReportOf(plan);
  };
  co_return co_await RunOn(parts_.lane, std::move(job), std::max(context.limit, kChangeLimit));
}

boost::asio::awaitable<Result<api::RevocationCheck>> Revocation::Check(
    RequestContext context, std::shared_ptr<keystore::Operation> operation) {
  auto ask = [this] { return Ask(true); };
  SIGNET_CO_TRY(Round round, co_await RunOn(parts_.lane, std::move(ask), kRoundLimit));
  TellRound(round);
  auto carry = [this, operation, request = round.consequences]() -> Result<keystore::ChangeResult> {
    return Apply(*operation, request, std::nullopt);
  };
  Result<keystore::ChangeResult> carried =
      co_await RunOn(parts_.trust_lane, std::move(carry), kChangeLimit);
  if (!carried) {
    // What was found is in the book; the next round carries it out.
    const std::lock_guard lock(mutex_);
    seen_ = 0;
    co_return std::move(carried).error();
  }
  const keystore::ChangeResult done = std::move(carried).value();
  api::RevocationCheck answer;
  answer.operation = operation->id;
  answer.asked = static_cast<std::int64_t>(round.asked);
  answer.good = static_cast<std::int64_t>(round.good);
  answer.revoked = static_cast<std::int64_t>(round.revoked);
  answer.unknown = static_cast<std::int64_t>(round.unknown);
  answer.held = static_cast<std::int64_t>(round.held);
  answer.restarts = done.restarts;
  // What is done is done, also when nobody has the time to list it.
  if (const auto info = co_await Describe(std::move(context))) {
    for (const api::StatusItem& item : info.value().certificates) {
      if (item.status != "good") answer.certificates.push_back(item);
    }
  }
  answer.findings = done.findings;
  operation->detail = "asked for " + std::to_string(round.asked) +
                      " certificates: " + std::to_string(round.revoked) + " revoked, " +
                      std::to_string(round.unknown) + " unknown; " + operation->detail;
  co_return answer;
}

// Blocks.
Result<Revocation::Clearing> Revocation::ToClear(const api::RevocationClearRequest& request) const {
  if (request.reason.find_first_not_of(' ') == std::string::npos) return ReasonMissing();
  const keystore::PlanInput in = parts_.trust.Input();
  SIGNET_TRY(const DistrustRecord* record, keystore::FindDistrusted(*in.snapshot, request.id));
  Clearing clearing;
  clearing.request.reinstated = {record->certificate};
  clearing.request.reason = EscapeLine(request.reason, 256);
  if (record->cause == keystore::kExpired) {
    return StillOut(*record, "STILL_EXPIRED",
                    "Upload its successor, or correct the clock: it comes back by itself.");
  }
  const Certificate* certificate = in.snapshot->Certificate(record->certificate);
  const auto issuer =
      certificate == nullptr ? std::nullopt : StoredIssuerOf(*in.snapshot, *certificate);
  if (!issuer) {
    clearing.request.reason += " (nobody could be asked: its issuer is not known here)";
    return clearing;
  }
  parts_.source.ForgetFailures();
  clearing.answer = parts_.source.Ask({*certificate, *issuer},
                                      RulesOf(*in.snapshot, RevocationSettingsOf(in), true));
  if (clearing.answer->status == OcspStatus::kRevoked) return StillRevoked(*clearing.answer);
  if (Book().IsOutdated(record->certificate, *clearing.answer)) {
    return StillOut(*record, "STILL_REVOKED",
                    "That it is good was said before it was revoked. Try again when its responder "
                    "answers, or with the CA's next revocation list.");
  }
  if (stopping_) return ShuttingDown();
  const bool unknown = clearing.answer->status == OcspStatus::kUnknown;
  const bool would_go_again = unknown && clearing.answer->word != kNoStatusSource &&
                              RevocationSettingsOf(in).trust_hard &&
                              NeedsProof(*in.snapshot, record->certificate);
  if (would_go_again) {
    return StillOut(*record, "STILL_UNPROVED",
                    "Nobody tells its status, and entries like that are out of trust: 'signet "
                    "revocation set --unknown-trust soft' first, or mend the responder.");
  }
  if (unknown) clearing.request.reason += " (its status is unknown: " + clearing.answer->word + ")";
  return clearing;
}

boost::asio::awaitable<Result<api::Plan>> Revocation::ProposeClear(
    RequestContext context, api::RevocationClearRequest request) {
  auto job = [this, request = std::move(request)]() -> Result<api::Plan> {
    SIGNET_TRY(const Clearing clearing, ToClear(request));
    SIGNET_TRY(const keystore::DistrustPlan plan,
               keystore::PlanDistrust(parts_.trust.Input(), clearing.request));
    return keystore::ReportOf(plan);
  };
  co_return co_await RunOn(parts_.upload_lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> Revocation::Clear(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::RevocationClearRequest request) {
  const auto plan = request.plan;
  auto ask = [this, request = std::move(request)] { return ToClear(request); };
  SIGNET_CO_TRY(const Clearing clearing,
                co_await RunOn(parts_.upload_lane, std::move(ask), context.limit));
  // The book first: who goes on by it would take the certificate out again by what was known
  // before.
  auto carry = [this, operation, clearing, plan]() -> Result<api::Change> {
    const std::string& fingerprint = clearing.request.reinstated.front();
    StatusBook former;
    {
      const std::lock_guard lock(mutex_);
      former = book_;
      book_.Forget(fingerprint);
      if (clearing.answer) book_.Note(fingerprint, *clearing.answer, parts_.clock.Now());
    }
    Persist();
    auto done = Apply(*operation, clearing.request, plan);
    if (done) return std::move(done).value();
    {
      const std::lock_guard lock(mutex_);
      book_.TakeBack(fingerprint, former);
    }
    Persist();
    return std::move(done).error();
  };
  co_return co_await RunOn(parts_.trust_lane, std::move(carry), context.limit);
}

Findings Revocation::CheckNow(const std::vector<StatusQuestion>& questions, bool hard, bool anew) {
  Findings findings;
  const keystore::PlanInput in = parts_.trust.Input();
  const RevocationSettings settings = RevocationSettingsOf(in);
  if (!settings.enabled || questions.empty()) return findings;
  const std::vector<StatusAnswer> answers =
      parts_.source.AskAll(questions, RulesOf(*in.snapshot, settings, anew));
  for (std::size_t i = 0; i < answers.size(); ++i)
    TellStatus(questions[i].certificate, answers[i], hard, findings);
  return findings;
}

void Revocation::Questions(const std::vector<Certificate>& certificates, const std::string& store,
                           std::vector<StatusQuestion>& questions) const {
  const keystore::PlanInput in = parts_.trust.Input();
  const auto row = keystore::FindTrustStore(in.catalogue, store);  // names know no case
  if (!row) return;
  const auto trust = keystore::Snapshot::View(in.snapshot, row.value()->name);
  for (const Certificate& certificate : certificates) {
    const bool known = std::any_of(questions.begin(), questions.end(), [&](const auto& question) {
      return question.certificate == certificate;
    });
    if (known || certificate.fields().self_issued) continue;
    if (const auto issuer = IssuerOf(certificate, trust, certificates))
      questions.push_back({certificate, *issuer});
  }
}

Findings Revocation::CheckUpload(const std::vector<UploadedTexts>& uploads) {
  const RevocationSettings settings = this->settings();
  if (!settings.enabled) return {};
  std::vector<StatusQuestion> questions;
  for (const UploadedTexts& upload : uploads) {
    std::vector<Certificate> all;
    for (const std::string_view text : upload.texts) {
      // A garbled block beside them hides the others from nobody who stores them.
      auto read = keystore::x509::ReadBundle(text, keystore::kMaxBundle);
      if (!read) continue;
      const std::vector<Certificate>& found = read.value().certificates;
      all.insert(all.end(), found.begin(),
                 found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), kUploaded)));
    }
    Questions(all, upload.store, questions);
  }
  return CheckNow(questions, settings.upload_hard);
}

Result<Findings> Revocation::CheckChains(const std::string& store,
                                         const std::vector<std::vector<Certificate>>& chains) {
  const RevocationSettings settings = this->settings();
  if (!settings.enabled) return Findings();
  std::vector<StatusQuestion> questions;
  for (const auto& chain : chains) Questions(chain, store, questions);
  Findings findings = CheckNow(questions, settings.upload_hard);
  if (stopping_) return ShuttingDown();
  return findings;
}

boost::asio::awaitable<Result<Findings>> Revocation::OfUpload(RequestContext context,
                                                              std::shared_ptr<const void> owner,
                                                              std::vector<UploadedTexts> uploads) {
  if (!settings().enabled) co_return Findings();
  auto job = [this, owner = std::move(owner), uploads = std::move(uploads)]() -> Result<Findings> {
    return CheckUpload(uploads);
  };
  auto said =
      co_await RunOn(parts_.upload_lane, std::move(job), std::min(context.limit, kUploadLimit));
  if (stopping_) co_return ShuttingDown();
  if (said) co_return said;
  co_return Findings{
      {settings().upload_hard ? Severity::kError : Severity::kWarning, "STATUS_UNKNOWN",
       "nobody tells in time whether the certificates are revoked: " + said.error().detail, ""}};
}

std::string UnknownStatus(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    if (finding.id == "STATUS_UNKNOWN") text += "; " + finding.text;
  }
  return text;
}

Findings Revocation::Warnings() const {
  const keystore::PlanInput in = parts_.trust.Input();
  const std::lock_guard lock(mutex_);
  return WarningsOf(in, book_);
}

std::vector<std::string> Revocation::Unproved() const {
  const keystore::PlanInput in = parts_.trust.Input();
  if (!RevocationSettingsOf(in).enabled) return {};
  const std::lock_guard lock(mutex_);
  return UnprovedOf(in, book_, kUnprovedShown);
}

Revocation::Figures Revocation::Look() const {
  const keystore::PlanInput in = parts_.trust.Input();
  Figures figures;
  figures.enabled = RevocationSettingsOf(in).enabled;
  for (const char* status : {"good", "revoked", "unknown", kSourceless}) figures.status[status] = 0;
  for (const char* cause :
       {keystore::kRevoked, keystore::kOnHold, keystore::kExpired, keystore::kUnproved})
    figures.distrusted[cause] = 0;
  for (const auto& [fingerprint, row] : in.snapshot->distrusted)
    ++figures.distrusted[row.value.cause];
  figures.revoked_in_use = RevokedInUse(*in.snapshot);
  const std::lock_guard lock(mutex_);
  for (const auto& [fingerprint, row] : book_.rows())
    ++figures.status[row.word == kNoStatusSource ? kSourceless : row.status];
  figures.last_check = book_.last_check();
  return figures;
}

}  // namespace signet::services
