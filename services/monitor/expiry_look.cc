#include "services/monitor/expiry_look.h"

#include <algorithm>
#include <tuple>

#include "keystore/plan_distrust.h"
#include "platform/encoding.h"
#include "services/joined.h"

namespace signet::services {
namespace {

constexpr std::size_t kMaxItems = 1000;
constexpr std::size_t kMaxFindings = 100;
constexpr std::size_t kToldUnseen = 5;
constexpr auto kCsrWaits = std::chrono::days(14);
constexpr std::string_view kLevels[] = {"hint", "warning", "alarm"};

std::string Days(std::chrono::seconds span) {
  const std::int64_t days = std::chrono::floor<std::chrono::days>(span).count();
  if (days == 0) return "less than a day";
  return std::to_string(days) + (days == 1 ? " day" : " days");
}

// "3 have expired, 1 ends within a day, 1230 end within 30 days".
std::string Spread(const keystore::LscCount& count, std::chrono::days start) {
  std::string text;
  const auto add = [&](std::size_t number, const std::string& one, const std::string& many) {
    if (number == 0) return;
    text += (text.empty() ? "" : ", ") + std::to_string(number) + (number == 1 ? one : many);
  };
  add(count.lately, " has expired", " have expired");
  add(count.within_a_day, " expires within a day", " expire within a day");
  const std::string within =
      " within " + Days(std::max<std::chrono::days>(start, std::chrono::days(1)));
  add(count.soon - count.within_a_day, " expires" + within, " expire" + within);
  return text;
}

class Looker {
 public:
  explicit Looker(const ExpiryInput& in) : in_(in) {}

  void Identity(const std::string& purpose, const keystore::IdentityVersion& version) {
    const keystore::Purpose* row = in_.catalogue.FindPurpose(purpose);
    const std::string users = row == nullptr ? "" : Joined(row->services);
    const std::string impact =
        (users.empty() ? "who uses " + purpose : users) + " will be refused by their peers";
    const std::string renew = version.chain.empty()
                                  ? "'signet certificate generate " + purpose + "'"
                                  : "'signet csr generate " + purpose +
                                        "', have it signed, 'signet certificate upload " + purpose +
                                        " FILE'";
    Add(version.certificate, purpose, impact, renew, true);
    for (const std::string& issuer : version.chain) {
      Add(issuer, "chain of " + purpose, impact,
          "have " + purpose + " signed by a CA that lasts: 'signet csr generate " + purpose + "'",
          true);
    }
  }
  void TrustStore(const std::string& store) {
    in_.snapshot.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
      // What mirrors an identity's own certificate goes with it.
      const keystore::IdentityVersion* owner = in_.snapshot.Current(entry.purpose);
      if (owner != nullptr && owner->certificate == entry.certificate) return true;
      Add(entry.certificate, store, "peers whose certificates lead to it will not be trusted",
          "upload its successor, 'signet trust upload " + store +
              " FILE', and delete it, 'signet " + "trust delete " + store + " " +
              entry.certificate + "'",
          false);
      return true;
    });
  }
  void Csr(const keystore::CsrRecord& csr) {
    if (csr.created > in_.now || in_.now - csr.created < kCsrWaits) return;
    look_.findings.push_back({Severity::kInfo, "CSR_WAITS",
                              "the CSR " + csr.id + " of " + csr.purpose + " waits since " +
                                  FormatTime(csr.created) + ": upload what the CA signed, or " +
                                  "'signet csr discard " + csr.id + "'",
                              ""});
  }
  // In a place of its own, or another certificate than the identity's in the identity's place.
  void Place(const ExpiryPlace& place) {
    const auto level = Count(place.not_before, place.not_after, true);
    if (!level) return;
    ++look_.levels[static_cast<std::size_t>(*level)];
    ExpiryItem item = ItemOf(*level, place.not_after);
    item.place = place.place;
    item.subject = EscapeLine(place.subject, 128);
    item.serial = EscapeLine(place.serial, 64);
    item.fingerprint = place.fingerprint;
    item.impact = place.impact;
    item.remedy = place.remedy;
    look_.items.push_back(std::move(item));
  }
  void Lscs(const keystore::LscCount& count);
  ExpiryLook Finish() &&;

 private:
  void Add(const std::string& fingerprint, std::string place, std::string impact,
           std::string remedy, bool own);
  std::optional<ExpiryLevel> LevelOf(WallTime begin, WallTime end, bool own) const {
    if (end < in_.now + kAlarmBefore) return ExpiryLevel::kAlarm;
    if (end < in_.now + in_.start) return ExpiryLevel::kWarning;
    // Not of trust stores: most roots are old.
    if (own && in_.now - begin > (end - begin) * 2 / 3) return ExpiryLevel::kHint;
    return std::nullopt;
  }
  // One certificate more. None: there is nothing to say of it.
  std::optional<ExpiryLevel> Count(WallTime begin, WallTime end, bool own);
  ExpiryItem ItemOf(ExpiryLevel level, WallTime end) const;
  Finding FindingOf(const ExpiryItem& item) const;
  void TellUnseen(Findings& out) const;

