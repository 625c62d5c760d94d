#include "services/monitor/expiry_look.h"

#include <algorithm>
#include <tuple>

#include "platform/encoding.h"
#include "services/joined.h"

namespace signet::services {
namespace {

constexpr std::size_t kMaxItems = 1000;
constexpr std::size_t kMaxFindings = 100;
constexpr auto kCsrWaits = std::chrono::days(14);
constexpr std::string_view kLevels[] = {"hint", "warning", "alarm"};

std::string Days(std::chrono::seconds span) {
  const std::int64_t days = std::chrono::floor<std::chrono::days>(span).count();
  if (days == 0) return "less than a day";
  return std::to_string(days) + (days == 1 ? " day" : " days");
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
          "'signet trust upload " + store + " FILE' its successor, 'signet trust delete " + store +
              " " + entry.certificate + "'",
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
  Finding FindingOf(const ExpiryItem& item) const;

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
  ++look_.checked;
  const WallTime end = found->not_after();
  if (!look_.earliest || end < *look_.earliest) look_.earliest = end;
  const auto level = LevelOf(found->not_before(), end, own);
  if (!level) return;
  const bool over = end < in_.now;
  if (over) ++look_.expired;
  if (!over && *level != ExpiryLevel::kHint) ++look_.soon;
  ExpiryItem item;
  item.level = *level;
  item.own = own;
  item.end = end;
  item.node = in_.names.node;
  item.place = std::move(place);
  item.subject = EscapeLine(found->subject(), 128);
  item.serial = EscapeLine(found->serial(), 64);
  item.fingerprint = found->fingerprint();
  item.when =
      over ? "expired " + Days(in_.now - end) + " ago" : "expires in " + Days(end - in_.now);
  item.impact = std::move(impact);
  item.remedy = std::move(remedy);
  look_.items.push_back(std::move(item));
}

Finding Looker::FindingOf(const ExpiryItem& item) const {
  Finding finding{Severity::kWarning, "EXPIRES_SOON",
                  item.place + " on " + item.node + " (" + item.subject + ", serial " +
                      item.serial + ") " + item.when + ", " + FormatTime(item.end) + ": " +
                      item.remedy,
                  item.fingerprint};
  if (item.level == ExpiryLevel::kHint) {
    finding.severity = Severity::kInfo;
    finding.id = "LIFE_MOSTLY_OVER";
  } else if (item.level == ExpiryLevel::kAlarm) {
    finding.severity = Severity::kError;
    finding.id = item.end < in_.now ? "EXPIRED" : "EXPIRES_WITHIN_A_DAY";
  }
  return finding;
}

ExpiryLook Looker::Finish() && {
  const auto urgency = [](const ExpiryItem& item) {
    return std::tuple(item.level == ExpiryLevel::kHint, !item.own, item.end);
  };
  std::ranges::stable_sort(look_.items, {}, urgency);
  Findings findings;
  for (const ExpiryItem& item : look_.items) {
    if (findings.size() == kMaxFindings) {
      findings.push_back({Severity::kWarning, "MORE_EXPIRE",
                          std::to_string(look_.items.size() - kMaxFindings) +
                              " more certificates have expired or expire soon: 'signet "
                              "certificate list', 'signet trust list'",
                          ""});
      break;
    }
    findings.push_back(FindingOf(item));
  }
  if (look_.unknown > 0) {
    findings.push_back({Severity::kWarning, "CERTIFICATE_UNKNOWN",
                        std::to_string(look_.unknown) +
                            " certificate(s) cannot be read, so that nobody knows when they end: "
                            "restore the state from a backup",
                        ""});
  }
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
  return std::move(looker).Finish();
}

}  // namespace signet::services
