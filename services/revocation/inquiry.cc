#include "services/revocation/inquiry.h"

#include <algorithm>

#include "keystore/x509/revocation_urls.h"
#include "platform/outgoing_http.h"

namespace signet::services {
namespace {

namespace x509 = keystore::x509;
using x509::OcspStatus;
using PlaceKind = StatusPlace::Kind;

constexpr auto kTolerance = std::chrono::minutes(5);  // between clocks, as when it was judged
constexpr std::size_t kMostDetail = 1500;

// All on which the answer rests: who would be asked, and whose word would be taken.
std::string KeyOf(const StatusQuestion& question, const StatusRules& rules, bool delegate) {
  std::string key = question.certificate.fingerprint() + " " + question.issuer.fingerprint() +
                    (delegate ? " delegate " : " ") + rules.responder;
  for (const x509::Certificate& designated : rules.designated) {
    key += " " + designated.fingerprint();
  }
  return key;
}

// The clock may have been set since.
bool IsFresh(const StatusAnswer& answer, WallTime now, std::chrono::seconds max_age) {
  if (answer.asked > now || now >= answer.fresh_until || now >= answer.asked + max_age) {
    return false;
  }
  return !answer.this_update || *answer.this_update <= now + kTolerance;
}

// What was signed still is the CA's word, though a cache may be asked to forget it earlier.
bool StillHolds(const StatusAnswer& answer, WallTime now, std::chrono::seconds max_age) {
  if (answer.asked > now || now >= answer.next_update.value_or(answer.asked + max_age)) {
    return false;
  }
  return !answer.this_update || *answer.this_update <= now + kTolerance;
}

}  // namespace

Inquiry::Inquiry(StatusDesk& desk, StatusQuestion question, const StatusRules& rules,
                 RoundNumber round, Role role)
    : desk_(desk),
      question_(std::move(question)),
      rules_(rules),
      round_(round),
      role_(role),
      key_(KeyOf(question_, rules, role == Role::kDelegate)) {
  if (Recall()) return;
  FindPlaces();
  while (at_ < places_.size() && places_[at_].host.empty()) ++at_;
  if (at_ == places_.size()) EndUnknown();
}

// A delegate signs for many certificates of a round, all of which want to know.
bool Inquiry::Recall() {
  const auto held = desk_.answers.Find(key_);
  if (!held) return false;
  const bool this_round = role_ == Role::kDelegate && held->round >= round_;
  if (rules_.anew && !this_round) return false;
  if (!IsFresh(held->answer, desk_.clock.Now(), rules_.max_age)) return false;
  if (role_ == Role::kCertificate) ++desk_.cache_hits;
  answer_ = held->answer;
  return true;
}

void Inquiry::FindPlaces() {
  const auto lists = x509::CrlUrls(question_.certificate);
  if (role_ == Role::kDelegate) AddPlaces(PlaceKind::kCrl, lists);
  if (!rules_.responder.empty()) {
    AddPlaces(PlaceKind::kOcsp, {rules_.responder});
  } else {
    AddPlaces(PlaceKind::kOcsp, x509::OcspUrls(question_.certificate));
  }
  if (role_ != Role::kDelegate) AddPlaces(PlaceKind::kCrl, lists);
}

void Inquiry::AddPlaces(PlaceKind kind, const std::vector<std::string>& urls) {
  for (const std::string& url : urls) {
    StatusPlace place{kind, url, {}};
    auto target = OutgoingTarget(url);
    if (target) {
      place.host = target.value().ToString();
    } else {
      unknown_.push_back({.judgement = UnknownStatus("RESPONDER_NOT_ALLOWED", target.error().detail,
                                                     target.error().remedy),
                          .label = place.Label()});
    }
    places_.push_back(std::move(place));
  }
}

const std::string& Inquiry::Next() const {
  static const std::string kNobody;
  if (answer_) return kNobody;
  return delegate_ ? delegate_->Next() : places_[at_].host;
}

void Inquiry::Step() {
  if (delegate_) {
    delegate_->Step();
    if (delegate_->Next().empty()) SettleDelegate();
    return;
  }
  const StatusPlace& place = places_[at_];
  const bool ocsp = place.kind == PlaceKind::kOcsp;
  StatusFinding finding = ocsp ? AskResponder(desk_, place, question_, rules_)
                               : ReadList(desk_, place, question_, rules_, round_);
  desk_.Count(ocsp ? "ocsp" : "crl", finding.judgement.word);
  Take(std::move(finding));
}

// Lists come once a week, and somebody on the way may keep answers.
bool Inquiry::IsOutdated(const x509::StatusJudgement& judged) const {
  const auto held = desk_.answers.Find(key_);
  return judged.status == OcspStatus::kGood && held &&
         held->answer.status == OcspStatus::kRevoked && judged.this_update &&
         held->answer.this_update && *judged.this_update < *held->answer.this_update;
}

void Inquiry::Take(StatusFinding finding) {
  if (IsOutdated(finding.judgement)) {
    finding.judgement = UnknownStatus(
        "STATUS_OUTDATED", "what it says is older than what was said of the revocation",
        "Ask again when the responder answers, or with the CA's next revocation list.");
  }
  if (finding.judgement.status != OcspStatus::kUnknown) {
    if (!finding.delegate) return Decide(finding);
    if (role_ == Role::kCertificate) {
      delegate_rules_ = rules_;
      delegate_rules_.responder.clear();  // its own places, and its CA's word alone
      delegate_rules_.designated.clear();
      const StatusQuestion about{*finding.delegate, question_.issuer};
      signed_ = std::move(finding);
      delegate_ = std::make_unique<Inquiry>(desk_, about, delegate_rules_, round_, Role::kDelegate);
      if (delegate_->Next().empty()) SettleDelegate();
      return;
    }
    finding.judgement = UnknownStatus(
        "OCSP_DELEGATE_UNCHECKED", "one delegate vouches for another, of whom nothing is known",
        "Have the CA publish a revocation list, or mark its responder with ocsp-nocheck.");
  }
  unknown_.push_back(std::move(finding));
  ++at_;
  while (at_ < places_.size() && places_[at_].host.empty()) ++at_;
  if (at_ == places_.size()) EndUnknown();
}

// RFC 6960 §4.2.2.2.1.
void Inquiry::SettleDelegate() {
  const StatusAnswer about = delegate_->answer();
  StatusFinding finding = *std::move(signed_);
  const std::string subject = finding.delegate->fields().subject;
  delegate_.reset();
  signed_.reset();
  finding.delegate.reset();
  if (about.status == OcspStatus::kGood) {
    delegate_until_ = about.fresh_until;
    return Decide(finding);
  }
  const bool revoked = about.status == OcspStatus::kRevoked;
  finding.judgement = UnknownStatus(
      revoked ? "OCSP_DELEGATE_REVOKED" : "OCSP_DELEGATE_UNCHECKED",
      "the responder '" + subject + "' is " + (revoked ? "revoked" : "of unknown status") + ": " +
          about.detail,
      revoked ? "Tell the CA's operator: its responder's certificate was revoked."
              : "Have the CA publish a revocation list, or mark its responder with ocsp-nocheck.");
  Take(std::move(finding));
}

StatusAnswer Inquiry::AnswerFrom(const StatusFinding& finding) const {
  const x509::StatusJudgement& judged = finding.judgement;
  StatusAnswer answer;
  answer.status = judged.status;
  answer.word = judged.word;
  answer.detail = judged.detail;
  answer.remedy = judged.remedy;
  answer.reason = judged.reason;
  if (finding.asked) answer.source = finding.label;
  answer.this_update = judged.this_update;
  answer.next_update = judged.next_update;
  answer.revoked_at = judged.revoked_at;
  answer.asked = desk_.clock.Now();
  answer.fresh_until = answer.asked;
  return answer;
}

void Inquiry::Decide(const StatusFinding& finding) {
  StatusAnswer answer = AnswerFrom(finding);
  WallTime until = answer.asked + finding.max_age.value_or(rules_.max_age);
  until = std::min(until, answer.asked + rules_.max_age);
  until = std::min(until, answer.next_update.value_or(until));
  until = std::min(until, delegate_until_.value_or(until));
  answer.fresh_until = std::max(until, answer.asked);
  desk_.answers.Put(key_, {answer, round_, 0});
  answer_ = std::move(answer);
}

// The first reason is told as the reason; the detail names them all.
StatusAnswer Inquiry::UnknownAnswer(std::int64_t unknowns) {
  StatusAnswer answer = AnswerFrom(unknown_.front());
  std::optional<WallTime> again;
  for (const StatusFinding& finding : unknown_) {
    if (&finding != &unknown_.front()) {
      answer.detail += "; " + finding.label + ": " + finding.judgement.detail;
    }
    if (answer.source.empty() && finding.asked) answer.source = finding.label;
    if (finding.next_try) again = std::min(again.value_or(*finding.next_try), *finding.next_try);
  }
  answer.detail = EscapeLine(answer.detail, kMostDetail);
  answer.fresh_until = again ? std::max(*again, answer.asked) : answer.asked + WaitAfter(unknowns);
  return answer;
}

void Inquiry::EndUnknown() {
  if (unknown_.empty()) {
    unknown_.push_back(
        {.judgement = UnknownStatus(
             "NO_STATUS_SOURCE",
             "the certificate names neither a responder nor a distribution point, and no responder "
             "is configured",
             "Configure the responder's URL, if its CA has one.")});
  }
  const auto held = desk_.answers.Find(key_);
  const std::int64_t unknowns = held ? held->unknowns + 1 : 1;
  StatusAnswer answer = UnknownAnswer(unknowns);
  const bool holds = held && StillHolds(held->answer, answer.asked, rules_.max_age);
  if (holds && held->answer.status == OcspStatus::kRevoked) {
    answer_ = held->answer;
    answer_->fresh_until = std::max(answer_->fresh_until, answer.fresh_until);
    return;
  }
  // Of a server that fails Responders keeps account. A *good* that holds is worth more than that
  // nobody could be asked, or that somebody on the way lies; not more than a responder's own word.
  const bool failed = std::ranges::any_of(
      unknown_, [](const StatusFinding& finding) { return finding.next_try.has_value(); });
  const bool told = std::ranges::any_of(unknown_, [](const StatusFinding& finding) {
    return finding.judgement.word == "OCSP_UNKNOWN" ||
           finding.judgement.word == "OCSP_CONTRADICTORY";
  });
  const bool keep = holds && held->answer.status == OcspStatus::kGood && !told;
  if (keep) {
    answer.good_until = held->answer.next_update.value_or(held->answer.asked + rules_.max_age);
  }
  if (!keep && (told || !failed)) desk_.answers.Put(key_, {answer, round_, unknowns});
  answer_ = std::move(answer);
}

void Inquiry::GiveUp() {
  unknown_.insert(unknown_.begin(),
                  {.judgement = UnknownStatus("STATUS_NOT_ASKED",
                                              "nobody was asked: too much waits, or Signet stops",
                                              "Check again in a moment."),
                   .label = {},
                   .asked = false,
                   .max_age = {},
                   .next_try = desk_.clock.Now()});
  delegate_.reset();
  signed_.reset();
  EndUnknown();
}

}  // namespace signet::services