  const ExpiryInput& in_;
  ExpiryLook look_;
};

void Looker::Add(const std::string& fingerprint, std::string place, std::string impact,
                 std::string remedy, bool own) {
  const keystore::StoredCertificate* found = in_.snapshot.certificates->Find(fingerprint);
  if (found == nullptr) {
    ++look_.unknown;
    return;
  }
  const keystore::DistrustRecord* record = in_.snapshot.Distrusted(fingerprint);
  const bool distrusted = record != nullptr && record->cause != keystore::kExpired;
  auto level = Count(found->not_before(), found->not_after(), own);
  // Nobody is refused for an entry that ended by itself who would not be refused anyway; but a
  // revocation is news, however long it would have been good.
  if (distrusted) level = own ? ExpiryLevel::kAlarm : ExpiryLevel::kWarning;
  if (!level) return;
  ++look_.levels[static_cast<std::size_t>(*level)];
  ExpiryItem item = ItemOf(*level, found->not_after());
  item.own = own;
  if (distrusted) {
    item.distrusted = record->cause;
    item.when = "is " + keystore::WhyDistrusted(*record);
    ++look_.distrusted;
  }
  item.place = std::move(place);
  item.subject = EscapeLine(found->subject(), 128);
  item.serial = EscapeLine(found->serial(), 64);
  item.fingerprint = found->fingerprint();
  item.impact = std::move(impact);
  // What is revoked needs a successor, as what expires does.
  const bool other = distrusted && record->cause != keystore::kRevoked;
  item.remedy = other ? keystore::RemedyOf(*record) : std::move(remedy);
  look_.items.push_back(std::move(item));
}

std::optional<ExpiryLevel> Looker::Count(WallTime begin, WallTime end, bool own) {
  ++look_.checked;
  if (!look_.earliest || end < *look_.earliest) look_.earliest = end;
  const auto level = LevelOf(begin, end, own);
  if (level && end < in_.now) {
    ++look_.expired;
  } else if (level && *level != ExpiryLevel::kHint) {
    ++look_.soon;
  }
  return level;
}

ExpiryItem Looker::ItemOf(ExpiryLevel level, WallTime end) const {
  ExpiryItem item;
  item.level = level;
  item.end = end;
  item.node = in_.names.node;
  item.when = end < in_.now ? "expired " + Days(in_.now - end) + " ago"
                            : "expires in " + Days(end - in_.now);
  return item;
}

// They may be a hundred thousand: one item says how many are due, the nearest have one each.
void Looker::Lscs(const keystore::LscCount& count) {
  look_.checked += count.total;
  look_.expired += count.expired;
  look_.soon += count.soon;
  if (count.earliest && (!look_.earliest || *count.earliest < *look_.earliest))
    look_.earliest = count.earliest;
  look_.lscs = count;
  look_.lscs->nearest.clear();
  look_.levels[static_cast<std::size_t>(ExpiryLevel::kAlarm)] += count.lately + count.within_a_day;
  look_.levels[static_cast<std::size_t>(ExpiryLevel::kWarning)] += count.soon - count.within_a_day;
  const std::size_t long_ago = count.expired - count.lately;
  if (long_ago > 0) {
    look_.findings.push_back({Severity::kInfo, "LSCS_LONG_EXPIRED",
                              std::to_string(long_ago) +
                                  " endpoints' certificates expired more than " + Days(in_.start) +
                                  " ago, and nobody is told of them any more: 'signet lsc "
                                  "remove-expired'",
                              ""});
  }
  const std::size_t due = count.lately + count.soon;
  if (due == 0 || !count.earliest) return;
  const std::string impact = "these endpoints will be refused where their certificate is asked for";
  ExpiryItem all =
      ItemOf(count.lately + count.within_a_day > 0 ? ExpiryLevel::kAlarm : ExpiryLevel::kWarning,
             *count.earliest);
  all.endpoints = true;
  all.stands_for = due;
  all.place = "LSC";
  all.when = Spread(count, std::chrono::duration_cast<std::chrono::days>(in_.start));
  all.subject = std::to_string(due) + " of " + std::to_string(count.total) + " endpoints";
  all.serial = "several";
  all.impact = impact;
  all.remedy = "'signet lsc list --ends-before " + FormatTime(in_.now + in_.start) +
               "' shows them; let CAPF issue new ones, 'signet lsc register FILE'";
  look_.items.push_back(std::move(all));
  for (const keystore::LscRow& row : count.nearest) {
    const auto level = LevelOf(row.not_before, row.not_after, false);
    if (!level) continue;
    ExpiryItem item = ItemOf(*level, row.not_after);
    item.endpoints = true;
    item.place = "LSC of " + (row.common_name.empty() ? row.subject : row.common_name);
    item.subject = EscapeLine(row.subject, 128);
    item.serial = EscapeLine(row.serial, 64);
    item.fingerprint = row.fingerprint;
    item.impact = impact;
    item.remedy = "let CAPF issue a new one, 'signet lsc register FILE'";
    look_.items.push_back(std::move(item));
  }
}

