#include "services/revocation/status_book.h"

#include <algorithm>
#include <set>

#include "keystore/settings.h"
#include "platform/logging.h"

namespace signet::services {

using keystore::DistrustRecord;
using keystore::DistrustRequest;
using keystore::x509::OcspStatus;

namespace {

constexpr auto kRetryPause = std::chrono::minutes(1);
constexpr std::size_t kMaxRows = 20'000;
constexpr std::size_t kMaxText = 64u << 20;
constexpr std::string_view kGood = "good", kRevokedStatus = "revoked", kUnknown = "unknown";

struct BookText : LenientRecord {
  std::optional<WallTime> last_check;
  std::vector<StatusRow> rows;
};
BOOST_DESCRIBE_STRUCT(BookText, (LenientRecord), (last_check, rows))

bool IsOnHold(const StatusRow& row) { return row.word.ends_with("_ON_HOLD"); }

// A good answer that may still be taken for one.
bool IsFresh(const StatusRow& row, WallTime now) {
  return row.status == kGood && row.next_update && *row.next_update > now && row.asked <= now;
}

WallTime DueOf(const StatusRow& row, const RevocationSettings& settings, WallTime now) {
  if (row.asked > now) return now;  // the clock was set back
  WallTime due = row.asked + settings.every;
  if (row.retry) {
    due = std::min(due, std::max(*row.retry, row.asked + kRetryPause));
  } else if (row.next_update) {
    due = std::min(due, std::max(*row.next_update, row.asked + kPause));
  }
  return due;
}

bool Full(const DistrustRequest& request) {
  return request.distrusted.size() + request.reinstated.size() >= keystore::kMaxDistrusted;
}

// What the row asks of trust; absent: nothing.
std::optional<DistrustRecord> Wanted(const std::string& fingerprint, const StatusRow& row,
                                     bool needs_proof, const RevocationSettings& settings,
                                     WallTime now) {
  DistrustRecord record;
  record.certificate = fingerprint;
  record.source = row.source;
  record.found = now;
  if (row.status == kRevokedStatus) {
    record.cause = IsOnHold(row) ? keystore::kOnHold : keystore::kRevoked;
    record.reason = row.reason;
    record.since = row.revoked_at.value_or(row.asked);
    return record;
  }
  const bool nobody_tells = row.status == kUnknown && row.word != kNoStatusSource;
  if (!nobody_tells || !needs_proof || !settings.trust_hard) return std::nullopt;
  record.cause = keystore::kUnproved;
  record.since = row.asked;
  if (record.source.empty()) record.source = row.word;
  return record;
}

}  // namespace

bool NeedsProof(const keystore::Snapshot& snapshot, const std::string& fingerprint) {
  return std::any_of(snapshot.trust.begin(), snapshot.trust.end(), [&](const auto& store) {
    const auto* entry = snapshot.TrustEntry(store.first, fingerprint);
    return entry != nullptr && !IsResponder(*entry);
  });
}

bool IsTrustEntry(const keystore::Snapshot& snapshot, const std::string& fingerprint) {
  return std::any_of(snapshot.trust.begin(), snapshot.trust.end(), [&](const auto& store) {
    return snapshot.TrustEntry(store.first, fingerprint) != nullptr;
  });
}

RevocationSettings RevocationSettingsOf(const keystore::PlanInput& in) {
  using keystore::SettingValue;
  RevocationSettings settings;
  settings.enabled = SettingValue(in, keystore::kRevocationCheck) == "true";
  settings.responder = SettingValue(in, keystore::kRevocationResponder);
  settings.every = keystore::IntervalOf(SettingValue(in, keystore::kRevocationEvery));
  settings.upload_hard = SettingValue(in, keystore::kUnknownUpload) == keystore::kHard;
  settings.trust_hard =
      settings.enabled && SettingValue(in, keystore::kUnknownTrust) == keystore::kHard;
  settings.connection_hard = SettingValue(in, keystore::kUnknownConnection) == keystore::kHard;
  return settings;
}

StatusBook StatusBook::FromText(std::string_view text) {
  StatusBook book;
  JsonLimits limits;
  limits.may_hold_secret = false;
  limits.max_bytes = kMaxText;
  auto parsed = ParseJson(text, limits);
  auto read = parsed ? FromJson<BookText>(parsed.value()) : std::move(parsed).error();
  if (!read) {
    Log(LogLevel::kWarning,
        "what was known of the status of certificates is forgotten, and asked "
        "anew: " +
            read.error().ToString());
    return book;
  }
  for (StatusRow& row : read.value().rows) {
    const std::string fingerprint = row.certificate;
    book.rows_[fingerprint] = std::move(row);
  }
  book.last_check_ = read.value().last_check;
  return book;
}

std::string StatusBook::ToText() const {
  BookText text;
  text.last_check = last_check_;
  for (const auto& [fingerprint, row] : rows_) text.rows.push_back(row);
  json::value all = ToJson(text);
  // Twenty thousand rows, each with what it has.
  for (json::value& row : all.as_object().at("rows").as_array()) {
    json::object& members = row.as_object();
    for (auto member = members.begin(); member != members.end();) {
      const json::value& value = member->value();
      const bool empty = value.is_null() || (value.is_string() && value.get_string().empty());
      member = empty ? members.erase(member) : member + 1;
    }
  }
  return json::serialize(all);
}

const StatusRow* StatusBook::Find(const std::string& fingerprint) const {
  const auto row = rows_.find(fingerprint);
  return row == rows_.end() ? nullptr : &row->second;
}

bool StatusBook::IsDue(const std::string& fingerprint, const RevocationSettings& settings,
                       WallTime now) const {
  const StatusRow* row = Find(fingerprint);
  return row == nullptr || DueOf(*row, settings, now) <= now;
}

std::optional<WallTime> StatusBook::NextDue(const RevocationSettings& settings,
                                            WallTime now) const {
  std::optional<WallTime> next;
  for (const auto& [fingerprint, row] : rows_) {
    const WallTime due = DueOf(row, settings, now);
    if (!next || due < *next) next = due;
  }
  return next;
}

bool StatusBook::IsOutdated(const std::string& fingerprint, const StatusAnswer& answer) const {
  const StatusRow* row = Find(fingerprint);
  return row != nullptr && row->status == kRevokedStatus && answer.status == OcspStatus::kGood &&
         row->this_update && answer.this_update && *answer.this_update < *row->this_update;
}

bool StatusBook::Note(const std::string& fingerprint, const StatusAnswer& answer, WallTime now) {
  const auto known = rows_.find(fingerprint);
  // What is revoked has consequences, however many others there are.
  if (known == rows_.end() && rows_.size() >= kMaxRows && answer.status != OcspStatus::kRevoked)
    return false;
  const std::string status(keystore::x509::OcspStatusName(answer.status));
  const bool unknown = answer.status == OcspStatus::kUnknown;
  const bool keeps = known != rows_.end() && unknown &&
                     (known->second.status == kRevokedStatus || IsFresh(known->second, now));
  if (keeps || IsOutdated(fingerprint, answer)) {
    known->second.asked = now;
    known->second.retry = answer.fresh_until;
    return false;
  }
  StatusRow row;
  row.certificate = fingerprint;
  row.status = status;
  const bool held =
      answer.status == OcspStatus::kUnknown && answer.good_until && *answer.good_until > now;
  row.word = answer.word;
  row.detail = answer.detail;
  row.remedy = answer.remedy;
  row.reason = answer.reason;
  row.source = answer.source;
  row.this_update = answer.this_update;
  row.next_update = answer.next_update;
  row.revoked_at = answer.revoked_at;
  row.asked = now;
  if (answer.status == OcspStatus::kUnknown && answer.word != kNoStatusSource)
    row.retry = answer.fresh_until;
  if (held) {
    row.status = kGood;
    row.next_update = answer.good_until;
  }
  const bool changed = known == rows_.end() || known->second.status != row.status;
  rows_[fingerprint] = std::move(row);
  return changed;
}

void StatusBook::TakeBack(const std::string& fingerprint, const StatusBook& former) {
  rows_.erase(fingerprint);
  if (const StatusRow* row = former.Find(fingerprint)) rows_[fingerprint] = *row;
}

void StatusBook::Keep(const std::vector<StatusSubject>& subjects) {
  std::set<std::string> wanted;
  for (const StatusSubject& subject : subjects) wanted.insert(subject.certificate.fingerprint());
  std::erase_if(rows_, [&](const auto& row) { return !wanted.contains(row.first); });
}

DistrustRequest ExpiredTrust(const keystore::Snapshot& snapshot, WallTime now) {
  DistrustRequest request;
  for (const auto& [fingerprint, row] : snapshot.distrusted) {
    if (row.value.cause != keystore::kExpired || Full(request)) continue;
    const auto* certificate = snapshot.certificates->Find(fingerprint);
    if (certificate == nullptr || certificate->not_after() >= now ||
        !IsTrustEntry(snapshot, fingerprint))
      request.reinstated.push_back(fingerprint);
  }
  std::map<std::string, DistrustRecord> expired;
  for (const auto& [store, shards] : snapshot.trust) {
    snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
      const auto* certificate = snapshot.certificates->Find(entry.certificate);
      if (certificate == nullptr || certificate->not_after() >= now ||
          snapshot.Distrusted(entry.certificate) != nullptr)
        return true;
      DistrustRecord record;
      record.certificate = entry.certificate;
      record.cause = keystore::kExpired;
      record.source = "the clock";
      record.since = certificate->not_after();
      record.found = now;
      expired.emplace(entry.certificate, std::move(record));
      return expired.size() < keystore::kMaxDistrusted;
    });
  }
  for (auto& [fingerprint, record] : expired) {
    if (Full(request)) break;
    request.distrusted.push_back(std::move(record));
  }
  return request;
}

