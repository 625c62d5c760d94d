#include "services/revocation/status_answer.h"

#include <algorithm>

#include "keystore/settings.h"
#include "platform/encoding.h"
#include "services/joined.h"

namespace signet::services {

using keystore::DistrustRecord;
using keystore::SettingValue;
using keystore::x509::OcspStatus;

namespace {

constexpr std::size_t kMaxItems = 1000;
constexpr std::size_t kMaxFindings = 100;

std::string SubjectOf(const keystore::PlanInput& in, const std::string& fingerprint) {
  const auto* row = in.snapshot->certificates->Find(fingerprint);
  return row == nullptr ? "a certificate that cannot be read" : EscapeLine(row->subject(), 128);
}

std::string SerialOf(const keystore::PlanInput& in, const std::string& fingerprint) {
  const auto* row = in.snapshot->certificates->Find(fingerprint);
  return row == nullptr ? std::string() : EscapeLine(row->serial(), 64);
}

bool IsIdentity(const keystore::PlanInput& in, const std::string& place) {
  return in.catalogue.FindPurpose(place) != nullptr || place.starts_with("chain of ");
}

api::StatusItem Describe(const keystore::PlanInput& in, const std::string& fingerprint,
                         const StatusRow& row) {
  api::StatusItem item;
  item.id = fingerprint;
  item.subject = SubjectOf(in, fingerprint);
  item.serial = SerialOf(in, fingerprint);
  item.places = PlacesOf(*in.snapshot, fingerprint);
  item.status = row.status;
  item.word = row.word;
  item.detail = row.detail;
  item.remedy = row.remedy;
  item.source = row.source;
  item.asked = row.asked;
  item.next_update = row.next_update;
  item.retry = row.retry;
  return item;
}

bool IsUnproved(const StatusRow& row) {
  return row.status == "unknown" && row.word != kNoStatusSource;
}

bool SaidGood(const DistrustRecord& record, const StatusBook& book) {
  const StatusRow* row = book.Find(record.certificate);
  return record.cause == keystore::kRevoked && row != nullptr && row->status == "good";
}

api::DistrustedItem Describe(const keystore::PlanInput& in, const DistrustRecord& record,
                             const StatusBook& book) {
  api::DistrustedItem item;
  item.id = record.certificate;
  item.subject = SubjectOf(in, record.certificate);
  item.serial = SerialOf(in, record.certificate);
  item.places = PlacesOf(*in.snapshot, record.certificate);
  item.cause = record.cause;
  item.reason = record.reason;
  item.source = record.source;
  item.since = record.since;
  item.found = record.found;
  item.said_good = SaidGood(record, book);
  return item;
}

}  // namespace

api::RevocationInfo DescribeBook(const keystore::PlanInput& in, const StatusBook& book) {
  const RevocationSettings settings = RevocationSettingsOf(in);
  api::RevocationInfo info;
  info.enabled = settings.enabled;
  info.responder = settings.responder;
  info.every = SettingValue(in, keystore::kRevocationEvery);
  info.unknown_upload = SettingValue(in, keystore::kUnknownUpload);
  info.unknown_trust = SettingValue(in, keystore::kUnknownTrust);
  info.unknown_connection = SettingValue(in, keystore::kUnknownConnection);
  info.last_check = book.last_check();
  // What is due waits for the next round, which is not more than a minute away.
  if (settings.enabled) info.next_check = book.NextDue(settings, in.now);
  if (info.next_check) info.next_check = std::max(*info.next_check, in.now);
  for (const bool good : {false, true}) {
    for (const auto& [fingerprint, row] : book.rows()) {
      if ((row.status == "good") != good) continue;
      ++(good ? info.good : row.status == "revoked" ? info.revoked : info.unknown);
      if (row.word == kNoStatusSource) ++info.without_source;
      if (info.certificates.size() < kMaxItems)
        info.certificates.push_back(Describe(in, fingerprint, row));
    }
  }
  for (const auto& [fingerprint, row] : in.snapshot->distrusted) {
    if (info.distrusted.size() == kMaxItems) break;
    info.distrusted.push_back(Describe(in, row.value, book));
  }
  return info;
}

Findings WarningsOf(const keystore::PlanInput& in, const StatusBook& book) {
  Findings findings;
  std::size_t out = 0;
  for (const auto& [fingerprint, row] : in.snapshot->distrusted) {
    const DistrustRecord& record = row.value;
    const std::vector<std::string> places = PlacesOf(*in.snapshot, fingerprint);
    // That one of them ends is the monitor's to say.
    const bool used = record.cause != keystore::kExpired &&
                      std::any_of(places.begin(), places.end(),
                                  [&](const std::string& place) { return IsIdentity(in, place); });
    if (SaidGood(record, book) && findings.size() < kMaxFindings) {
      findings.push_back({Severity::kError, "SAID_GOOD",
                          SubjectOf(in, fingerprint) +
                              " was revoked, and is said to be good "
                              "again; it stays out of trust: 'signet revocation clear " +
                              fingerprint.substr(0, 16) + " --reason TEXT' if that is true",
                          fingerprint});
    }
    if (used && findings.size() < kMaxFindings) {
      findings.push_back(
          {Severity::kError,
           record.cause == keystore::kRevoked ? "REVOKED_IN_USE" : "DISTRUSTED_IN_USE",
           SubjectOf(in, fingerprint) + " (" + Joined(places) + ") is " +
               keystore::WhyDistrusted(record) + ": " +
               (record.cause == keystore::kRevoked
                    ? "renew the certificate that rests on it, 'signet csr generate'"
                    : keystore::RemedyOf(record)),
           fingerprint});
    } else if (!places.empty()) {
      ++out;
    }
  }
  if (out > 0) {
    findings.push_back({Severity::kWarning, "DISTRUSTED",
                        std::to_string(out) +
                            " entries of trust stores are out of trust: 'signet revocation "
                            "distrusted' says why",
                        ""});
  }
  if (!RevocationSettingsOf(in).enabled) return findings;
  const std::vector<std::string> first = UnprovedOf(in, book, 1);
  if (!first.empty()) {
    findings.push_back(
        {Severity::kWarning, "STATUS_UNKNOWN",
         "nobody tells the status of " +
             std::to_string(std::count_if(book.rows().begin(), book.rows().end(),
                                          [](const auto& row) { return IsUnproved(row.second); })) +
             " certificate(s), first " + first.front() + ": 'signet revocation list'",
         ""});
  }
  return findings;
}

std::vector<std::string> UnprovedOf(const keystore::PlanInput& in, const StatusBook& book,
                                    std::size_t most) {
  std::vector<std::string> unproved;
  for (const auto& [fingerprint, row] : book.rows()) {
    if (unproved.size() == most) break;
    if (!IsUnproved(row)) continue;
    unproved.push_back(SubjectOf(in, fingerprint) + " (" +
                       Joined(PlacesOf(*in.snapshot, fingerprint)) + "): " + row.detail);
  }
  return unproved;
}

void TellStatus(const keystore::x509::Certificate& certificate, const StatusAnswer& answer,
                bool hard, Findings& findings) {
  const std::string who = "'" + certificate.fields().subject + "'";
  const std::string source = answer.source.empty() ? "" : ", says " + answer.source;
  if (answer.status == OcspStatus::kRevoked) {
    std::string since =
        answer.revoked_at ? " since " + FormatTime(*answer.revoked_at) : std::string();
    if (!answer.reason.empty()) since += " (" + answer.reason + ")";
    findings.push_back({Severity::kError, "REVOKED", who + " is revoked" + since + source,
                        certificate.fingerprint()});
  } else if (answer.status == OcspStatus::kUnknown && answer.word != kNoStatusSource) {
    // Nobody could be asked, and what was said before holds still.
    const bool held = answer.good_until.has_value();
    findings.push_back({hard && !held ? Severity::kError : Severity::kWarning, "STATUS_UNKNOWN",
                        "nobody tells whether " + who + " is revoked: " + answer.detail + source,
                        certificate.fingerprint()});
  }
}

void TellWhatWouldBe(const std::vector<StatusSubject>& subjects,
                     const std::vector<StatusAnswer>& answers, const RevocationSettings& settings,
                     Findings& findings) {
  std::size_t without = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const StatusAnswer& answer = answers[i];
    const StatusSubject& subject = subjects[i];
    if (answer.word == kNoStatusSource) ++without;
    Findings told;
    const bool refused = settings.trust_hard && subject.trusted;
    TellStatus(subject.certificate, answer, false, told);
    for (Finding& finding : told) {
      if (findings.size() == kMaxFindings) break;
      const bool revoked = finding.id == "REVOKED";
      if (revoked) finding.id = "WOULD_BE_DISTRUSTED";
      if (!revoked && refused) finding.id = "WOULD_BE_REFUSED";
      finding.severity = Severity::kWarning;
      finding.text += " (" + Joined(subject.places) + ")";
      findings.push_back(std::move(finding));
    }
  }
  if (without > 0) {
    findings.push_back({Severity::kInfo, kNoStatusSource.data(),
                        std::to_string(without) +
                            " certificates name neither a responder nor a revocation list: nothing "
                            "is known of them, whatever the settings",
                        ""});
  }
}

}  // namespace signet::services