void Looker::TellUnseen(Findings& out) const {
  const std::vector<std::string>& unseen = in_.others.unseen;
  if (unseen.empty()) return;
  std::vector<std::string> told(
      unseen.begin(),
      unseen.begin() + static_cast<std::ptrdiff_t>(std::min(unseen.size(), kToldUnseen)));
  if (unseen.size() > told.size())
    told.push_back(std::to_string(unseen.size() - told.size()) + " more");
  out.push_back(
      {Severity::kWarning, "CERTIFICATE_UNKNOWN",
       std::to_string(unseen.size()) +
           " place(s) or statuses could not be seen, so that nobody knows whether they are good: " +
           Joined(told),
       ""});
}

Finding Looker::FindingOf(const ExpiryItem& item) const {
  if (item.stands_for > 0) {
    return {item.level == ExpiryLevel::kAlarm ? Severity::kError : Severity::kWarning,
            "LSCS_EXPIRE",
            "LSC: of the endpoints' certificates " + item.when + ", the first at " +
                FormatTime(item.end) + ": " + item.remedy,
            ""};
  }
  Finding finding{Severity::kWarning, "EXPIRES_SOON",
                  item.place + " on " + item.node + " (" + item.subject + ", serial " +
                      item.serial + ") " + item.when +
                      (item.distrusted.empty() ? ", " + FormatTime(item.end) : "") + ": " +
                      item.remedy,
                  item.fingerprint};
  if (item.level == ExpiryLevel::kHint) {
    finding.severity = Severity::kInfo;
    finding.id = "LIFE_MOSTLY_OVER";
  } else if (item.level == ExpiryLevel::kAlarm) {
    finding.severity = Severity::kError;
    finding.id = item.end < in_.now ? "EXPIRED" : "EXPIRES_WITHIN_A_DAY";
  }
  if (!item.distrusted.empty()) {
    finding.id = item.distrusted == keystore::kRevoked  ? "REVOKED"
                 : item.distrusted == keystore::kOnHold ? "ON_HOLD"
                                                        : "UNPROVED";
  }
  return finding;
}

ExpiryLook Looker::Finish() && {
  const auto urgency = [](const ExpiryItem& item) {
    const bool all = item.stands_for > 0;
    return std::tuple(item.level == ExpiryLevel::kHint, !item.own && !all, all,
                      item.endpoints && !all, item.distrusted.empty() ? item.end : WallTime());
  };
  std::ranges::stable_sort(look_.items, {}, urgency);
  Findings findings;
  std::size_t more = 0;
  for (const ExpiryItem& item : look_.items) {
    if (item.endpoints && item.stands_for == 0) continue;  // one finding is about all of them
    if (findings.size() == kMaxFindings) {
      ++more;
    } else {
      findings.push_back(FindingOf(item));
    }
  }
  if (more > 0) {
    findings.push_back({Severity::kWarning, "MORE_EXPIRE",
                        std::to_string(more) +
                            " more certificates have expired or expire soon: 'signet certificate "
                            "list', 'signet trust list'",
                        ""});
  }
  if (look_.unknown > 0) {
    findings.push_back({Severity::kWarning, "CERTIFICATE_UNKNOWN",
                        std::to_string(look_.unknown) +
                            " certificate(s) cannot be read, so that nobody knows when they end: "
                            "restore the state from a backup",
                        ""});
  }
  TellUnseen(findings);
  look_.unknown += in_.others.unseen.size();
  findings.insert(findings.end(), look_.findings.begin(), look_.findings.end());
  look_.findings = std::move(findings);
  if (look_.items.size() > kMaxItems) look_.items.resize(kMaxItems);
  return std::move(look_);
}

}  // namespace

std::string_view ExpiryLevelName(ExpiryLevel level) {
  return kLevels[static_cast<std::size_t>(level)];
}

ExpiryLook LookAtExpiry(const ExpiryInput& in) {
  Looker looker(in);
  for (const auto& [purpose, row] : in.snapshot.identities) {
    if (row.value.current) looker.Identity(purpose, *row.value.current);
  }
  for (const auto& [id, row] : in.snapshot.csrs) looker.Csr(row.value);
  for (const auto& [store, entries] : in.snapshot.trust) looker.TrustStore(store);
  for (const ExpiryPlace& place : in.others.seen) looker.Place(place);
  if (in.others.lscs) looker.Lscs(*in.others.lscs);
  return std::move(looker).Finish();
}

}  // namespace signet::services