std::optional<WallTime> NextExpiry(const keystore::Snapshot& snapshot, WallTime now) {
  std::optional<WallTime> next;
  const auto consider = [&](WallTime time) {
    if (!next || time < *next) next = time;
  };
  for (const auto& [fingerprint, row] : snapshot.distrusted) {
    if (row.value.cause == keystore::kExpired && row.value.since >= now) return now;  // reinstated
  }
  for (const auto& [store, shards] : snapshot.trust) {
    snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
      const auto* certificate = snapshot.certificates->Find(entry.certificate);
      if (certificate != nullptr && snapshot.Distrusted(entry.certificate) == nullptr)
        consider(certificate->not_after() + std::chrono::seconds(1));
      return true;
    });
  }
  return next;
}

DistrustRequest Consequences(const StatusBook& book, const keystore::Snapshot& snapshot,
                             const RevocationSettings& settings, WallTime now) {
  DistrustRequest request = ExpiredTrust(snapshot, now);
  for (const auto& [fingerprint, row] : book.rows()) {
    if (row.status == kGood) continue;
    auto record = Wanted(fingerprint, row, NeedsProof(snapshot, fingerprint), settings, now);
    if (!record) continue;
    const DistrustRecord* before = snapshot.Distrusted(fingerprint);
    // What is revoked stays so; all else gives way to what is known now.
    const bool news = before == nullptr ||
                      (before->cause != record->cause && before->cause != keystore::kRevoked &&
                       before->cause != keystore::kExpired);
    if (news && !Full(request)) request.distrusted.push_back(std::move(*record));
  }
  for (const auto& [fingerprint, row] : snapshot.distrusted) {
    const std::string& cause = row.value.cause;
    const StatusRow* known = book.Find(fingerprint);
    const bool good = known != nullptr && known->status == kGood;
    const bool nobody = known != nullptr && known->word == kNoStatusSource;
    // Of what is nowhere any more nothing will be asked: whoever uploads it asks anew.
    const bool over = cause == keystore::kOnHold ? good || PlacesOf(snapshot, fingerprint).empty()
                      : cause == keystore::kUnproved ? good || nobody || !settings.trust_hard ||
                                                           !NeedsProof(snapshot, fingerprint)
                                                     : false;
    if (over && !Full(request)) request.reinstated.push_back(fingerprint);
  }
  return request;
}

}  // namespace signet::services
