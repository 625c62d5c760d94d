#include "services/expiry_look.h"

#include <algorithm>

#include "platform/encoding.h"

namespace signet::services {
namespace {

constexpr std::size_t kMaxFindings = 100;

// One place in which a certificate is.
struct Place {
  WallTime end;
  const keystore::StoredCertificate* certificate;
  std::string where, remedy;
};

class Looker {
 public:
  Looker(const keystore::Snapshot& snapshot, WallTime now) : snapshot_(snapshot), now_(now) {}

  void Identity(const std::string& purpose, const keystore::IdentityVersion& version) {
    Add(version.certificate, "the certificate of " + purpose,
        version.chain.empty() ? "'signet certificate generate " + purpose + "'"
                              : "'signet csr generate " + purpose + "', have it signed, 'signet " +
                                    "certificate upload " + purpose + " FILE'");
    for (const std::string& issuer : version.chain) {
      Add(issuer, "a CA in the chain of " + purpose,
          "have " + purpose + " signed by a CA that lasts: 'signet csr generate " + purpose + "'");
    }
  }
  void TrustStore(const std::string& store) {
    snapshot_.EachTrustEntry(store, "", [&](const keystore::TrustEntryRecord& entry) {
      // What mirrors an identity's own certificate goes with it.
      const keystore::IdentityVersion* owner = snapshot_.Current(entry.purpose);
      if (owner != nullptr && owner->certificate == entry.certificate) return true;
      Add(entry.certificate, "a certificate in " + store,
          "'signet trust upload " + store + " FILE' its successor, 'signet trust delete " + store +
              " " + entry.certificate + "'");
      return true;
    });
  }
  ExpiryLook Finish(const std::string& node);

 private:
  void Add(const std::string& fingerprint, std::string where, std::string remedy) {
    const keystore::StoredCertificate* found = snapshot_.certificates->Find(fingerprint);
    if (found == nullptr) return;  // the state was damaged, which others tell
    ++look_.checked;
    const WallTime end = found->not_after();
    if (!look_.earliest || end < *look_.earliest) look_.earliest = end;
    if (end >= now_ + std::chrono::days(kSoonDays)) return;
    ++(end < now_ ? look_.expired : look_.soon);
    places_.push_back({end, found, std::move(where), std::move(remedy)});
  }

  const keystore::Snapshot& snapshot_;
  const WallTime now_;
  ExpiryLook look_;
  std::vector<Place> places_;
};

std::string Days(std::chrono::seconds span) {
  const std::int64_t days = std::chrono::floor<std::chrono::days>(span).count();
  if (days == 0) return "less than a day";
  return std::to_string(days) + (days == 1 ? " day" : " days");
}

ExpiryLook Looker::Finish(const std::string& node) {
  std::ranges::stable_sort(places_, {}, &Place::end);
  for (const Place& place : places_) {
    if (look_.findings.size() == kMaxFindings) {
      look_.findings.push_back({Severity::kWarning, "MORE_EXPIRE",
                                std::to_string(places_.size() - kMaxFindings) +
                                    " more certificates have expired or expire soon: 'signet "
                                    "certificate list', 'signet trust list'",
                                ""});
      break;
    }
    const bool over = place.end < now_;
    const std::string when = over ? "expired " + Days(now_ - place.end) + " ago"
                                  : "expires in " + Days(place.end - now_);
    look_.findings.push_back(
        {over ? Severity::kError : Severity::kWarning, over ? "EXPIRED" : "EXPIRES_SOON",
         place.where + " on " + node + " (" + EscapeLine(place.certificate->subject(), 128) +
             ", serial " + EscapeLine(place.certificate->serial(), 64) + ") " + when + ", " +
             FormatTime(place.end) + ": " + place.remedy,
         std::string(place.certificate->fingerprint())});
  }
  return std::move(look_);
}

}  // namespace

ExpiryLook LookAtExpiry(const keystore::Snapshot& snapshot, const keystore::NodeNames& names,
                        WallTime now) {
  Looker looker(snapshot, now);
  for (const auto& [purpose, row] : snapshot.identities) {
    if (row.value.current) looker.Identity(purpose, *row.value.current);
  }
  for (const auto& [store, entries] : snapshot.trust) looker.TrustStore(store);
  return looker.Finish(names.node);
}

}  // namespace signet::services
